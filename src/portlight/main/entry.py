"""The `portlight` command."""

from portlight.cli.app import app
from portlight.main.commands import COMMANDS


def main() -> None:
    """Run the command line."""
    for command in COMMANDS:
        app.add_command(command)
    app(prog_name="portlight")


if __name__ == "__main__":
    main()
