"""Run the steps on the connection that `store/migrate.py` gives. Alembic executes this file."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
