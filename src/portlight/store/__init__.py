"""The desired state at rest: SQLite or PostgreSQL, and memory for tests."""
