"""What a classifier means, rule by rule: the witness for the image and for the program."""

from collections.abc import Mapping
from dataclasses import dataclass

from portlight.plan.classifier import Classifier, ClassifierRule, Family
from portlight.values.addresses import IpAddress

WITH_PORTS = frozenset({6, 17, 33, 132, 136})
ICMP = {Family.IPV4: 1, Family.IPV6: 58}

Members = Mapping[tuple[int, IpAddress], tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One packet as the classifier sees it."""

    family: Family
    protocol: int
    local: IpAddress
    remote: IpAddress
    source_port: int = 0
    destination_port: int = 0
    icmp: int = 0
    scope: int = 1


def first_match(
    classifier: Classifier, members: Members, question: Question
) -> ClassifierRule | None:
    for rule in classifier.rules:
        if matches(rule, members, question):
            return rule
    return None


def matches(rule: ClassifierRule, members: Members, question: Question) -> bool:
    if rule.family is not question.family:
        return False
    if rule.protocol is not None and rule.protocol != question.protocol:
        return False
    if rule.local_prefixes is not None and question.local not in rule.local_prefixes:
        return False
    if rule.remote_prefixes is not None and question.remote not in rule.remote_prefixes:
        return False
    if rule.remote_group is not None:
        groups = members.get((question.scope, question.remote), ())
        if rule.remote_group not in groups:
            return False
    return _selectors_match(rule, question)


def _selectors_match(rule: ClassifierRule, question: Question) -> bool:
    has_ports = question.protocol in WITH_PORTS
    is_icmp = question.protocol == ICMP[question.family]
    for selector, applies, value in (
        (rule.source_ports, has_ports, question.source_port),
        (rule.destination_ports, has_ports, question.destination_port),
        (rule.icmp, is_icmp, question.icmp),
    ):
        if selector is not None and not (applies and value in selector):
            return False
    return True
