"""What applies the confirmed remedies after a restart: files of systemd. Pure but for its look."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from portlight.guest.guard.journal import KeptFile
from portlight.guest.guard.units import Unit, exec_start, unit_files

UNIT: Final = "portlight-guest-routes.service"
_TARGET: Final = "multi-user.target"
_TEXT: Final = """\
[Unit]
Description=Confirmed remedies of this server's routes
Wants=network-online.target
After=network-online.target

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
