"""From a rule set of iptables to the rules of a security group.

Pure. A security group allows and never denies, so the packets that INPUT and OUTPUT accept are
worked out as a set, and the set is said in allowing rules: `DROP` before `ACCEPT` becomes what is
left of the `ACCEPT`. What a group cannot say is listed with the reason; nothing is guessed.
The documents bear Neutron's field names.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, summarize_address_range
from typing import Final

from portlight.guest.iptables.boxes import Box, TooManyBoxesError, all_minus, both, box_of, minus
from portlight.guest.iptables.conditions import conditions_of
from portlight.guest.iptables.meaning import STATES, Condition, Field, Named, Within
from portlight.guest.iptables.names import DCCP, ICMP, ICMPV6, SCTP, TCP, UDP, UDPLITE
from portlight.guest.iptables.ranges import Ranges
from portlight.guest.iptables.rules import Chain, Rule, RuleSet, Table
from portlight.guest.iptables.spelling import rule_text

Document = Mapping[str, str | int]
"""A security group rule in Neutron's words; what is not said is any."""

_BOXES_AT_MOST: Final = 256
RULES_AT_MOST: Final = 1000
_WITH_PORTS: Final = (TCP, UDP, DCCP, SCTP, UDPLITE)
_ALL_PROTOCOLS: Final[Ranges] = ((0, 255),)
_REFUSING: Final = frozenset({"DROP", "REJECT", "QUEUE"})
_SILENT: Final = frozenset({"LOG", "NFLOG", "TRACE", "MARK", "CONNMARK", ""})
"""Targets after which the packet goes on; the group does without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The port that the group is for."""

    interface: str = "eth0"
    """Its name in the server: rules for others do not concern it."""
    addresses: tuple[IPv4Address | IPv6Address, ...] = ()
    """Its own; without them rules that name an own address cannot be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A rule that a group cannot say, or says otherwise."""

    table: str
    chain: str
    number: int | None
    text: str
    reason: str
    widens: bool = False
    """Without it the group would let in or out more than the rule set does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What becomes of a rule set."""

    documents: tuple[Document, ...]
    leftovers: tuple[Leftover, ...]
    is_stateful: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One direction: which field of a packet is whose."""

    chain: str
    direction: str
    remote: Field
    own: Field
    interface: Field


SIDES: Final = (
    _Side(
        chain="INPUT",
        direction="ingress",
        remote=Field.SOURCE,
        own=Field.DESTINATION,
        interface=Field.IN_INTERFACE,
    ),
    _Side(
        chain="OUTPUT",
        direction="egress",
        remote=Field.DESTINATION,
        own=Field.SOURCE,
        interface=Field.OUT_INTERFACE,
    ),
)


@dataclass(slots=True)
class _Walk:
    """A set of packets on its way through one built-in chain."""

    family: int
    table: Table
    side: _Side
    place: Place
    start: Box
    accepted: list[Box] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)


def security_group(ruleset: RuleSet, place: Place) -> Import:
    """Return the documents of a group that does what the filter table does, and what is missing."""
    leftovers = list(_outside_filter(ruleset))
    table = ruleset.tables.get("filter")
    documents: list[Document] = []
    is_stateful = table is not None and _tracks(table, ruleset.family)
    for side in SIDES:
        if table is None:
            break
        try:
            walk = _walked(ruleset.family, table, side, place, state="NEW")
            leftovers.extend(walk.leftovers)
            documents.extend(_documents(walk))
        except TooManyBoxesError:
            leftovers.append(_too_many(side))
        if is_stateful:
            leftovers.extend(_answers_held_back(ruleset.family, table, side, place))
    return Import(
        documents=tuple(documents),
        leftovers=tuple(dict.fromkeys(leftovers)),
        is_stateful=is_stateful,
    )


def _too_many(side: _Side) -> Leftover:
    reason = f"it would take more than {RULES_AT_MOST} rules that allow"
    return Leftover(table="filter", chain=side.chain, number=None, text="", reason=reason)


def _outside_filter(ruleset: RuleSet) -> Iterator[Leftover]:
    """Yield what no group has a word for: other tables, and what goes through the server."""
    for table, chain, number, rule in ruleset.rules():
        is_forwarding = table.name == "filter" and chain.name == "FORWARD"
        if table.name == "filter" and not is_forwarding:
            continue
        yield Leftover(
            table=table.name,
            chain=chain.name,
            number=number,
            text=rule_text(rule),
            reason="a group judges what is for the port and from it"
            if is_forwarding
            else f"a group has no table {table.name}",
        )


def _tracks(table: Table, family: int) -> bool:
    """Return whether any rule asks for the state of a connection."""
    return any(
        isinstance(asked, Within) and asked.field is Field.STATE
        for chain in table.chains.values()
        for rule in chain.rules
        for asked in conditions_of(rule, family)
    )


def _walked(family: int, table: Table, side: _Side, place: Place, *, state: str) -> _Walk:
    """Return what a built-in chain accepts of the packets in one state."""
    number = STATES.index(state)
    start: Box = {
        Field.STATE: ((number, number),),
        Field.FRAGMENT: ((0, 0),),
    }
    own = tuple(int(each) for each in place.addresses if each.version == family)
    if own:
        start = {**start, side.own: tuple(sorted((each, each) for each in own))}
    walk = _Walk(family, table, side, place, start)
    chain = table.chains[side.chain]
    fallen = _walk_chain(walk, chain, [start])
    if chain.policy == "ACCEPT":
        walk.accepted.extend(fallen)
    return walk


def _walk_chain(walk: _Walk, chain: Chain, live: list[Box]) -> list[Box]:
    """Take what a chain accepts; return what comes out of its end or by RETURN."""
    returned: list[Box] = []
    for number, rule in enumerate(chain.rules, start=1):
        box = _box_for(walk, chain, number, rule) if live else None
        name = rule.target.name if rule.target else ""
        if box is None or name in _SILENT:
            continue
        matched = [joined for each in live if (joined := both(each, box)) is not None]
        live = all_minus(live, box, walk.family, at_most=_BOXES_AT_MOST)
        if name in walk.table.chains:
            fallen = _walk_chain(walk, walk.table.chains[name], matched)
            (returned if rule.is_goto else live).extend(fallen)
        elif name == "ACCEPT":
            walk.accepted.extend(matched)
        elif name == "RETURN":
            returned.extend(matched)
    return [*live, *returned]


def _box_for(walk: _Walk, chain: Chain, number: int, rule: Rule) -> Box | None:
    """Return the packets that a rule takes; None if it is none of ours, or cannot be said."""
    asked = conditions_of(rule, walk.family)
    named = [each for each in asked if isinstance(each, Named)]
    if not all(_is_ours(walk, each) for each in named):
        return None
    reason = _unsayable(walk, asked)
    name = rule.target.name if rule.target else ""
    if reason is None and name not in _KNOWN_ENDS and name not in walk.table.chains:
        reason = f"a group has no target {name}"
    box = None if reason else box_of(asked)
    if reason is not None and name not in _SILENT:
        walk.leftovers.append(
            Leftover(
                table=walk.table.name,
                chain=chain.name,
                number=number,
                text=rule_text(rule),
                reason=reason,
                widens=name != "ACCEPT",
            )
        )
    return box


_KNOWN_ENDS: Final = frozenset({"ACCEPT", "RETURN"}) | _REFUSING | _SILENT


def _is_ours(walk: _Walk, asked: Named) -> bool:
    """Return whether a condition on an interface holds for the port's own."""
    name = walk.place.interface if asked.field is walk.side.interface else ""
    return (name.startswith(asked.name) if asked.is_prefix else name == asked.name) != asked.negated


