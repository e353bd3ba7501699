"""What puts the confirmed rules back after a restart, before the first packet.

Files only, and a shell script that needs nothing of ours: they work when this program is gone.
"""

from pathlib import Path
from typing import Final

from portlight.guest.guard.firewall import FAMILIES, Firewall
from portlight.guest.guard.journal import KeptFile
from portlight.guest.guard.texts import Saved, to_keep
from portlight.guest.guard.units import SYSTEMD, Unit, unit_files

SCRIPT: Final = "restore.sh"
_SCRIPT: Final = """\
#!/bin/sh
# Puts the confirmed firewall rules back. Written by portlight-guest with each confirmed change.
status=0
{lines}exit $status
"""
_LINE: Final = "{tool} -w <'{path}' || status=1\n"
UNIT: Final = "portlight-guest-restore.service"
_TARGET: Final = "sysinit.target"
_UNIT_TEXT: Final = """\
[Unit]
Description=Confirmed firewall rules, before the first packet
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target systemd-modules-load.service
Conflicts=shutdown.target
RequiresMountsFor={folder}
ConditionPathExists={folder}/{script}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {folder}/{script}

[Install]
WantedBy={target}
"""


def kept_files(folder: Path, firewall: Firewall, saved: Saved) -> tuple[KeptFile, ...]:
    """Return the files by which a rule set outlives a restart."""
    files = {family: str(folder / f"rules.v{family}") for family in FAMILIES}
    lines = "".join(
        _LINE.format(tool=firewall.tool(family).program("-restore"), path=files[family])
        for family in FAMILIES
        if saved.get(family)
    )
    return (
        *(KeptFile(path=files[one], text=to_keep(saved.get(one, ""))) for one in FAMILIES),
        # After what it names.
        KeptFile(path=str(folder / SCRIPT), text=_SCRIPT.format(lines=lines)),
        *boot_files(folder),
    )


def boot_files(folder: Path, systemd: Path = SYSTEMD) -> tuple[KeptFile, ...]:
    """Return what lets systemd run the script at boot; nothing where there is none."""
    unit = Unit(name=UNIT, text=unit_text(folder), wanted_by=_TARGET)
    return unit_files(folder, systemd, unit)


def unit_text(folder: Path) -> str:
    """Return the systemd unit that runs the script at boot."""
    return _UNIT_TEXT.format(folder=folder, script=SCRIPT, target=_TARGET)
