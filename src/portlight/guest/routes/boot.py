"""What applies the confirmed remedies after a restart: files of systemd. Pure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from portlight.guest.guard.journal import DEFAULT_FOLDER, KeptFile, Step

_UNIT: Final = "portlight-guest-routes.service"
_SYSTEMD: Final = Path("/etc/systemd/system")
_TEXT: Final = """\
[Unit]
Description=Confirmed remedies of this server's routes
Wants=network-online.target
After=network-online.target
# However late a lease is, and whatever breaks: it is tried again.
StartLimitIntervalSec=0

[Service]
ExecStart={command} routes restore --follow
Restart=on-failure
RestartSec=1
"""
_WANTED: Final = f"[Unit]\nWants={_UNIT}\n"


def boot_files(folder: Path, systemd: Path, tool: Sequence[str]) -> tuple[KeptFile, ...]:
    """Return the unit, and what makes every start want it; nothing where there is no systemd.

    Another folder than the server's own belongs to something else on the machine, such as an
    instance, which starts by itself.
    """
    if folder != DEFAULT_FOLDER or not systemd.is_dir():
        return ()
    command = " ".join(f'"{word}"' for word in tool)
    return (
        KeptFile(path=str(_SYSTEMD / _UNIT), text=_TEXT.format(command=command)),
        KeptFile(
            path=str(_SYSTEMD / "multi-user.target.d" / "portlight-guest-routes.conf"),
            text=_WANTED,
        ),
    )


def boot_steps(files: Sequence[KeptFile]) -> tuple[Step, ...]:
    """Return what lets systemd begin, or end, to follow at once; nothing without its files."""
    if not files:
        return ()
    return (
        Step(argv=("systemctl", "daemon-reload")),
        Step(argv=("systemctl", "--no-block", "restart", _UNIT)),
    )


def tool_words(executable: str, started_as: str, module: str) -> tuple[str, ...]:
    """Return the command that starts this tool again: its one file, or its package."""
    file = Path(started_as)
    if file.suffix == ".pyz" and file.is_file():
        return (executable, str(file.resolve()))
    return (executable, "-m", module)
