"""What applies the confirmed remedies after a restart: files of systemd. Pure but for its look."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from portlight.guest.guard.journal import KeptFile, Step
from portlight.guest.guard.units import Unit, exec_start, unit_files

UNIT: Final = "portlight-guest-routes.service"
_TARGET: Final = "multi-user.target"
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

[Install]
WantedBy={target}
"""


def boot_files(folder: Path, systemd: Path, tool: Sequence[str]) -> tuple[KeptFile, ...]:
    """Return the unit that `tool` is started by; nothing where there is no systemd."""
    text = _TEXT.format(command=exec_start(tool), target=_TARGET)
    return unit_files(folder, systemd, Unit(name=UNIT, text=text, wanted_by=_TARGET))


def boot_steps(files: Sequence[KeptFile]) -> tuple[Step, ...]:
    """Return what lets systemd begin, or end, to follow at once; nothing without its files."""
    if not files:
        return ()
    return (
        Step(argv=("systemctl", "daemon-reload")),
        Step(argv=("systemctl", "--no-block", "restart", UNIT)),
    )
