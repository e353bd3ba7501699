"""Encode a classifier as the one memory image that `bpf/lib/classify.h` searches.

Pure. docs/design/classifier.md describes the layout and why its cost is flat. An image is never
changed: another classifier is another image.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from portlight.dataplane.bpf.intervals import (
    NARROW,
    WIDE,
    Dimension,
    KeyRanges,
    KeySpace,
    build_dimension,
    encode_levels,
    encode_records,
)
from portlight.dataplane.bpf.vectors import (
    BLOCK_BITS,
    ELEMENT_BYTES,
    MAX_BLOCKS,
    WORD_BYTES,
    VectorPool,
)
from portlight.plan.classifier import Classifier, ClassifierRule, Family
from portlight.values.prefixes import PrefixSet
from portlight.values.ranges import MAX_PORT

MAX_RULES = BLOCK_BITS * MAX_BLOCKS
"""Rules of one family in one classifier."""
MAX_DEPTH: Final = {NARROW: 4, WIDE: 8}
"""Levels of a tree that the program descends."""
MAGIC = 0x504C4331
VERSION = 1
HEADER_ELEMENTS = 3
"""The header and one element for each family; the empty block follows."""

PORT_PROTOCOLS = (6, 17, 33, 132, 136)
"""TCP, UDP, DCCP, SCTP, UDP-Lite."""
ICMP_PROTOCOL: Final = {Family.IPV4: 1, Family.IPV6: 58}

SERVICE, SOURCE_PORT, REMOTE, GROUP, LOCAL = range(5)
"""Dimensions. A service key is `protocol << 16 | destination port` (or ICMP type and code)."""

_HEADER: Final = struct.Struct("<2IQ48x")
_FAMILY: Final = struct.Struct("<4I5I28x")
_TREE: Final = struct.Struct("<2I8I24x")
_RULE: Final = struct.Struct("<QBB6x")


class ClassifierTooLargeError(ValueError):
    """More rules of one family than an image can hold."""

    def __init__(self, family: Family, rules: int) -> None:
        super().__init__(f"a classifier has {rules} IPv{family.value} rules, more than {MAX_RULES}")
        self.family = family
        self.rules = rules


class TooManyIntervalsError(ValueError):
    """The selectors of a classifier cut a dimension into more intervals than it can have."""

    def __init__(self, intervals: int, limit: int) -> None:
        super().__init__(
            f"a dimension of a classifier has {intervals} intervals, more than {limit}"
        )
        self.intervals = intervals
        self.limit = limit


@dataclass(frozen=True, slots=True, kw_only=True)
class _FamilyPart:
    """The searchable part of one family; a dimension that no rule constrains is absent."""

    rules: list[ClassifierRule]
    dimensions: dict[int, Dimension]


def encode_classifier(classifier: Classifier) -> bytes:
    """Return the image, a whole number of 64-byte elements.

    Raises ClassifierTooLargeError or TooManyIntervalsError.
    """
    pool = VectorPool(first_block=HEADER_ELEMENTS)
    parts = [_build_family(pool, classifier, family) for family in Family]
    records_at = HEADER_ELEMENTS + pool.block_elements
    records = _padded(pool.encode_records())
    body = [pool.encode_blocks(), records]
    end = records_at + len(records) // ELEMENT_BYTES
    headers = [_HEADER.pack(MAGIC, VERSION, classifier.key)]
    first_word = records_at * (ELEMENT_BYTES // WORD_BYTES)
    for part in parts:
        places = [0] * 5
        for kind, dimension in part.dimensions.items():
            places[kind] = end
            tree = _encode_tree(dimension, at=end, first_word=first_word)
            body.append(tree)
            end += len(tree) // ELEMENT_BYTES
        rules = _encode_rules(part.rules)
        headers.append(_FAMILY.pack(len(part.rules), end, 0, 0, *places))
        body.append(rules)
        end += len(rules) // ELEMENT_BYTES
    return b"".join([*headers, *body])


def image_key(header: bytes) -> int | None:
    """Return the key of the classifier whose image starts so; None for any other layout."""
    if len(header) != _HEADER.size:
        return None
    magic, version, key = _HEADER.unpack(header)
    return int(key) if (magic, version) == (MAGIC, VERSION) else None


def _build_family(pool: VectorPool, classifier: Classifier, family: Family) -> _FamilyPart:
    rules = [rule for rule in classifier.rules if rule.family is family]
    if len(rules) > MAX_RULES:
        raise ClassifierTooLargeError(family, len(rules))
    if not rules:
        return _FamilyPart(rules=rules, dimensions={})
    address = NARROW if family is Family.IPV4 else WIDE
    dimensions = {SERVICE: _service(pool, rules, family)}
    for kind, space, built in (
        (SOURCE_PORT, NARROW, _by_port(rules)),
        (LOCAL, address, _by_prefixes([rule.local_prefixes for rule in rules])),
    ):
        if built:
            dimensions[kind] = _selected(pool, space, built, len(rules))
    dimensions |= _remote(pool, address, rules)
    for dimension in dimensions.values():
        _check_depth(dimension)
    return _FamilyPart(rules=rules, dimensions=dimensions)


def _check_depth(dimension: Dimension) -> None:
    """Raise TooManyIntervalsError for a tree that is deeper than the program descends."""
    limit = dimension.space.fanout ** MAX_DEPTH[dimension.space]
    if len(dimension.bounds) > limit:
        raise TooManyIntervalsError(len(dimension.bounds), limit)


def _service(pool: VectorPool, rules: list[ClassifierRule], family: Family) -> Dimension:
    """Protocol with destination port or ICMP type; it is there even if nothing constrains it."""
    ranges = KeyRanges(firsts=[], lasts=[], places=[])
    always: list[int] = []
    icmp = ICMP_PROTOCOL[family]
    for index, rule in enumerate(rules):
        protocol, span = rule.protocol, rule.icmp or rule.destination_ports
        protocols: Sequence[int]
        if span is None and rule.source_ports is None:
            if protocol is None:
                always.append(index)
                continue
            protocols = (protocol,)
        else:
            protocols = _protocols(rule, icmp)
        first, last = (span.first, span.last) if span is not None else (0, MAX_PORT)
        for each in protocols:
            ranges.firsts.append(each << 16 | first)
            ranges.lasts.append(each << 16 | last)
            ranges.places.append(index)
    return build_dimension(pool, NARROW, ranges, rules=len(rules), always=always)


def _protocols(rule: ClassifierRule, icmp: int) -> Sequence[int]:
    """Return the protocols that a rule with ports or ICMP types can match."""
    allowed: Sequence[int] = (icmp,) if rule.icmp is not None else PORT_PROTOCOLS
    if rule.icmp is not None and (rule.source_ports or rule.destination_ports):
        return ()
    if rule.protocol is None:
        return allowed
    return (rule.protocol,) if rule.protocol in allowed else ()


def _remote(
    pool: VectorPool, address: KeySpace, rules: list[ClassifierRule]
) -> dict[int, Dimension]:
    """Remote prefixes, and beside them the groups: what matches is in one or in the other."""
    named = [
        (rule.remote_group, i) for i, rule in enumerate(rules) if rule.remote_group is not None
    ]
    groups = [group for group, _ in named]
    by_group = KeyRanges(firsts=groups, lasts=groups, places=[index for _, index in named])
    by_prefix = _by_prefixes([rule.remote_prefixes for rule in rules])
    dimensions: dict[int, Dimension] = {}
    if by_group or by_prefix:
        constrained = by_group.rules | by_prefix.rules
        always = [index for index in range(len(rules)) if index not in constrained]
        dimensions[REMOTE] = build_dimension(
            pool, address, by_prefix, rules=len(rules), always=always
        )
    if by_group:
        dimensions[GROUP] = build_dimension(pool, NARROW, by_group, rules=len(rules), always=())
    return dimensions


def _selected(pool: VectorPool, space: KeySpace, ranges: KeyRanges, rules: int) -> Dimension:
    constrained = ranges.rules
    always = [index for index in range(rules) if index not in constrained]
    return build_dimension(pool, space, ranges, rules=rules, always=always)


def _by_port(rules: Sequence[ClassifierRule]) -> KeyRanges:
    spans = [
        (rule.source_ports, i) for i, rule in enumerate(rules) if rule.source_ports is not None
    ]
    return KeyRanges(
        firsts=[span.first for span, _ in spans],
        lasts=[span.last for span, _ in spans],
        places=[index for _, index in spans],
    )


def _by_prefixes(sets: Sequence[PrefixSet | None]) -> KeyRanges:
    """Rules with the same prefixes, as those that name one address group, share their ranges."""
    place_of: dict[bytes, int] = {}
    holders: list[list[int]] = []
    spans: list[tuple[int, int]] = []
    places: list[int] = []
    for index, held in enumerate(sets):
        if held is None:
            continue
        place = place_of.setdefault(held.digest, len(holders))
        if place < len(holders):
            holders[place].append(index)
            continue
        holders.append([index])
        spans.extend(held.spans)
        places.extend([place] * len(held.spans))
    return KeyRanges(
        firsts=[first for first, _ in spans],
        lasts=[last for _, last in spans],
        places=places,
        holders=holders,
    )


def _encode_tree(dimension: Dimension, *, at: int, first_word: int) -> bytes:
    """Return the descriptor, the levels and the records of a dimension that starts at `at`."""
    levels = encode_levels(dimension)
    places: list[int] = []
    end = at + 1
    for level in levels:
        places.append(end)
        end += len(level) // ELEMENT_BYTES
    descriptor = _TREE.pack(len(levels), end, *places, *[0] * (8 - len(places)))
    return b"".join([descriptor, *levels, encode_records(dimension, first_word=first_word)])


def _encode_rules(rules: list[ClassifierRule]) -> bytes:
    pack = _RULE.pack
    return _padded(b"".join([pack(rule.label, rule.action, rule.flags) for rule in rules]))


def _padded(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % ELEMENT_BYTES)
