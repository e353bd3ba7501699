"""What happens to a packet, and why it dies.

The numbers are the data plane's (`bpf/abi.h`); the names are the ones of the API, the CLI and the
metrics. `tests/abi` compares the two.
"""

from dataclasses import dataclass
from enum import IntEnum


class DropReason(IntEnum):
    """Every way in which a packet can be dropped. Numbers are never reused."""

    PORT_UNKNOWN = 1
    """The link has no port entry (yet): fail closed."""
    PORT_DOWN = 2
    """`admin_state_up` of the port or of its network is false."""
    MALFORMED = 3
    """A header is truncated, or its lengths contradict each other."""
    VLAN_TAGGED = 4
    ETHERTYPE_REFUSED = 5
    """Neither ARP, IPv4 nor IPv6."""
    SPOOFED_MAC = 6
    SPOOFED_IPV4 = 7
    SPOOFED_IPV6 = 8
    SPOOFED_ARP = 9
    SPOOFED_ND = 10
    ROGUE_DHCP_SERVER = 11
    ROGUE_ROUTER_ADVERTISEMENT = 12
    NO_EGRESS_RULE = 13
    NO_INGRESS_RULE = 14
    FLOW_REVOKED = 15
    """The flow was established, but no rule allows it any more."""
    FRAGMENT_UNMATCHED = 16
    """A later fragment whose first fragment was not seen."""
    MTU_EXCEEDED = 17
    """Too large for the receiver's link."""
    VIRTUAL_IP_NOT_OWNER = 18
    """To or from a virtual IP, at a member that does not own it now."""
    INTERNAL_ERROR = 19
    """A helper of the data plane failed."""
    DESTINATION_NOT_OWN = 20
    """For an address that the port does not hold, with its source and destination check on."""
    NO_ROUTE = 21
    """A router knows no way to the destination; the sender is told so."""
    ROUTE_BLACKHOLE = 22
    """The route leads to something that is not there, or on purpose to nothing."""
    NOT_TRANSLATED = 23
    """It would cross a gateway with an address that only the inside knows."""

    @property
    def label(self) -> str:
        """The name in API, CLI, metrics and docs: `spoofed_mac`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Allow:
    """The packet goes on."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The packet dies here."""

    reason: DropReason


Verdict = Allow | Drop
