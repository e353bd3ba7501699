"""The proof of an import: old verdict and new verdict on generated packets.

Pure; chance comes in as an argument. Packets are made at the edges of what the rules speak of,
where a mistake would show.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from random import Random
from typing import Final

from portlight.guest.iptables.conditions import conditions_of
from portlight.guest.iptables.groups import SIDES, Document, Import, Place
from portlight.guest.iptables.icmp import ICMP_TYPES, ICMPV6_TYPES
from portlight.guest.iptables.meaning import Field, Within
from portlight.guest.iptables.names import ICMP, ICMPV6, SCTP, TCP, UDP
from portlight.guest.iptables.packet import Hook, Packet
from portlight.guest.iptables.rules import RuleSet
from portlight.guest.iptables.verdict import decide
from portlight.guest.iptables.walk import Verdict

PACKETS: Final = 2000
_PORTS: Final = (1, 22, 53, 80, 443, 65535)
_NEIGHBOURS: Final = range(133, 138)
"""ICMPv6 types of neighbour discovery (RFC 4861): no group holds them back."""
_FAR: Final = {4: "198.51.100.7", 6: "2001:db8:ffff::7"}
_OWN: Final = {4: "192.0.2.10", 6: "2001:db8::10"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A packet that fares otherwise."""

    packet: Packet
    before: Verdict
    is_allowed_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How many packets were asked about, and what came out."""

    compared: int
    not_settled: int
    """Whose old verdict depends on something that is not known."""
    left_out: int
    """Whose old verdict came from a rule that the import lists as left over."""
    differences: tuple[Difference, ...]


def is_allowed(documents: Iterable[Document], packet: Packet) -> bool:
    """Return whether the rules of a group allow the first packet of a flow."""
    return any(_allows(document, packet) for document in documents)


@lru_cache(maxsize=4096)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)


def _allows(document: Document, packet: Packet) -> bool:
    is_ingress = packet.hook is Hook.INPUT
    remote = packet.source if is_ingress else packet.destination
    prefix = document.get("remote_ip_prefix")
    return (
        document["direction"] == ("ingress" if is_ingress else "egress")
        and document["ethertype"] == f"IPv{packet.family}"
        and document.get("protocol") in {None, str(packet.protocol)}
        and (prefix is None or (remote is not None and remote in _network(str(prefix))))
        and _allows_ports(document, packet)
    )


def _allows_ports(document: Document, packet: Packet) -> bool:
    low, high = document.get("port_range_min"), document.get("port_range_max")
    if low is None:
        return True
    if packet.protocol in {ICMP, ICMPV6}:
        return packet.icmp_type == low and high in {None, packet.icmp_code}
    port = packet.destination_port
    return port is not None and int(low) <= port <= int(high or low)


def compare(
    ruleset: RuleSet, found: Import, place: Place, random: Random, *, packets: int = PACKETS
) -> Comparison:
    """Return how a rule set and the group made of it judge the same packets."""
    left = {(each.chain, each.number) for each in found.leftovers if each.table == "filter"}
    compared, not_settled, left_out = 0, 0, 0
    differences: list[Difference] = []
    for packet in make_packets(random, ruleset, place, packets):
        decision = decide(ruleset, packet, only="filter")
        if (decision.chain, decision.number) in left:
            left_out += 1
        elif decision.verdict is Verdict.DEPENDS:
            not_settled += 1
        else:
            compared += 1
            allowed = is_allowed(found.documents, packet)
            if allowed != (decision.verdict is Verdict.ACCEPT):
                differences.append(
                    Difference(packet=packet, before=decision.verdict, is_allowed_now=allowed)
                )
    return Comparison(
        compared=compared,
        not_settled=not_settled,
        left_out=left_out,
        differences=tuple(differences),
    )


def make_packets(random: Random, ruleset: RuleSet, place: Place, count: int) -> Iterator[Packet]:
    """Yield first packets of flows to and from a port, at the edges of the rules."""
    edges = _Edges.of(ruleset)
    for _ in range(count):
        yield _packet(random, ruleset.family, place, edges)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edges:
    """The values at which some rule begins or ceases to match."""

    addresses: Sequence[int]
    ports: Sequence[int]
    protocols: Sequence[int]
    icmp: Sequence[int]

    @classmethod
    def of(cls, ruleset: RuleSet) -> "_Edges":
        """Return the edges of all rules."""
        found: dict[Field, set[int]] = {field: set() for field in Field}
        table = ruleset.tables.get("filter")
        for chain in table.chains.values() if table else ():
            for rule in chain.rules:
                for asked in conditions_of(rule, ruleset.family):
                    if isinstance(asked, Within):
                        found[asked.field].update(*((a - 1, a, b, b + 1) for a, b in asked.allowed))
        return cls(
            addresses=sorted(found[Field.SOURCE] | found[Field.DESTINATION]),
            ports=sorted(found[Field.DESTINATION_PORT] | found[Field.SOURCE_PORT] | {*_PORTS}),
            protocols=sorted(found[Field.PROTOCOL]),
            icmp=sorted(found[Field.ICMP]),
        )


def _packet(random: Random, family: int, place: Place, edges: _Edges) -> Packet:
    side = random.choice(SIDES)
    hook = Hook(side.chain)
    own = random.choice(
        [each for each in place.addresses if each.version == family] or [_own(family)]
    )
    remote = _remote(random, family, edges)
    icmp = ICMP if family == 4 else ICMPV6  # noqa: PLR2004 -- the family's name
    usual = (TCP, TCP, TCP, UDP, UDP, SCTP, icmp, icmp, 47)
    named = [each for each in edges.protocols if 0 <= each <= 255]  # noqa: PLR2004 -- one byte
    protocol = random.choice((*usual, *named))
    has_ports = protocol in {TCP, UDP, SCTP}
    kind, code = _type(random, family, edges)
    return Packet(
        hook=hook,
        in_interface=place.interface if hook is Hook.INPUT else None,
        out_interface=place.interface if hook is Hook.OUTPUT else None,
        source=remote if hook is Hook.INPUT else own,
        destination=own if hook is Hook.INPUT else remote,
        protocol=protocol,
        source_port=random.randrange(1024, 65536) if has_ports else None,
        destination_port=_port(random, edges) if has_ports else None,
        icmp_type=kind if protocol == icmp else None,
        icmp_code=code,
    )


def _own(family: int) -> IPv4Address | IPv6Address:
    return ip_address(_OWN[family])


def _remote(random: Random, family: int, edges: _Edges) -> IPv4Address | IPv6Address:
    last = 2**32 - 1 if family == 4 else 2**128 - 1  # noqa: PLR2004 -- the family's name
    usual = int(ip_address(_FAR[family]))
    number = random.choice((*edges.addresses, usual, usual))
    address = IPv4Address if family == 4 else IPv6Address  # noqa: PLR2004 -- the family's name
    return address(min(max(number, 1), last - 1))


def _port(random: Random, edges: _Edges) -> int:
    return min(max(random.choice((*edges.ports, random.randrange(1, 65536))), 1), 65535)


def _type(random: Random, family: int, edges: _Edges) -> tuple[int, int]:
    types = ICMP_TYPES if family == 4 else ICMPV6_TYPES  # noqa: PLR2004 -- the family's name
    usual = [(kind, code or 0) for kind, code in types.values()]
    edge = [(number >> 8, number & 0xFF) for number in edges.icmp if 0 <= number <= 0xFFFF]  # noqa: PLR2004
    allowed = [
        pair
        for pair in (*usual, *edge)
        if family == 4 or pair[0] not in _NEIGHBOURS  # noqa: PLR2004
    ]
    return random.choice(allowed)
