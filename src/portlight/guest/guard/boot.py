"""What puts the confirmed rules back after a restart, before the first packet.

Files only, and a shell script that needs nothing of ours: they work when this program is gone.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from portlight.guest.guard.firewall import BACKENDS, FAMILIES, Firewall
from portlight.guest.guard.journal import Backend, KeptFile
from portlight.guest.guard.texts import Saved, to_keep
from portlight.guest.guard.units import SYSTEMD, Unit, unit_files

SCRIPT: Final = "restore.sh"
_SCRIPT: Final = """\
#!/bin/sh
# Puts the confirmed firewall rules back. Written by portlight-guest with each confirmed change.
status=0
# File, the tool of its back end, and what that is called where there is only one back end.
put() {{
	[ -s "$1" ] || return 0
	command -v "$2" >/dev/null || set -- "$1" "$3"
	"$2" -w <"$1" || status=1
}}
{lines}exit $status
"""
_LINE: Final = "put '{path}' {tool} {plain}\n"
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
    """Return the files by which a rule set outlives a restart; those of the other back end stay."""
    backend = firewall.real_backend()
    return (
        *_carried_over(folder, backend),
        *(
            KeptFile(path=str(rules_file(folder, backend, one)), text=to_keep(saved.get(one, "")))
            for one in FAMILIES
        ),
        # After what it names.
        KeptFile(path=str(folder / SCRIPT), text=_script(folder)),
        *boot_files(folder),
    )


def rules_file(folder: Path, backend: Backend, family: int) -> Path:
    """Return where the confirmed rules of a back end and family are."""
    return folder / f"rules-{backend}.v{family}"


def _script(folder: Path) -> str:
    """Return what puts all back that is there: it is the same after every change."""
    return _SCRIPT.format(
        lines="".join(
            _LINE.format(
                path=rules_file(folder, backend, family),
                tool=Firewall(backend=backend).tool(family).program("-restore"),
                plain=Firewall().tool(family).program("-restore"),
            )
            for backend in BACKENDS
            for family in FAMILIES
        )
    )


def _carried_over(folder: Path, backend: Backend) -> Iterator[KeptFile]:
    """Yield the other back end's rules under their present names.

    Earlier versions had one name for both, and a script that says whose they are.
    """
    earlier = {family: folder / f"rules.v{family}" for family in FAMILIES}
    script = folder / SCRIPT
    text = script.read_text() if script.exists() else ""
    if f"'{earlier[FAMILIES[0]]}'" not in text and f"'{earlier[FAMILIES[1]]}'" not in text:
        return
    of_script = next((one for one in BACKENDS if f"-{one}-" in text), Firewall().real_backend())
    for family, file in earlier.items():
        if of_script != backend and file.exists():
            path = rules_file(folder, of_script, family)
            yield KeptFile(path=str(path), text=file.read_text(errors="surrogateescape"))


def boot_files(folder: Path, systemd: Path = SYSTEMD) -> tuple[KeptFile, ...]:
    """Return what lets systemd run the script at boot; nothing where there is none."""
    unit = Unit(name=UNIT, text=unit_text(folder), wanted_by=_TARGET)
    return unit_files(folder, systemd, unit)


def unit_text(folder: Path) -> str:
    """Return the systemd unit that runs the script at boot."""
    return _UNIT_TEXT.format(folder=folder, script=SCRIPT, target=_TARGET)