def _unsayable(walk: _Walk, asked: Iterable[Condition]) -> str | None:
    """Return why a group cannot ask for this, None if it can."""
    sayable = {walk.side.remote, Field.PROTOCOL, Field.DESTINATION_PORT, Field.ICMP, *walk.start}
    for condition in asked:
        if isinstance(condition, Named):
            continue
        if not isinstance(condition, Within):
            return "a group cannot ask for " + _words(condition)
        if condition.field is walk.side.own and condition.field not in walk.start:
            return "it names an own address: say which the port has"
        if condition.field not in sayable:
            return f"a group cannot ask for the {condition.field}"
        if condition.field is walk.side.own and not _is_settled(walk, condition):
            return "it is for some of the port's own addresses only"
    return None


def _words(condition: Condition) -> str:
    text = getattr(condition, "text", None)
    return str(text) if text else "a mask that is no prefix, or for either port"


def _is_settled(walk: _Walk, condition: Within) -> bool:
    """Return whether all of the port's addresses meet a condition, or none does."""
    start = {condition.field: walk.start[condition.field]}
    asked = {condition.field: condition.allowed}
    inside = both(start, asked)
    return inside is None or not minus(start, asked, walk.family)


def _answers_held_back(family: int, table: Table, side: _Side, place: Place) -> Iterator[Leftover]:
    """Yield a note if answers are not all let through: by a stateful group they are."""
    try:
        walk = _walked(family, table, side, place, state="ESTABLISHED")
        left: list[Box] = [walk.start]
        for accepted in walk.accepted:
            left = all_minus(left, accepted, family, at_most=_BOXES_AT_MOST)
        is_held_back = bool(left)
    except TooManyBoxesError:
        is_held_back = True
    if is_held_back:
        yield Leftover(
            table="filter",
            chain=side.chain,
            number=None,
            text="",
            reason="not all answers are let through, but a stateful group lets all through",
            widens=True,
        )


