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
    Spans,
    build_dimension,
    encode_levels,
    encode_records,
    key_ranges,
)
from portlight.dataplane.bpf.vectors import (
    BLOCK_BITS,
    ELEMENT_BYTES,
    MAX_BLOCKS,
    WORD_BYTES,
    VectorPool,
)
from portlight.plan.classifier import Classifier, ClassifierRule, Family
from portlight.values.addresses import IpPrefix
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
    dimensions = {SERVICE: _selected(pool, NARROW, _by_service(rules, family), len(rules))}
    for kind, space, built in (
        (SOURCE_PORT, NARROW, _by_source_port(rules)),
        (LOCAL, address, _by_local_prefix(rules)),
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


def _by_service(rules: Sequence[ClassifierRule], family: Family) -> KeyRanges:
    """Protocol with destination port or ICMP type."""
    held: dict[Spans, list[int]] = {}
    icmp = ICMP_PROTOCOL[family]
    for index, rule in enumerate(rules):
        protocol, span = rule.protocol, rule.icmp or rule.destination_ports
        protocols: Sequence[int]
        if span is None and rule.source_ports is None:
            if protocol is None:
                continue
            protocols = (protocol,)
        else:
            protocols = _protocols(rule, icmp)
        first, last = (span.first, span.last) if span is not None else (0, MAX_PORT)
        spans = tuple([(each << 16 | first, each << 16 | last) for each in protocols])
        held.setdefault(spans, []).append(index)
    return key_ranges(held)


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
    by_group, by_prefix = _by_group(rules), _by_remote_prefix(rules)
    dimensions: dict[int, Dimension] = {}
    if by_group or by_prefix:
        always = _unconstrained(len(rules), by_group, by_prefix)
        dimensions[REMOTE] = build_dimension(
            pool, address, by_prefix, rules=len(rules), always=always
        )
    if by_group:
        dimensions[GROUP] = build_dimension(pool, NARROW, by_group, rules=len(rules), always=())
    return dimensions


def _selected(pool: VectorPool, space: KeySpace, ranges: KeyRanges, rules: int) -> Dimension:
    always = _unconstrained(rules, ranges)
    return build_dimension(pool, space, ranges, rules=rules, always=always)


def _unconstrained(rules: int, *dimensions: KeyRanges) -> list[int]:
    constrained = {rule for ranges in dimensions for held in ranges.holders for rule in held}
    return [rule for rule in range(rules) if rule not in constrained]


def _by_group(rules: Sequence[ClassifierRule]) -> KeyRanges:
    held: dict[Spans, list[int]] = {}
    for index, rule in enumerate(rules):
        group = rule.remote_group
        if group is not None:
            held.setdefault(((group, group),), []).append(index)
    return key_ranges(held)


def _by_source_port(rules: Sequence[ClassifierRule]) -> KeyRanges:
    held: dict[Spans, list[int]] = {}
    for index, rule in enumerate(rules):
        span = rule.source_ports
        if span is not None:
            held.setdefault(((span.first, span.last),), []).append(index)
    return key_ranges(held)


def _by_local_prefix(rules: Sequence[ClassifierRule]) -> KeyRanges:
    held: dict[Spans, list[int]] = {}
    for index, rule in enumerate(rules):
        if rule.local_prefix is not None:
            held.setdefault((_span(rule.local_prefix),), []).append(index)
    return key_ranges(held)


def _by_remote_prefix(rules: Sequence[ClassifierRule]) -> KeyRanges:
    """Rules with the same addresses, which are many when they name one address group, are one."""
    sets: dict[bytes, PrefixSet] = {}
    held: dict[bytes, list[int]] = {}
    for index, rule in enumerate(rules):
        remote = rule.remote_prefixes
        if remote is not None:
            sets[remote.digest] = remote
            held.setdefault(remote.digest, []).append(index)
    return key_ranges(
        {tuple([_span(prefix) for prefix in sets[key].prefixes]): held[key] for key in held}
    )


def _span(prefix: IpPrefix) -> tuple[int, int]:
    first = int(prefix.network_address)
    return first, first + (1 << prefix.max_prefixlen - prefix.prefixlen) - 1


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
