"""Driver of router advertisements: one radvd for each router with IPv6 guests.

It runs without the agent, and speaks with the link-local address of each leg: that is the gateway
of the guests.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.daemons import Daemon, write_whole
from portlight.dataplane.names import HostNames
from portlight.dataplane.routes.rooms import RouterRooms
from portlight.plan.delta import Delta
from portlight.plan.routers import AdvertisedPrefix, LegPlan

LIFETIME_SECONDS = 1800
"""How long guests believe in a router of which they hear nothing more."""
_INTERVAL_SECONDS = (20, 60)
_CONFIG = "radvd.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advertiser:
    """The advertisements of a router; its key is the router's number."""

    config: str
    intact: bool = True
    """False when its process is missing. Never wanted."""


def render_advertiser(legs: Iterable[LegPlan]) -> Advertiser | None:
    """Return what a router says; None when it says nothing."""
    text = "".join(line for leg in legs if leg.advertised for line in _interface(leg))
    return Advertiser(config=text) if text else None


class AdvertiserDriver:
    """Reads and writes the advertisements of routers, by number."""

    def __init__(self, names: HostNames, rooms: RouterRooms) -> None:
        self._names = names
        self._rooms = rooms

    def read(self) -> Mapping[int, Advertiser]:
        """Return what is said, and whether by somebody."""
        root = self._names.folder / "routers"
        return {
            int(path.parent.name): self._read_one(int(path.parent.name))
            for path in root.glob(f"*/{_CONFIG}")
        }

    def apply(self, delta: Delta[int, Advertiser]) -> Mapping[int, Exception]:
        """Start, change and end; return the failures by router number."""
        return attempt_delta(delta, put=self._put, remove=self._remove)

    def _read_one(self, number: int) -> Advertiser:
        daemon, room = self._daemon(number), self._rooms.find(number)
        runs = room is not None and daemon.runs_in(room.inode)
        return Advertiser(config=daemon.config.read_text(), intact=runs)

    def _put(self, number: int, wanted: Advertiser) -> None:
        daemon = self._daemon(number)
        self._rooms.enter(number)
        daemon.folder.mkdir(parents=True, exist_ok=True)
        daemon.end()
        write_whole(daemon.config, wanted.config)
        log = daemon.folder / "log"
        daemon.start(
            self._names.router(number),
            f"--pidfile={daemon.folder / 'pid'}",
            "--logmethod=logfile",
            f"--logfile={log}",
        )

    def _remove(self, number: int) -> None:
        daemon = self._daemon(number)
        daemon.end()
        daemon.forget()

    def _daemon(self, number: int) -> Daemon:
        config = self._names.router_folder(number) / _CONFIG
        return Daemon(program="radvd", option="--config=", config=config)


def _interface(leg: LegPlan) -> Iterator[str]:
    shortest, longest = _INTERVAL_SECONDS
    managed = any(one.mode == "dhcpv6-stateful" for one in leg.advertised)
    other = managed or any(one.mode == "dhcpv6-stateless" for one in leg.advertised)
    yield f"interface {leg.ifname} {{\n"
    yield "  AdvSendAdvert on;\n  IgnoreIfMissing on;\n"
    yield f"  MinRtrAdvInterval {shortest};\n  MaxRtrAdvInterval {longest};\n"
    yield f"  AdvDefaultLifetime {LIFETIME_SECONDS};\n  AdvLinkMTU {leg.mtu};\n"
    yield f"  AdvManagedFlag {_switch(managed)};\n  AdvOtherConfigFlag {_switch(other)};\n"
    for prefix in leg.advertised:
        yield from _prefix(prefix)
    servers = {server: None for one in leg.advertised for server in one.dns_nameservers}
    if servers:
        yield f"  RDNSS {' '.join(map(str, servers))} {{ }};\n"
    yield "};\n"


def _prefix(prefix: AdvertisedPrefix) -> Iterator[str]:
    autonomous = prefix.mode != "dhcpv6-stateful"
    yield f"  prefix {prefix.cidr} {{\n"
    yield f"    AdvOnLink on;\n    AdvAutonomous {_switch(autonomous)};\n  }};\n"


def _switch(value: bool) -> str:  # noqa: FBT001 -- it is what is switched
    return "on" if value else "off"
