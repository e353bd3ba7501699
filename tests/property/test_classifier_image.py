"""The image of a classifier says what its rules say."""

from ipaddress import IPv4Network, IPv6Network
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.classifiers import (
    NETWORK,
    generated_classifier,
    generated_members,
    generated_question,
    seeded,
)
from tests.support.first_match import Members, Question, first_match
from tests.support.image_reader import ImageReader

from portlight.core.group_room import MAX_GROUPS, PORT_ROOM, room_for
from portlight.core.security_group import SMALLEST_ROOM
from portlight.dataplane.bpf import member_table
from portlight.dataplane.bpf.image import (
    MAX_DEPTH,
    MAX_RULES,
    ClassifierTooLargeError,
    TooManyIntervalsError,
    encode_classifier,
)
from portlight.plan.classifier import Action, Classifier, ClassifierRule, Family
from portlight.values.prefixes import prefix_set
from portlight.values.ranges import PortRange


def agree(classifier: Classifier, members: Members, question: Question) -> bool:
    rule = first_match(classifier, members, question)
    expected = None if rule is None else (rule.label, rule.action, rule.flags)
    return ImageReader(encode_classifier(classifier)).find(question, members) == expected


@pytest.mark.covers("N11")
@given(
    random=st.randoms(use_true_random=False), rules=st.integers(0, 12), members=st.integers(0, 6)
)
def test_the_image_finds_the_first_rule_that_matches(
    random: Random, rules: int, members: int
) -> None:
    classifier = generated_classifier(random, rules)
    held = generated_members(random, members)

    question = generated_question(random, classifier, held)

    assert agree(classifier, held, question)


@pytest.mark.covers("N11", "N13")
@pytest.mark.parametrize("rules", [1, 17, 18, 511, 512, 513, 1025, 3000])
def test_the_image_agrees_at_every_size_of_trees_and_vectors(rules: int) -> None:
    random = seeded(rules)
    classifier = generated_classifier(random, rules)
    members = generated_members(random, 60)
    reader = ImageReader(encode_classifier(classifier))

    for _ in range(60):
        question = generated_question(random, classifier, members)
        rule = first_match(classifier, members, question)
        expected = None if rule is None else (rule.label, rule.action, rule.flags)
        assert reader.find(question, members) == expected, question


def test_equal_classifiers_have_equal_images() -> None:
    one = generated_classifier(seeded(3), 200)
    other = generated_classifier(seeded(3), 200)

    assert encode_classifier(one) == encode_classifier(other)


def test_a_classifier_without_rules_has_an_image_that_matches_nothing() -> None:
    question = generated_question(seeded(1), Classifier(), {})

    assert ImageReader(encode_classifier(Classifier())).find(question, {}) is None


def test_a_selector_of_ports_matches_no_protocol_without_ports() -> None:
    rule = ClassifierRule(family=Family.IPV4, source_ports=PortRange(first=0, last=9), label=1)
    classifier = Classifier(rules=(rule,))

    assert agree(classifier, {}, generated_question(seeded(2), classifier, {}))


def test_more_rules_of_a_family_than_an_image_holds_are_refused_by_name() -> None:
    rule = ClassifierRule(family=Family.IPV6)
    classifier = Classifier(rules=(rule,) * (MAX_RULES + 1))

    with pytest.raises(ClassifierTooLargeError, match="32769 IPv6 rules, more than 32768"):
        encode_classifier(classifier)


@pytest.mark.parametrize("addresses", [8, 9, 150, 3000])
@pytest.mark.parametrize("family", list(Family))
def test_rules_that_share_the_addresses_of_a_large_group_match_all_of_them(
    family: Family, addresses: int
) -> None:
    first = NETWORK[family]
    kind = IPv4Network if family is Family.IPV4 else IPv6Network
    width = 32 if family is Family.IPV4 else 128
    held = prefix_set(kind((first + 3 * number, width)) for number in range(addresses))
    classifier = Classifier(
        rules=tuple(
            ClassifierRule(
                family=family,
                protocol=6,
                remote_prefixes=held,
                destination_ports=PortRange(first=port, last=port),
                label=port,
            )
            for port in range(1, 601)
        )
    )
    reader = ImageReader(encode_classifier(classifier))

    for offset in (0, 1, 2, 3, 3 * addresses // 2, 3 * addresses - 3, 3 * addresses):
        remote = kind((first + offset, width)).network_address
        question = Question(
            family=family, protocol=6, local=remote, remote=remote, destination_port=600
        )
        inside = offset % 3 == 0 and offset < 3 * addresses
        assert reader.find(question, {}) == ((600, Action.ALLOW, 0) if inside else None), offset


def test_more_addresses_than_the_program_can_tell_apart_are_refused_by_name() -> None:
    held = prefix_set(IPv4Network((2 * number, 32)) for number in range(50_000))
    classifier = Classifier(rules=(ClassifierRule(family=Family.IPV4, remote_prefixes=held),))

    with pytest.raises(TooManyIntervalsError, match="100000 intervals, more than 83521"):
        encode_classifier(classifier)


def test_what_the_service_lets_a_port_have_fits_into_an_image() -> None:
    intervals = 2 * PORT_ROOM + 1

    assert PORT_ROOM <= MAX_RULES
    assert MAX_GROUPS == member_table.MAX_GROUPS
    assert all(intervals <= space.fanout**depth for space, depth in MAX_DEPTH.items())


@given(places=st.integers(0, PORT_ROOM))
def test_a_group_takes_at_most_an_eighth_more_room_than_it_needs(places: int) -> None:
    room = room_for(places)

    assert max(places, SMALLEST_ROOM) <= room <= max(SMALLEST_ROOM, places * 9 // 8 + 1)
    assert room_for(room) == room
