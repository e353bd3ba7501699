"""Protocol names and numbers, as Neutron spells them (IANA numbers). Pure."""

from portlight.core.errors_security_group import InvalidProtocolError, ProtocolFamilyError
from portlight.core.security_group import EtherType

ICMP, ICMPV6 = 1, 58
TCP, UDP = 6, 17
WITH_PORTS = frozenset({6, 17, 33, 132, 136})
"""TCP, UDP, DCCP, SCTP, UDP-Lite."""

PROTOCOL_NUMBERS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "icmpv6": 58,
    "igmp": 2, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59,
    "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6,
    "udp": 17, "udplite": 136, "vrrp": 112,
}  # fmt: skip
_IPV6_ONLY = frozenset(
    {"icmpv6", "ipv6-icmp", "ipv6-frag", "ipv6-nonxt", "ipv6-opts", "ipv6-route"}
)
_MAX_NUMBER = 255


def protocol_number(spelling: str | None, ethertype: EtherType) -> int | None:
    """Return the protocol of a rule; None (also `any`) is every protocol.

    `icmp` (and 1) in an IPv6 rule is ICMPv6, as in Neutron.
    """
    if spelling is None or spelling.lower() == "any":
        return None
    name = spelling.lower()
    if name in PROTOCOL_NUMBERS:
        number = PROTOCOL_NUMBERS[name]
    elif name.isascii() and name.isdigit() and int(name) <= _MAX_NUMBER:
        number = int(name)
    else:
        raise InvalidProtocolError(spelling, sorted(PROTOCOL_NUMBERS))
    if name in _IPV6_ONLY and ethertype is not EtherType.IPV6:
        raise ProtocolFamilyError(spelling, ethertype)
    return ICMPV6 if number == ICMP and ethertype is EtherType.IPV6 else number
