"""What puts the confirmed rules back after a restart, before the first packet.

Files only, and a shell script that needs nothing of ours: they work when this program is gone.
"""

from pathlib import Path
from typing import Final

from portlight.guest.guard.firewall import FAMILIES, Firewall
from portlight.guest.guard.journal import DEFAULT_FOLDER, KeptFile
from portlight.guest.guard.texts import Saved, to_keep

SCRIPT: Final = "restore.sh"
_SCRIPT: Final = """\
#!/bin/sh
# Puts the confirmed firewall rules back. Written by portlight-guest with each confirmed change.
status=0
{lines}exit $status
"""
_LINE: Final = "{tool} -w <'{path}' || status=1\n"
_SYSTEMD: Final = Path("/run/systemd/system")
_UNIT: Final = Path("/etc/systemd/system/portlight-guest-restore.service")
_WANTS: Final = Path("/etc/systemd/system/sysinit.target.wants") / _UNIT.name
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
WantedBy=sysinit.target
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
        # Last: it is what names the others.
        KeptFile(path=str(folder / SCRIPT), text=_SCRIPT.format(lines=lines)),
    )


def unit_text(folder: Path) -> str:
    """Return the systemd unit that runs the script at boot."""
    return _UNIT_TEXT.format(folder=folder, script=SCRIPT)


def restores_at_boot(folder: Path) -> bool:
    """See to it that this server's systemd runs the script; say whether it does.

    A folder other than the server's own belongs to something else on the machine, which starts
    by itself.
    """
    if folder != DEFAULT_FOLDER or not _SYSTEMD.is_dir():
        return False
    _UNIT.write_text(unit_text(folder))
    _WANTS.parent.mkdir(parents=True, exist_ok=True)
    if not _WANTS.is_symlink():
        _WANTS.symlink_to(_UNIT)
    return True
