"""How SSHGUARD was told to guard: kept, so that it is started again with the server."""

import json
from dataclasses import asdict, dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from portlight.guest.guard.boot import UNIT as RESTORE_UNIT
from portlight.guest.guard.flows import Network
from portlight.guest.guard.journal import Backend, KeptFile, write_durably
from portlight.guest.guard.pipeline import Policy
from portlight.guest.guard.units import (
    SYSTEMD,
    Unit,
    exec_start,
    own_command,
    remove_files,
    unit_files,
)

UNIT: Final = "portlight-guest-sshguard.service"
_TARGET: Final = "multi-user.target"
_TEXT: Final = """\
[Unit]
Description=Who guesses passwords is banned
After={restore}

[Service]
ExecStart={command} sshguard run
Restart=on-failure
RestartSec=1

[Install]
WantedBy={target}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What `sshguard start` was told."""

    log: str
    """Absolute path of the auth log."""
    policy: Policy
    backend: Backend = ""
    spare: tuple[str, ...] = ()
    """Networks that are never banned, beside all that is protected."""

    @property
    def spared(self) -> tuple[Network, ...]:
        """`spare` as networks."""
        return tuple(ip_network(one) for one in self.spare)


def save_orders(folder: Path, orders: Orders) -> None:
    """Keep them, and let systemd start the guard with the server."""
    write_durably(_path(folder), json.dumps(asdict(orders)))
    for file in boot_files(folder, SYSTEMD, own_command(folder)):
        file.write()


def load_orders(folder: Path) -> Orders | None:
    """Return what is kept; None when nobody wants a guard."""
    try:
        raw = json.loads(_path(folder).read_text())
    except FileNotFoundError:
        return None
    policy, spare = Policy(**raw.pop("policy")), tuple(raw.pop("spare"))
    return Orders(policy=policy, spare=spare, **raw)


def forget_orders(folder: Path) -> None:
    """Let nothing start the guard any more."""
    remove_files(boot_files(folder, SYSTEMD, ()))
    # Last: it is what an instance's init looks for.
    _path(folder).unlink(missing_ok=True)


def boot_files(folder: Path, systemd: Path, tool: tuple[str, ...]) -> tuple[KeptFile, ...]:
    """Return the unit that `tool` is started by; nothing where there is no systemd."""
    text = _TEXT.format(command=exec_start(tool), restore=RESTORE_UNIT, target=_TARGET)
    return unit_files(folder, systemd, Unit(name=UNIT, text=text, wanted_by=_TARGET))


def _path(folder: Path) -> Path:
    return folder / "sshguard.json"