def _documents(walk: _Walk) -> Iterator[Document]:
    """Yield allowing rules for what was accepted; raises TooManyBoxesError."""
    seen: dict[tuple[tuple[str, str | int], ...], Document] = {}
    for box in walk.accepted:
        for document in _said(walk, box):
            seen.setdefault(tuple(document.items()), document)
            if len(seen) > RULES_AT_MOST:
                raise TooManyBoxesError
    yield from seen.values()


def _said(walk: _Walk, box: Box) -> Iterator[Document]:
    """Yield the rules that allow exactly one box."""
    for protocol in _protocols(walk.family, box):
        for ports in _ports(walk.family, box, protocol):
            for prefix in _prefixes(walk, box):
                head: dict[str, str | int] = {
                    "direction": walk.side.direction,
                    "ethertype": f"IPv{walk.family}",
                }
                yield {**head, **protocol_words(protocol), **ports, **prefix}


def protocol_words(protocol: int | None) -> Document:
    """Return how a document names a protocol, by number: every API takes that."""
    return {} if protocol is None else {"protocol": str(protocol)}


def _protocols(family: int, box: Box) -> Iterator[int | None]:
    numbers = box.get(Field.PROTOCOL, _ALL_PROTOCOLS)
    if numbers == _ALL_PROTOCOLS and not {Field.DESTINATION_PORT, Field.ICMP} & box.keys():
        yield None
        return
    # In a group's rule for IPv6, 1 stands for ICMPv6; nothing sends ICMP of IPv4 there.
    misread = None if family == 4 else ICMP  # noqa: PLR2004 -- the family's name
    for first, last in numbers:
        yield from (number for number in range(first, last + 1) if number != misread)


def _ports(family: int, box: Box, protocol: int | None) -> Iterator[Document]:
    """Yield what a rule says of ports, or of ICMP's type and code."""
    if protocol in _WITH_PORTS and Field.DESTINATION_PORT in box:
        for first, last in box[Field.DESTINATION_PORT]:
            # Nothing is sent to port 0, and no rule may name it.
            if last > 0:
                yield {"port_range_min": max(first, 1), "port_range_max": last}
    elif protocol == (ICMP if family == 4 else ICMPV6) and Field.ICMP in box:  # noqa: PLR2004
        for first, last in box[Field.ICMP]:
            yield from _types(first, last)
    else:
        yield {}


def _types(first: int, last: int) -> Iterator[Document]:
    """Yield whole types where they are whole, single codes elsewhere."""
    number = first
    while number <= last:
        kind, code = number >> 8, number & 0xFF
        if code == 0 and number + 0xFF <= last:
            yield {"port_range_min": kind}
            number += 0x100
        else:
            yield {"port_range_min": kind, "port_range_max": code}
            number += 1


def _prefixes(walk: _Walk, box: Box) -> Iterator[Document]:
    remote = box.get(walk.side.remote)
    if remote is None:
        yield {}
        return
    address = IPv4Address if walk.family == 4 else IPv6Address  # noqa: PLR2004 -- the family's name
    for first, last in remote:
        for prefix in summarize_address_range(address(first), address(last)):
            yield {"remote_ip_prefix": str(prefix)}
