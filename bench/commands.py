"""Run a command here or inside a network namespace; a failure shows what the command said."""

import subprocess
from pathlib import Path

BUILD = Path(__file__).parents[1] / "build" / "bench"


def run(*command: str, stdin: str | None = None) -> str:
    """Return what the command prints; raise RuntimeError with its words if it fails."""
    outcome = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        said = (outcome.stderr or outcome.stdout).strip()
        raise RuntimeError(f"{' '.join(command[:8])}: exit {outcome.returncode}: {said}")
    return outcome.stdout


def argv_inside(namespace: str, *command: str) -> tuple[str, ...]:
    """Return the command line that runs in the namespace and leaves /sys as it is."""
    return ("nsenter", f"--net=/run/netns/{namespace}", *command)


def inside(namespace: str, *command: str, stdin: str | None = None) -> str:
    """Run the command in a network namespace, like `run`."""
    return run(*argv_inside(namespace, *command), stdin=stdin)


def built_load() -> str:
    """Compile `loads/load.c` if it is newer than its program; return the program's path."""
    source = Path(__file__).parent / "loads" / "load.c"
    program = BUILD / "load"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source))
    return str(program)
