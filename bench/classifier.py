"""What a classification costs, by rules and members, and how long an image takes to build.

The peer is the same program on the same packets with ten rules: the cost must stay flat.
"""

import resource
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, ip_network
from random import Random

from tests.support.first_match import Members, Question
from tests.support.probe import Probe, loaded_probe

from portlight.dataplane.bpf.image import encode_classifier
from portlight.dataplane.bpf.member_table import MemberKey
from portlight.plan.classifier import Classifier, ClassifierRule, Family
from portlight.plan.delta import Delta
from portlight.values.addresses import parse_ip
from portlight.values.prefixes import prefix_set
from portlight.values.ranges import PortRange

SIZES = (10, 100, 1_000, 10_000)
TCP, UDP = 6, 17
GROUPS = 100
MEMBERS = 100_000
LOCAL = parse_ip("192.0.2.1")
STRANGER = parse_ip("198.51.100.1")
MEMBER = parse_ip("10.0.0.9")
CROWDED = parse_ip("192.0.2.99")
REPEAT = 100_000
BUILDS = 9
PORT = PortRange(first=443, last=443)


def mixed_rules(count: int, *, clustered: bool = True) -> Classifier:
    """Prefixes of several lengths, groups, ports and ranges, both families; the last two match.

    The compiler orders rules by protocol, prefix and group; clustered does, too.
    """
    random = Random(count)  # noqa: S311 test data
    rules = [mixed_rule(random, number) for number in range(count - 2)]
    if clustered:
        rules.sort(
            key=lambda rule: (rule.protocol, str(rule.remote_prefixes), rule.remote_group or 0)
        )
    rules.append(tcp_rule(remote_prefixes=prefix_set((ip_network("198.51.100.0/24"),)), label=1))
    rules.append(tcp_rule(remote_group=1, label=2))
    return Classifier(rules=tuple(rules))


def tcp_rule(**changes: object) -> ClassifierRule:
    return ClassifierRule(family=Family.IPV4, protocol=TCP, destination_ports=PORT, **changes)  # type: ignore[arg-type]


def mixed_rule(random: Random, number: int) -> ClassifierRule:
    """One that matches none of the packets asked about."""
    first = random.randrange(1024, 65_000)
    ports = PortRange(first=first, last=first + random.choice((0, 0, 0, 10, 500)))
    if random.random() < 0.4:
        return ClassifierRule(
            family=random.choice((Family.IPV4, Family.IPV4, Family.IPV6)),
            protocol=random.choice((TCP, UDP)),
            destination_ports=ports,
            remote_group=random.randrange(1, GROUPS),
            label=number + 10,
        )
    base = (11 << 24) + random.getrandbits(24)
    return ClassifierRule(
        family=Family.IPV4,
        protocol=random.choice((TCP, UDP)),
        destination_ports=ports if random.random() < 0.8 else None,
        remote_prefixes=prefix_set(
            (ip_network((base, random.choice((32, 32, 28, 24, 16))), strict=False),)
        ),
        label=number + 10,
    )


def crossed_rules(count: int) -> Classifier:
    """The worst case: every block holds rules for the address and for the port, never the same."""
    other = prefix_set((ip_network("203.0.113.7/32"),))
    rules = (
        ClassifierRule(
            family=Family.IPV4,
            protocol=TCP if number % 2 else UDP,
            remote_prefixes=other if number % 2 else None,
            destination_ports=PORT if number % 2 else None,
            label=number + 1,
        )
        for number in range(count)
    )
    return Classifier(rules=tuple(rules))


def members_of(size: int) -> Members:
    """Many members, one of them in the group that the rule names, one in as many as can be."""
    found: dict[MemberKey, tuple[int, ...]]
    found = {(1, IPv4Address((12 << 24) + n)): (n % GROUPS + 1,) for n in range(size)}
    return found | {(1, MEMBER): (1, 50), (1, CROWDED): tuple(range(1, 33))}


def question(remote: str) -> Question:
    return Question(
        family=Family.IPV4,
        protocol=TCP,
        local=LOCAL,
        remote=parse_ip(remote),
        source_port=40_000,
        destination_port=PORT.first,
    )


PACKETS = {
    "last rule but one (prefix)": question(str(STRANGER)),
    "last rule (group, 2 groups)": question(str(MEMBER)),
    "last rule (group, 32 groups)": question(str(CROWDED)),
    "no rule": question("192.0.2.77"),
}


