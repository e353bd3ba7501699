"""Generated classifiers with packets that are likely to hit them, from a seed."""

from ipaddress import IPv4Address, IPv6Address, ip_network
from random import Random

from tests.support.first_match import ICMP, Members, Question

from portlight.plan.classifier import Action, Classifier, ClassifierRule, Family, RuleFlag
from portlight.values.addresses import IpAddress, IpPrefix
from portlight.values.prefixes import PrefixSet, prefix_set
from portlight.values.ranges import MAX_PORT, PortRange

NETWORK = {Family.IPV4: 10 << 24, Family.IPV6: 0xFD << 120}
SPREAD = {Family.IPV4: 12, Family.IPV6: 70}
"""Bits in which generated addresses differ: few enough that prefixes overlap and packets hit."""
PROTOCOLS = (6, 6, 17, 17, 132, 33, 136, 1, 58, 47, 0, 255)
GROUPS = tuple(range(1, 40))


def seeded(seed: int) -> Random:
    """The same packets every time."""
    return Random(seed)  # noqa: S311 test data, no secret


def generated_address(random: Random, family: Family, *, strange: float = 0.05) -> IpAddress:
    kind = IPv4Address if family is Family.IPV4 else IPv6Address
    if random.random() < strange:
        last = (1 << kind(0).max_prefixlen) - 1
        return kind(
            random.choice(
                (
                    0,
                    1,
                    last,
                    last - 1,
                    random.getrandbits(32) | 0xFFFF << 32 if family is Family.IPV6 else 1 << 31,
                )
            )
        )
    offset = random.getrandbits(SPREAD[family]) if random.random() < 0.3 else random.getrandbits(6)
    return kind(NETWORK[family] + offset)


def generated_prefix(random: Random, family: Family) -> IpPrefix:
    address = generated_address(random, family)
    width = address.max_prefixlen
    length = random.choice((width, width, width - 1, width - 4, width - 8, 8, 1, 0))
    return ip_network((address, length), strict=False)


def generated_prefixes(random: Random, family: Family) -> PrefixSet | None:
    """Return one prefix, or several as of an address group: now and then one of a few such."""
    if random.random() < 0.5:
        return prefix_set((generated_prefix(random, family),))
    source = seeded(random.randrange(4)) if random.random() < 0.5 else random
    count = source.choice((1, 2, 3, 20))
    return prefix_set([generated_prefix(source, family) for _ in range(count)])


def generated_range(random: Random) -> PortRange:
    first = random.choice((0, 22, 80, 443, 8000, MAX_PORT, random.randrange(MAX_PORT)))
    last = random.choice((first, first, min(MAX_PORT, first + 100), MAX_PORT))
    return PortRange(first=first, last=last)


def generated_rule(random: Random, label: int) -> ClassifierRule:
    family = random.choice(tuple(Family))
    protocol = random.choice((None, *PROTOCOLS))
    by_group = random.random() < 0.4
    wants = [random.random() for _ in range(5)]
    return ClassifierRule(
        family=family,
        protocol=protocol,
        local_prefixes=generated_prefixes(random, family) if wants[0] < 0.15 else None,
        remote_prefixes=generated_prefixes(random, family)
        if not by_group and wants[1] < 0.7
        else None,
        remote_group=random.choice(GROUPS) if by_group else None,
        source_ports=generated_range(random) if wants[2] < 0.1 else None,
        destination_ports=generated_range(random) if wants[3] < 0.5 else None,
        icmp=generated_range(random) if protocol == ICMP[family] and wants[4] < 0.7 else None,
        action=Action.DENY if random.random() < 0.2 else Action.ALLOW,
        flags=RuleFlag(random.randrange(4)),
        label=label,
    )


def generated_classifier(random: Random, rules: int) -> Classifier:
    return Classifier(
        rules=tuple(generated_rule(random, random.getrandbits(40) << 24 | n) for n in range(rules))
    )


def generated_members(random: Random, count: int) -> Members:
    members: dict[tuple[int, IpAddress], tuple[int, ...]] = {}
    for _ in range(count):
        address = generated_address(random, random.choice(tuple(Family)))
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            continue  # cannot be a member: the data plane holds IPv4 in this form
        held = random.choice((1, 1, 2, 5, 32))
        members[random.choice((1, 1, 1, 2)), address] = tuple(sorted(random.sample(GROUPS, held)))
    return members


def generated_question(random: Random, classifier: Classifier, members: Members) -> Question:
    """A packet near a rule of the classifier, or near none."""
    rule = random.choice(classifier.rules) if classifier.rules else None
    family = rule.family if rule is not None else random.choice(tuple(Family))
    remote = generated_address(random, family)
    if members and random.random() < 0.5:
        remote = random.choice([address for _scope, address in members])
        family = Family(remote.version)
    protocol = rule.protocol if rule is not None else None
    if protocol is None or random.random() < 0.1:
        protocol = random.choice(PROTOCOLS)
    has_ports = protocol in (6, 17, 33, 132, 136)
    near = rule.destination_ports if rule is not None else None
    return Question(
        family=family,
        protocol=protocol,
        local=generated_address(random, family),
        remote=remote,
        source_port=generated_range(random).last if has_ports else 0,
        destination_port=_port_near(random, near) if has_ports else 0,
        icmp=generated_range(random).first if protocol == ICMP[family] else 0,
        scope=random.choice((1, 1, 2)),
    )


def _port_near(random: Random, near: PortRange | None) -> int:
    if near is None:
        return generated_range(random).first
    edge = random.choice((near.first, near.last)) + random.choice((0, 0, -1, 1))
    return min(max(edge, 0), MAX_PORT)
