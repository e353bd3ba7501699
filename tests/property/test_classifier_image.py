"""The image of a classifier says what its rules say."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.classifiers import (
    generated_classifier,
    generated_members,
    generated_question,
    seeded,
)
from tests.support.first_match import Members, Question, first_match
from tests.support.image_reader import ImageReader

from portlight.dataplane.bpf.image import (
    MAX_RULES,
    ClassifierTooLargeError,
    encode_classifier,
)
from portlight.plan.classifier import Classifier, ClassifierRule, Family
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
