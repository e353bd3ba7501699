"""Who is banned after guessing passwords: a file says who should be, the chain says who is.

The chain `sshguard` is brought to the file, never the other way round: a restored or flushed
firewall gets its bans back, and none that ended.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from portlight.guest.guard.clock import boot_mark
from portlight.guest.guard.firewall import FAMILIES, Firewall
from portlight.guest.guard.flows import Network
from portlight.guest.guard.journal import held, write_durably
from portlight.guest.guard.sockets import Address
from portlight.guest.iptables.tool import ToolError

CHAIN: Final = "sshguard"
_JUMP: Final = f"-A INPUT -j {CHAIN}"
_NO_CHAIN: Final = 1
"""What iptables ends with when it does not know a chain."""
_MOST_SPARED: Final = 100
"""How many refusals to ban are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """One network that may not send to us, or that was spared and why."""

    network: str
    reason: str
    at: str
    until: float
    """On the clock `boottime` of the start that the bans are of."""

    @property
    def family(self) -> int:
        """4 or 6."""
        return ip_network(self.network).version


@dataclass(frozen=True, slots=True, kw_only=True)
class Bans:
    """All that is remembered about attackers."""

    banned: tuple[Ban, ...] = ()
    spared: tuple[Ban, ...] = ()
    """Attackers that were not banned, because somebody who must not be cut off is among them."""

    def with_ban(self, ban: Ban) -> "Bans":
        """Return the bans with one more; the newest reason counts."""
        others = tuple(one for one in self.banned if one.network != ban.network)
        return Bans(banned=(*others, ban), spared=self.spared)

    def with_spared(self, ban: Ban, why: str) -> "Bans":
        """Return the bans with one more that was refused."""
        others = tuple(one for one in self.spared if one.network != ban.network)
        spared = replace(ban, reason=f"{why}; {ban.reason}")
        return Bans(banned=self.banned, spared=(*others, spared)[-_MOST_SPARED:])

    def current(self, now: float) -> "Bans":
        """Return the bans without those whose time is over."""
        banned = tuple(one for one in self.banned if one.until > now)
        return Bans(banned=banned, spared=self.spared)

    def without(self, network: Network) -> "Bans":
        """Return the bans without those inside a network."""
        return Bans(
            banned=tuple(one for one in self.banned if not _is_inside(one, network)),
            spared=self.spared,
        )


def held_bans(folder: Path) -> AbstractContextManager[None]:
    """Hold the bans and their chain alone. Not the journal: a rollback must not wait for them."""
    return held(folder / "bans.lock")


def load_bans(folder: Path) -> Bans:
    """Return what is remembered; bans end with the start of the server that they are of."""
    path = folder / "bans.json"
    if not path.exists():
        return Bans()
    raw = json.loads(path.read_text())
    return Bans(
        banned=tuple(Ban(**one) for one in raw["banned"] if raw["boot"] == boot_mark()),
        spared=tuple(Ban(**one) for one in raw["spared"]),
    )


def save_bans(folder: Path, bans: Bans) -> None:
    """Write what is remembered."""
    write_durably(folder / "bans.json", json.dumps(asdict(bans) | {"boot": boot_mark()}))


def protector(network: Network, protected: Iterable[tuple[Address | Network, str]]) -> str:
    """Return why a network may not be banned; empty when it may."""
    for one, why in protected:
        other = ip_network(one)
        if other.version == network.version and other.overlaps(network):
            return why
    return ""


def sync_chain(firewall: Firewall, bans: Collection[Ban]) -> None:
    """Make the chain drop what is banned, and every packet to us pass through it first.

    While all is as it should be, this only reads; whatever is not is set right in one step.
    """
    for family in FAMILIES:
        wanted = {str(ip_network(one.network)) for one in bans if one.family == family}
        commands = [*_chain_commands(firewall, family, wanted), *_jump_commands(firewall, family)]
        if commands:
            firewall.alter(family, "filter", commands)


def _chain_commands(firewall: Firewall, family: int, wanted: set[str]) -> Iterator[str]:
    present = banned_by_chain(firewall, family)
    if present is None:
        yield f"-N {CHAIN}"
    for network in sorted(wanted - (present or set())):
        yield f"-A {CHAIN} -s {network} -j DROP"
    for network in sorted((present or set()) - wanted):
        yield f"-D {CHAIN} -s {network} -j DROP"


def _jump_commands(firewall: Firewall, family: int) -> Iterator[str]:
    """Yield what makes the jump the first rule: behind one that accepts, it would judge nobody."""
    if firewall.run(family, "-S", "INPUT", "1").strip() == _JUMP:
        return
    for _ in range(firewall.run(family, "-S", "INPUT").splitlines().count(_JUMP)):
        yield _JUMP.replace("-A", "-D", 1)
    yield _JUMP.replace("-A", "-I", 1)


def banned_by_chain(firewall: Firewall, family: int) -> set[str] | None:
    """Return the networks that the chain drops; None when there is no chain."""
    try:
        listing = firewall.run(family, "-S", CHAIN)
    except ToolError as error:
        if error.status == _NO_CHAIN:
            return None
        raise
    found = set()
    for line in listing.splitlines():
        words = line.split()
        if words[:3] == ["-A", CHAIN, "-s"] and words[4:] == ["-j", "DROP"]:
            found.add(str(ip_network(words[3])))
    return found


def _is_inside(ban: Ban, network: Network) -> bool:
    banned = ip_network(ban.network)
    return banned.version == network.version and banned.overlaps(network)
