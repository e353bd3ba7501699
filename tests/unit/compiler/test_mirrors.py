"""Which packets mirror classifiers choose, and to which ways their rules lead."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import (
    HOST,
    a_mirror_filter,
    a_mirror_rule,
    a_mirror_session,
    a_network,
    a_port,
    a_subnet,
    a_topology,
    an_instance,
    ip,
)
from tests.support.routing_builders import a_peering, a_router, an_interface

from portlight.compiler.host import compile_host
from portlight.core.mirror import MirrorSession
from portlight.core.topology import Entity
from portlight.plan.classifier import Action
from portlight.plan.host import HostPlan
from portlight.plan.mirror import session_of, version_of

COLLECTOR = ip("192.0.2.9")
FILTER = (a_mirror_filter(), a_mirror_rule(1, protocol=17))


def a_plan(*entities: Entity) -> HostPlan:
    """Return the plan of ports 1, 2, 3 in networks 1, 2, 3 and 4 in network 1; later ones win."""
    places = (1, 2, 3, 1)
    return compile_host(
        a_topology(
            *(a_network(number) for number in (1, 2, 3)),
            *(a_subnet(n, f"10.0.{n}.0/24", network_id=a_network(n).id) for n in (1, 2, 3)),
            *(an_instance(number) for number in (1, 2, 3, 4)),
            *(
                a_port(number, f"10.0.{place}.{number + 10}", network_id=a_network(place).id)
                for number, place in enumerate(places, start=1)
            ),
            *FILTER,
            *entities,
        ),
        HOST,
    )


def asked(plan: HostPlan, port: int) -> list[tuple[Action, int]]:
    """Return what the rules say about sent packets of a port, and for which session."""
    keys = plan.mirror_sources[port].egress if port in plan.mirror_sources else ()
    rules = [rule for key in keys for rule in plan.classifiers[key].rules]
    return [(rule.action, session_of(rule.label)) for rule in rules]


def outward(number: int, *sources: int) -> MirrorSession:
    return a_mirror_session(number, sources, 1, target_port_id=None, target_ip=COLLECTOR)


GUARD, COPY = (Action.DENY, 0), (Action.ALLOW, 1)
OF_PORT_1 = a_mirror_session(1, (1,), 4)
OTHERS = outward(2, 2)
LEGS = (an_interface(101, 1, 1, (1, "10.0.1.1")), an_interface(102, 1, 2, (2, "10.0.2.1")))
FAR_LEG = an_interface(102, 2, 2, (2, "10.0.2.1"))
PEERED = (LEGS[0], FAR_LEG, a_router(1), a_router(2), a_peering(7, 1, 2))
BOTH = replace(a_port(5, "10.0.2.15", network_id=a_network(2).id), device_index=1)


@pytest.mark.covers("H1", "H45")
@pytest.mark.parametrize(
    "entities",
    [
        (),
        (outward(2),),
        (OTHERS, *LEGS, a_router(admin_state_up=False)),
        (OTHERS, *PEERED[:-1]),
        (outward(2, 3), *LEGS, a_router()),
        (replace(OTHERS, enabled=False), *LEGS, a_router()),
    ],
    ids=["not joined", "no source", "router down", "not peered", "another area", "disabled"],
)
def test_copies_that_cannot_pass_a_source_change_nothing_about_what_it_is_asked(
    entities: tuple[Entity, ...],
) -> None:
    assert asked(a_plan(OF_PORT_1, OTHERS, *entities), 1) == [COPY]


@pytest.mark.parametrize(
    "entities",
    [
        (*LEGS, a_router()),
        PEERED,
        (replace(BOTH, device_id=an_instance(1).id),),
    ],
    ids=["behind a router", "behind a peering", "behind a guest"],
)
def test_copies_that_may_pass_a_source_on_their_way_outside_are_not_copied_again(
    entities: tuple[Entity, ...],
) -> None:
    assert asked(a_plan(OF_PORT_1, OTHERS, *entities), 1) == [GUARD, COPY]


def test_a_deleted_target_lets_the_next_session_have_the_packet() -> None:
    without = a_mirror_session(2, (1,), 4, priority=1, target_port_id=None)

    assert asked(a_plan(OF_PORT_1, without), 1) == [COPY]
    assert a_plan(without).mirror_sources == {}


@pytest.mark.covers("H119", "H120", "X7")
@pytest.mark.parametrize(
    "change",
    [
        {"vni": 9},
        {"packet_length": 0},
        {"target_port_id": a_port(2).id},
        {"bytes_per_second": 1000},
    ],
)
def test_whatever_changes_about_a_way_the_rules_lead_to_the_way_that_they_were_made_with(
    change: dict[str, Any],
) -> None:
    versions = []
    for session in (OF_PORT_1, replace(OF_PORT_1, **change), replace(OF_PORT_1, priority=7)):
        plan = a_plan(session, *LEGS, a_router())
        (key,) = plan.mirror_sources[1].egress
        (rule,) = plan.classifiers[key].rules
        versions.append(version_of(rule.label))
        assert all(version == versions[-1] for *_, version in plan.mirror_ways)

    assert versions[0] == versions[2] != versions[1]
