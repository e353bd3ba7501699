"""The conditions of a rule, and whether a packet meets them.

Pure. The answer is yes, no, or "nobody knows" (None): a rule matches only when all of its
conditions are met, and does not match as soon as one is known not to be.
"""

from functools import lru_cache

from portlight.guest.iptables.extension import Context, extension_text
from portlight.guest.iptables.matches import match_kind
from portlight.guest.iptables.meaning import (
    Condition,
    EitherPort,
    Field,
    Masked,
    Named,
    Opaque,
    Within,
    within,
)
from portlight.guest.iptables.packet import Packet, field_value
from portlight.guest.iptables.ranges import contains
from portlight.guest.iptables.readers import address_number, is_prefix_mask, mask_bits
from portlight.guest.iptables.rules import Extension, Option, Rule


def conditions_of(rule: Rule, family: int) -> tuple[Condition, ...]:
    """Return everything that a rule asks of a packet."""
    found: list[Condition] = []
    for option in rule.options:
        found.extend(_asked_by_option(option, family))
    for match in rule.matches:
        found.extend(_asked_by_match(match, family))
    return tuple(found)


@lru_cache(maxsize=65536)
def _asked_by_option(option: Option, family: int) -> tuple[Condition, ...]:
    if option.name == "-f":
        return (within(Field.FRAGMENT, ((1, 1),), negated=option.negated),)
    value = option.values[0]
    if option.name == "-p":
        if not value.isdecimal():
            return (Opaque(f"-p {value}"),)
        number = int(value)
        return (within(Field.PROTOCOL, ((number, number),), negated=option.negated),)
    if option.name in {"-i", "-o"}:
        side = Field.IN_INTERFACE if option.name == "-i" else Field.OUT_INTERFACE
        name = value.removesuffix("+")
        return (Named(side, name, name != value, option.negated),)
    side = Field.SOURCE if option.name == "-s" else Field.DESTINATION
    return (_network(side, value, family, negated=option.negated),)


def _network(field: Field, network: str, family: int, *, negated: bool) -> Condition:
    address, _, length = network.partition("/")
    width = 32 if family == 4 else 128  # noqa: PLR2004 -- the family's name
    mask, number = mask_bits(length, family), address_number(address)
    if not is_prefix_mask(mask, width):
        return Masked(field, number, mask, negated)
    last = number | (~mask & ((1 << width) - 1))
    return within(field, ((number, last),), negated=negated, family=family)


@lru_cache(maxsize=65536)
def _asked_by_match(match: Extension, family: int) -> tuple[Condition, ...]:
    kind = match_kind(match.name, family)
    if kind is None or any(each.name not in kind.spellings for each in match.options):
        return (Opaque(extension_text("-m", match)),)
    return kind.conditions(match, Context(family=family))


def meets(packet: Packet, conditions: tuple[Condition, ...]) -> bool | None:
    """Return whether a packet meets all conditions, None if it depends."""
    answer: bool | None = True
    for condition in conditions:
        met = meets_one(packet, condition)
        if met is False:
            return False
        if met is None:
            answer = None
    return answer


def rule_meets(packet: Packet, rule: Rule, family: int) -> bool | None:
    """Return whether a packet meets a rule; stops at the first condition that it does not."""
    answer: bool | None = True
    for option in rule.options:
        met = meets(packet, _asked_by_option(option, family))
        if met is False:
            return False
        answer = met if met is None else answer
    for match in rule.matches:
        met = meets(packet, _asked_by_match(match, family))
        if met is False:
            return False
        answer = met if met is None else answer
    return answer


def unknown_to(packet: Packet, conditions: tuple[Condition, ...]) -> tuple[str, ...]:
    """Return in words what the answer depends on."""
    return tuple(
        condition.text if isinstance(condition, Opaque) else _words(condition)
        for condition in conditions
        if meets_one(packet, condition) is None
    )


def _words(condition: Condition) -> str:
    return "a port" if isinstance(condition, EitherPort | Opaque) else f"the {condition.field}"


def meets_one(packet: Packet, condition: Condition) -> bool | None:
    """Return whether a packet meets one condition, None if nobody knows."""
    match condition:
        case Within(field, allowed):
            value = field_value(packet, field)
            return None if value is None else contains(allowed, value)
        case Masked(field, wanted, mask, negated):
            value = field_value(packet, field)
            return None if value is None else ((value & mask) == wanted) != negated
        case Named(field, name, is_prefix, negated):
            shown = packet.in_interface if field is Field.IN_INTERFACE else packet.out_interface
            if shown is None:
                return None
            return (shown.startswith(name) if is_prefix else shown == name) != negated
        case EitherPort(allowed, negated):
            return _either(packet, condition)
        case Opaque():
            return None


def _either(packet: Packet, condition: EitherPort) -> bool | None:
    ports = (packet.source_port, packet.destination_port)
    if any(port is not None and contains(condition.allowed, port) for port in ports):
        return not condition.negated
    return None if None in ports else condition.negated
