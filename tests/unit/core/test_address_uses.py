"""How long public addresses were held and used."""

from dataclasses import replace

import pytest
from tests.support.builders import ip

from portlight.core.address_uses import Period, next_use, sum_up
from portlight.core.floating_ip import AddressUse
from portlight.values.ids import AddressUseId, FloatingIpId, ProjectId


def a_use(number: int, since: float, until: float | None, **fields: object) -> AddressUse:
    use = AddressUse(
        id=AddressUseId(f"u{number}"),
        floating_ip_id=FloatingIpId("f1"),
        address=ip("203.0.113.5"),
        project_id=ProjectId("p1"),
        allocated_from=0.0,
        since=since,
        until=until,
    )
    return replace(use, **fields)  # type: ignore[arg-type]  # the tests give the types


@pytest.mark.covers("K5", "X23")
def test_only_what_lies_within_the_period_counts() -> None:
    uses = [
        a_use(1, 0.0, 100.0),
        a_use(2, 100.0, 300.0, in_use=True),
        a_use(3, 300.0, None),
        a_use(4, 0.0, 10.0, floating_ip_id=FloatingIpId("f2")),
    ]

    (usage,) = sum_up(uses, Period(since=50.0, until=350.0))

    assert (usage.held_seconds, usage.used_seconds, usage.addresses) == (300.0, 200.0, 1)


def test_each_project_pays_for_its_own() -> None:
    uses = [a_use(1, 0.0, 100.0), a_use(2, 0.0, 50.0, project_id=ProjectId("p2"))]

    found = sum_up(uses, Period(since=0.0, until=200.0))

    assert [(one.project_id, one.held_seconds) for one in found] == [("p1", 100.0), ("p2", 50.0)]


def test_a_use_follows_on_idleness_without_a_gap() -> None:
    idle = a_use(1, 0.0, None)

    following = next_use(idle, AddressUseId("u2"), 40.0)

    assert (following.since, following.until, following.in_use) == (40.0, None, True)
    assert following.allocated_from == idle.allocated_from
