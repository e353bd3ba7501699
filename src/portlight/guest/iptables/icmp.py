"""ICMP and ICMPv6 types by name, as both tools spell them.

Numbers from the IANA registries; the names are the words of the iptables command line.
"""

from collections.abc import Callable, Mapping
from typing import Final

from portlight.guest.iptables.extension import Context, Listing, Read
from portlight.guest.iptables.problems import parameter_problem
from portlight.guest.iptables.readers import number_of
from portlight.guest.iptables.rules import Extension

ANY_CODE: Final = None
IcmpType = tuple[int, int | None]
"""Type, and code; None is every code."""

ICMP_TYPES: Final[Mapping[str, IcmpType]] = {
    "any": (255, ANY_CODE),
    "echo-reply": (0, ANY_CODE),
    "pong": (0, ANY_CODE),
    "destination-unreachable": (3, ANY_CODE),
    "network-unreachable": (3, 0),
    "host-unreachable": (3, 1),
    "protocol-unreachable": (3, 2),
    "port-unreachable": (3, 3),
    "fragmentation-needed": (3, 4),
    "source-route-failed": (3, 5),
    "network-unknown": (3, 6),
    "host-unknown": (3, 7),
    "network-prohibited": (3, 9),
    "host-prohibited": (3, 10),
    "TOS-network-unreachable": (3, 11),
    "TOS-host-unreachable": (3, 12),
    "communication-prohibited": (3, 13),
    "host-precedence-violation": (3, 14),
    "precedence-cutoff": (3, 15),
    "source-quench": (4, ANY_CODE),
    "redirect": (5, ANY_CODE),
    "network-redirect": (5, 0),
    "host-redirect": (5, 1),
    "TOS-network-redirect": (5, 2),
    "TOS-host-redirect": (5, 3),
    "echo-request": (8, ANY_CODE),
    "ping": (8, ANY_CODE),
    "router-advertisement": (9, ANY_CODE),
    "router-solicitation": (10, ANY_CODE),
    "time-exceeded": (11, ANY_CODE),
    "ttl-exceeded": (11, ANY_CODE),
    "ttl-zero-during-transit": (11, 0),
    "ttl-zero-during-reassembly": (11, 1),
    "parameter-problem": (12, ANY_CODE),
    "ip-header-bad": (12, 0),
    "required-option-missing": (12, 1),
    "timestamp-request": (13, ANY_CODE),
    "timestamp-reply": (14, ANY_CODE),
    "address-mask-request": (17, ANY_CODE),
    "address-mask-reply": (18, ANY_CODE),
}
ICMPV6_TYPES: Final[Mapping[str, IcmpType]] = {
    "destination-unreachable": (1, ANY_CODE),
    "no-route": (1, 0),
    "communication-prohibited": (1, 1),
    "beyond-scope": (1, 2),
    "address-unreachable": (1, 3),
    "port-unreachable": (1, 4),
    "failed-policy": (1, 5),
    "reject-route": (1, 6),
    "packet-too-big": (2, ANY_CODE),
    "time-exceeded": (3, ANY_CODE),
    "ttl-exceeded": (3, ANY_CODE),
    "ttl-zero-during-transit": (3, 0),
    "ttl-zero-during-reassembly": (3, 1),
    "parameter-problem": (4, ANY_CODE),
    "bad-header": (4, 0),
    "unknown-header-type": (4, 1),
    "unknown-option": (4, 2),
    "echo-request": (128, ANY_CODE),
    "ping": (128, ANY_CODE),
    "echo-reply": (129, ANY_CODE),
    "pong": (129, ANY_CODE),
    "mld-listener-query": (130, ANY_CODE),
    "mld-listener-report": (131, ANY_CODE),
    "mld-listener-done": (132, ANY_CODE),
    "mld-listener-reduction": (132, ANY_CODE),
    "router-solicitation": (133, ANY_CODE),
    "router-advertisement": (134, ANY_CODE),
    "neighbour-solicitation": (135, ANY_CODE),
    "neighbor-solicitation": (135, ANY_CODE),
    "neighbour-advertisement": (136, ANY_CODE),
    "neighbor-advertisement": (136, ANY_CODE),
    "redirect": (137, ANY_CODE),
}
_BYTE = 255


def parse_type(text: str) -> IcmpType:
    """Return type and code of the spelling that iptables-save uses."""
    if text == "any":
        return ICMP_TYPES["any"]
    kind, slash, code = text.partition("/")
    return int(kind), int(code) if slash else ANY_CODE


def type_reader(types: Mapping[str, IcmpType], title: str) -> Read:
    """Return a reader of a type by number, number/code, name or the beginning of a name."""

    def read(values: tuple[str, ...], _context: Context) -> tuple[str, ...]:
        text = values[0]
        kind, code = _by_name(types, title, text) or _by_number(title, text)
        if (kind, code) == types.get("any"):
            return ("any",)
        return (str(kind) if code is ANY_CODE else f"{kind}/{code}",)

    return read


def _by_name(types: Mapping[str, IcmpType], title: str, text: str) -> IcmpType | None:
    fitting = [name for name in types if name.lower().startswith(text.lower())]
    if len(fitting) > 1:
        raise parameter_problem(
            f"Ambiguous {title} type `{text}': `{fitting[0]}' or `{fitting[1]}'?"
        )
    return types[fitting[0]] if fitting else None


def _by_number(title: str, text: str) -> IcmpType:
    kind, slash, code = text.partition("/")
    number, second = number_of(kind), number_of(code) if slash else None
    if number is None or not 0 <= number <= _BYTE:
        raise parameter_problem(f"Unknown {title} type `{text}'")
    if slash and (second is None or not 0 <= second <= _BYTE):
        raise parameter_problem(f"Unknown {title} code `{text}'")
    return number, second


def list_type(types: Mapping[str, IcmpType], title: str) -> Callable[[Extension, Listing], str]:
    """Return how -L shows a type: by name if names are wanted and there is one."""

    def show(extension: Extension, listing: Listing) -> str:
        (shown,) = extension.options
        wanted = parse_type(shown.values[0])
        name = next((name for name, value in types.items() if value == wanted), None)
        if name and not listing.is_numeric:
            return f" {title} {'!' if shown.negated else ''}{name}"
        code = "" if wanted[1] is ANY_CODE else f" code {wanted[1]}"
        return f" {title}{' !' if shown.negated else ''}type {wanted[0]}{code}"

    return show
