"""The kernel's classifier says what the rules say, one by one."""

from collections.abc import Iterator

import pytest
from tests.support.classifiers import (
    generated_classifier,
    generated_members,
    generated_question,
    seeded,
)
from tests.support.first_match import Question, first_match
from tests.support.probe import Probe, loaded_probe

from portlight.plan.classifier import Action, Classifier, ClassifierRule, Family
from portlight.values.addresses import parse_ip

SIZES = (0, 1, 3, 10, 30, 100)
ROUNDS = 250
QUESTIONS = 420


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    with loaded_probe() as loaded:
        yield loaded


def disagreements(probe: Probe, *, seed: int, rules: int, questions: int) -> list[str]:
    random = seeded(seed)
    classifier = generated_classifier(random, rules)
    members = generated_members(random, 40)
    probe.put(classifier, members)
    wrong: list[str] = []
    for _ in range(questions):
        question = generated_question(random, classifier, members)
        rule = first_match(classifier, members, question)
        expected = None if rule is None else (rule.label, int(rule.action), int(rule.flags))
        said = probe.ask(classifier.key, question).rule
        if said != expected:
            wrong.append(f"seed {seed}: {question}: {said}, not {expected}")
    probe.remove(classifier, members)
    return wrong


@pytest.mark.covers("N11", "N13")
def test_program_and_rules_agree_on_a_hundred_thousand_packets(probe: Probe) -> None:
    assert ROUNDS * QUESTIONS > 100_000
    for seed in range(ROUNDS):
        size = SIZES[seed % len(SIZES)]
        assert not disagreements(probe, seed=seed, rules=size, questions=QUESTIONS)


@pytest.mark.covers("N13")
@pytest.mark.parametrize("rules", [1_000, 10_000])
def test_program_and_rules_agree_on_large_classifiers(probe: Probe, rules: int) -> None:
    assert not disagreements(probe, seed=rules, rules=rules, questions=100)


def test_a_missing_classifier_matches_nothing(probe: Probe) -> None:
    question = generated_question(seeded(1), Classifier(), {})

    assert probe.ask(4711, question).rule is None


@pytest.mark.covers("X18", "P16")
def test_joining_and_leaving_a_group_is_seen_by_the_next_packet(probe: Probe) -> None:
    rule = ClassifierRule(family=Family.IPV4, remote_group=7, label=1)
    classifier = Classifier(rules=(rule,))
    remote = parse_ip("10.1.2.3")
    question = Question(
        family=Family.IPV4, protocol=47, local=parse_ip("10.1.2.4"), remote=remote, scope=5
    )
    probe.put(classifier, {})
    assert probe.ask(classifier.key, question).rule is None

    probe.put(classifier, {(5, remote): (6, 7)})
    assert probe.ask(classifier.key, question).rule == (1, Action.ALLOW, 0)

    probe.remove(classifier, {(5, remote): (6, 7)})
    probe.put(classifier, {(4, remote): (6, 7)})
    assert probe.ask(classifier.key, question).rule is None