def cost(probe: Probe, classifier: Classifier, asked: Question, *, hits: bool) -> float:
    answers = [probe.ask(classifier.key, asked, repeat=REPEAT) for _ in range(5)]
    assert (answers[0].rule is not None) is hits
    return min(answer.nanoseconds for answer in answers)


def processor_milliseconds(action: Callable[[], object]) -> float:
    """The median time of this process on a processor: others share the machine."""
    times: list[float] = []
    for _ in range(BUILDS):
        before = resource.getrusage(resource.RUSAGE_SELF)
        action()
        after = resource.getrusage(resource.RUSAGE_SELF)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times) * 1000


def measure_packets(probe: Probe, members: int) -> None:
    print(f"\nns per classification with {members:,} members (a program that does nothing: ~20)\n")
    print("| packet | " + " | ".join(f"{size:,} rules" for size in SIZES) + " |")
    print("|---" * (len(SIZES) + 1) + "|")
    for name, asked in PACKETS.items():
        hits = name != "no rule"
        for order, clustered in (("", True), (", rules in random order", False)):
            costs = [
                cost(probe, mixed_rules(size, clustered=clustered), asked, hits=hits)
                for size in SIZES
            ]
            print(f"| {name}{order} | " + " | ".join(f"{each:.0f}" for each in costs) + " |")
    costs = [cost(probe, crossed_rules(size), PACKETS["no rule"], hits=False) for size in SIZES]
    print("| no rule, worst case | " + " | ".join(f"{each:.0f}" for each in costs) + " |")


def address_group_rules(family: Family, addresses: int) -> Classifier:
    """Four rules of one address group, of which the last has the port that is asked for."""
    first, prefix = (11 << 24, 32) if family is Family.IPV4 else (0xFD << 120, 128)
    held = prefix_set([ip_network((first + 7 * number, prefix)) for number in range(addresses)])
    ports = (1000, 2000, 3000, PORT.first)
    return Classifier(
        rules=tuple(
            ClassifierRule(
                family=family,
                protocol=TCP,
                remote_prefixes=held,
                destination_ports=PortRange(first=port, last=port),
                label=port,
            )
            for port in ports
        )
    )


def measure_address_groups(probe: Probe) -> None:
    print("\nAddress groups: four rules that refer to one group\n")
    print("| addresses | IPv4, ns for each packet | IPv6 | ms of processor for the image | kB |")
    print("|---|---|---|---|---|")
    for size in SIZES:
        costs = []
        classifier = address_group_rules(Family.IPV6, size)
        for family, remote in ((Family.IPV4, "11.0.0.7"), (Family.IPV6, "fd00::7")):
            classifier = address_group_rules(family, size)
            put = Delta(put={classifier.key: classifier}, remove=frozenset[int]())
            assert not probe.tables.classifiers.apply(put)
            local = parse_ip("fd00::1") if family is Family.IPV6 else LOCAL
            asked = replace(question(remote), family=family, local=local)
            costs.append(cost(probe, classifier, asked, hits=True))
        spent = processor_milliseconds(lambda held=classifier: encode_classifier(held))  # type: ignore[misc]
        kilobytes = len(encode_classifier(classifier)) // 1024
        shown = " | ".join(f"{each:.0f}" for each in costs)
        print(f"| {size:,} | {shown} | {spent:.1f} | {kilobytes:,} |")


def measure_builds() -> None:
    print("\nBuilding an image\n")
    print("| rules | ms of processor | kB |")
    print("|---|---|---|")
    for size in SIZES:
        classifier = mixed_rules(size)
        spent = processor_milliseconds(lambda classifier=classifier: encode_classifier(classifier))  # type: ignore[misc]
        print(f"| {size:,} | {spent:.1f} | {len(encode_classifier(classifier)) // 1024:,} |")


def main() -> int:
    with loaded_probe() as probe:
        for size in SIZES:
            for classifier in (
                mixed_rules(size),
                mixed_rules(size, clustered=False),
                crossed_rules(size),
            ):
                change = Delta(put={classifier.key: classifier}, remove=frozenset[int]())
                assert not probe.tables.classifiers.apply(change)
        for members in (0, MEMBERS):
            put = Delta(put=members_of(members), remove=frozenset())
            assert not probe.tables.members.apply(put)
            measure_packets(probe, members)
        measure_address_groups(probe)
    measure_builds()
    return 0


if __name__ == "__main__":
    sys.exit(main())
