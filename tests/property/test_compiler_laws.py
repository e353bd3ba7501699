"""Laws of the compiler and of deltas."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.builders import (
    ELSEWHERE,
    HOST,
    a_topology,
    an_id,
    entities_of,
)
from tests.support.shots import EGRESS, FrameMaker
from tests.support.strategies import dice, histories, topologies
from tests.support.worlds import some_rule

from portlight.compiler.host import compile_host
from portlight.compiler.memo import Memo
from portlight.core.path_state import Situation
from portlight.core.topology import Topology
from portlight.core.verdict import verdict
from portlight.plan.delta import Delta, delta
from portlight.values.ids import PortId
from portlight.values.verdict import Allow

generous = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
mappings = st.dictionaries(st.integers(0, 20), st.integers(0, 3))


@generous
@given(topology=topologies(), random=dice())
def test_the_order_in_which_entities_were_made_does_not_matter(
    topology: Topology, random: Random
) -> None:
    entities = list(entities_of(topology))
    random.shuffle(entities)

    assert compile_host(a_topology(*entities), HOST) == compile_host(topology, HOST)


@generous
@given(steps=histories())
def test_a_plan_compiled_with_a_memo_equals_one_from_scratch(steps: list[Topology]) -> None:
    memo = Memo()

    for topology in [*steps, *reversed(steps)]:
        assert compile_host(topology, HOST, memo) == compile_host(topology, HOST)


@generous
@given(steps=histories(most=1), random=dice())
def test_an_unrelated_host_sees_no_change_of_a_group_that_it_has_nothing_to_do_with(
    steps: list[Topology], random: Random
) -> None:
    topology = steps[0]
    held = {
        group
        for port in topology.ports.values()
        if (instance := topology.instances.get(port.device_id))  # type: ignore[call-overload]
        and instance.host == ELSEWHERE
        for group in port.security_groups
    }
    rule = some_rule(random, 99)
    changed = replace(
        topology, security_group_rules={**topology.security_group_rules, rule.id: rule}
    )

    if rule.security_group_id not in held:
        assert compile_host(changed, ELSEWHERE) == compile_host(topology, ELSEWHERE)


@generous
@given(topology=topologies(), random=dice())
def test_taking_a_rule_away_never_allows_what_was_dropped(
    topology: Topology, random: Random
) -> None:
    rules = dict(topology.security_group_rules)
    rules.pop(random.choice(sorted(rules)), None)
    fewer = replace(topology, security_group_rules=rules)
    maker = FrameMaker(random, topology)

    for _ in range(20):
        shot = maker.shot()
        port = PortId(an_id(3, shot.port))
        asked = (port, shot.direction, shot.frame, Situation())
        if verdict(fewer, *asked).verdict == Allow():
            assert verdict(topology, *asked).verdict == Allow()


@pytest.mark.covers("N10")
@generous
@given(topology=topologies(), random=dice())
def test_no_rule_set_lets_a_port_send_from_a_source_that_it_does_not_hold(
    topology: Topology, random: Random
) -> None:
    rules = [some_rule(random, number) for number in range(100, 120)]
    open_rules = replace(topology, security_group_rules={rule.id: rule for rule in rules})
    none = replace(topology, security_group_rules={})
    maker = FrameMaker(random, topology)
    spoofs = {"spoofed_mac", "spoofed_ipv4", "spoofed_ipv6", "spoofed_arp", "spoofed_nd"}

    for _ in range(20):
        shot = maker.shot()
        asked = (PortId(an_id(3, shot.port)), EGRESS, shot.frame, Situation())
        closed = verdict(none, *asked).verdict
        if closed != Allow() and closed.reason.label in spoofs:  # type: ignore[union-attr]
            assert verdict(open_rules, *asked).verdict == closed


@generous
@given(topology=topologies(), random=dice())
def test_a_plan_that_is_changed_and_changed_back_judges_as_before(
    topology: Topology, random: Random
) -> None:
    memo = Memo()
    before = compile_host(topology, HOST, memo)
    rule = some_rule(random, 99)
    compile_host(
        replace(topology, security_group_rules={**topology.security_group_rules, rule.id: rule}),
        HOST,
        memo,
    )

    after = compile_host(topology, HOST, memo)

    assert after == before
    assert delta(after.members, before.members) == Delta(put={}, remove=frozenset())


@given(desired=mappings, actual=mappings)
def test_applying_a_delta_makes_actual_desired_and_a_second_delta_is_empty(
    desired: dict[int, int], actual: dict[int, int]
) -> None:
    change = delta(desired, actual)

    applied = {key: value for key, value in actual.items() if key not in change.remove}
    applied |= change.put

    assert applied == desired
    assert not delta(desired, applied)


@given(desired=mappings, actual=mappings)
def test_a_delta_is_the_smallest_one(desired: dict[int, int], actual: dict[int, int]) -> None:
    change = delta(desired, actual)

    assert all(actual.get(key) != value for key, value in change.put.items())
    assert change.remove <= actual.keys()
    assert not change.remove & desired.keys()
