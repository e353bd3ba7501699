"""Names of protocols, services, hosts and users.

Pure: what the machine's files say comes in as mappings, what only a resolver knows as functions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

PROTOCOLS: Final[Mapping[str, int]] = {
    "icmp": 1,
    "igmp": 2,
    "ipencap": 4,
    "tcp": 6,
    "egp": 8,
    "udp": 17,
    "dccp": 33,
    "ipv6": 41,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
    "ospf": 89,
    "pim": 103,
    "ipcomp": 108,
    "vrrp": 112,
    "l2tp": 115,
    "sctp": 132,
    "mobility-header": 135,
    "udplite": 136,
}
"""By the names of /etc/protocols; what is more stands in the machine's file."""

PROTOCOL_ALIASES: Final[Mapping[str, int]] = {
    "all": 0,
    "icmpv6": 58,
    "ipv6-mh": 135,
    "mh": 135,
}

ALL, ICMP, TCP, UDP, ICMPV6, SCTP = 0, 1, 6, 17, 58, 132
DCCP, UDPLITE = 33, 136


def _no_host(_name: str, _family: int) -> tuple[str, ...]:
    return ()


def _no_name(_address: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Names:
    """What names stand for on one machine; compared by identity, so that answers can be kept."""

    protocols: Mapping[str, int] = field(default_factory=lambda: PROTOCOLS)
    services: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By name and protocol name."""
    users: Mapping[int, str] = field(default_factory=dict)
    resolve: Callable[[str, int], tuple[str, ...]] = _no_host
    """From a host name and a family to its addresses."""
    host: Callable[[str], str | None] = _no_name
    """From an address to its name, for listings without -n."""

    def protocol_number(self, name: str) -> int | None:
        """Return the number of a protocol, given by name or number."""
        if name.isdecimal():
            return int(name) if int(name) <= 255 else None  # noqa: PLR2004 -- one byte
        lower = name.lower()
        return self.protocols.get(lower, PROTOCOL_ALIASES.get(lower, PROTOCOLS.get(lower)))

    def protocol_name(self, number: int) -> str:
        """Return the name of a protocol, its number if it has none."""
        if number == ALL:
            return "all"
        for known in (self.protocols, PROTOCOLS):
            for name, value in known.items():
                if value == number:
                    return name
        return str(number)

    def port(self, name: str, protocol: str | None) -> int | None:
        """Return the port of a service; without a protocol any that has the name."""
        for (service, spoken), port in self.services.items():
            if service == name and protocol in {None, spoken}:
                return port
        return None

    def service(self, port: int, protocol: str) -> str:
        """Return the name of a port, its number if it has none."""
        for (service, spoken), number in self.services.items():
            if number == port and spoken == protocol:
                return service
        return str(port)


PLAIN: Final = Names()
"""Of a machine without files and without a resolver."""
