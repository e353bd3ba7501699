"""Mirror sessions: who may be copied to whom, how much, and what becomes of it when things go."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.clouds import (
    ADMIN,
    HOST,
    MEMBER,
    READER,
    STRANGER,
    World,
    a_caller,
    a_network,
    a_port,
    a_world,
)

from portlight.core.drafts import NetworkDraft, PortDraft
from portlight.core.drafts_mirror import (
    MirrorFilterDraft,
    MirrorFilterRuleChange,
    MirrorFilterRuleDraft,
    MirrorSessionDraft,
)
from portlight.core.drafts_sharing import QuotaDraft
from portlight.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
    QuotaExceededError,
)
from portlight.core.errors_mirror import (
    MirrorFilterInUseError,
    MirrorPortUnfitError,
    MirrorPriorityTakenError,
    MirrorRoleError,
    TooManyCopiesError,
)
from portlight.core.mirror import MirrorAction, MirrorFilter, MirrorOutcome, MirrorSession
from portlight.core.network import Network
from portlight.core.observation import MirrorCounterBlock
from portlight.core.security_group import Direction, EtherType
from portlight.service.cloud import HOUSEKEEPING_SECONDS
from portlight.service.report import AgentReport, Count, MirrorReport
from portlight.store.sql import open_store, sqlite_url
from portlight.values.ids import MirrorFilterId, PortId


def a_filter(world: World) -> MirrorFilter:
    return world.cloud.mirror_filters.create(MEMBER, MirrorFilterDraft(name="web"))


def a_rule(
    filter_id: MirrorFilterId, priority: int = 1, direction: Direction = Direction.INGRESS
) -> MirrorFilterRuleDraft:
    return MirrorFilterRuleDraft(
        mirror_filter_id=filter_id,
        direction=direction,
        ethertype=EtherType.IPV4,
        action=MirrorAction.ACCEPT,
        priority=priority,
        protocol=None,
    )


def a_session(world: World, priority: int = 1, **fields: object) -> MirrorSession:
    draft = MirrorSessionDraft(name="mirror", priority=priority, **fields)  # type: ignore[arg-type]  # fields of the draft
    return world.cloud.mirror_sessions.create(MEMBER, draft)


def ports(world: World, count: int, network: Network | None = None) -> list[PortId]:
    on = network or a_network(world)
    return [a_port(world, on).id for _ in range(count)]


def test_a_session_may_be_made_before_its_sources_filter_and_target() -> None:
    world = a_world()

    made = a_session(world)

    assert (made.source_port_ids, made.mirror_filter_ids, made.target_port_id) == ((), (), None)
    assert not made.enabled
    assert made.number == 1


@pytest.mark.covers("H40")
def test_a_source_of_any_project_is_no_target_and_a_foreign_session_is_not_named() -> None:
    world = a_world()
    one, two, three = ports(world, 3)
    draft = MirrorSessionDraft(
        name="theirs", priority=1, source_port_ids=(one,), target_port_id=two
    )
    foreign = world.cloud.mirror_sessions.create(ADMIN, draft)

    for fields in ({"source_port_ids": (two,)}, {"target_port_id": one}):
        with pytest.raises(MirrorRoleError) as caught:
            a_session(world, **fields)
        assert foreign.id not in str(caught.value)
    with pytest.raises(MirrorRoleError):
        a_session(world, source_port_ids=(three,), target_port_id=three)


def test_a_port_is_source_and_target_only_for_its_owner_even_if_another_owns_the_network() -> None:
    world = a_world()
    network = world.cloud.networks.create(ADMIN, NetworkDraft(shared=True))
    owner = a_caller("p0")
    port = world.cloud.ports.create(STRANGER, PortDraft(network_id=network.id))
    tap = MirrorSessionDraft(name="tap", priority=1, source_port_ids=(port.id,))
    claim = MirrorSessionDraft(name="claim", priority=2, target_port_id=port.id)

    for draft in (tap, claim):
        with pytest.raises(ForbiddenError):
            world.cloud.mirror_sessions.create(owner, draft)
        with pytest.raises(NotFoundError):
            world.cloud.mirror_sessions.create(MEMBER, draft)
    assert world.cloud.mirror_sessions.create(STRANGER, tap).source_port_ids == (port.id,)


def test_things_of_another_project_are_not_found_and_readers_change_nothing() -> None:
    world = a_world()
    one, session = a_filter(world), a_session(world)
    draft = MirrorSessionDraft(name="x", priority=2, mirror_filter_ids=(one.id,))

    with pytest.raises(NotFoundError):
        world.cloud.mirror_sessions.get(STRANGER, session.id)
    with pytest.raises(NotFoundError):
        world.cloud.mirror_sessions.create(STRANGER, draft)
    with pytest.raises(NotFoundError):
        world.cloud.mirror_filter_rules.create(STRANGER, a_rule(one.id))
    assert world.cloud.mirror_sessions.find(STRANGER) == []
    with pytest.raises(ForbiddenError):
        world.cloud.mirror_sessions.delete(READER, session.id)
    with pytest.raises(ForbiddenError):
        world.cloud.mirror_filter_rules.create(READER, a_rule(one.id))
    assert world.cloud.mirror_sessions.get(READER, session.id) == session


def test_a_priority_is_free_again_when_its_session_moves_or_goes() -> None:
    world = a_world()
    first = a_session(world, 5)
    with pytest.raises(MirrorPriorityTakenError, match=first.id):
        a_session(world, 5)

    world.cloud.mirror_sessions.update(MEMBER, first.id, MirrorSessionDraft(priority=6))
    second = a_session(world, 5)
    world.cloud.mirror_sessions.delete(MEMBER, first.id)
    changed = world.cloud.mirror_sessions.update(MEMBER, second.id, MirrorSessionDraft(priority=6))

    assert changed.priority == 6
    draft = MirrorSessionDraft(name="theirs", priority=6)
    assert world.cloud.mirror_sessions.create(STRANGER, draft).priority == 6


def test_of_parallel_requests_for_one_place_one_wins(tmp_path: Path) -> None:
    world = a_world(open_store(sqlite_url(tmp_path / "state.db")))

    def attempt(_number: int) -> bool:
        try:
            a_session(world, 7)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(attempt, range(8)))

    assert sum(won) == 1
    world.store.close()


@pytest.mark.covers("H32", "H34")
def test_sessions_of_a_filter_and_of_a_project_are_limited_and_limits_are_set_per_project() -> None:
    world = a_world()
    one = a_filter(world)
    limits = QuotaDraft(hard={"mirror_filter_sessions": 1, "mirror_session": 2})
    world.cloud.set_quota(ADMIN, MEMBER.project_id, limits)

    a_session(world, 1, mirror_filter_ids=(one.id,))
    with pytest.raises(QuotaExceededError, match="mirror_filter_sessions"):
        a_session(world, 2, mirror_filter_ids=(one.id,))
    a_session(world, 2)
    with pytest.raises(QuotaExceededError, match="mirror_session'"):
        a_session(world, 3)


def test_rules_made_together_are_all_made_or_none() -> None:
    world = a_world()
    one = a_filter(world)
    eleven = [a_rule(one.id, number) for number in range(1, 12)]

    with pytest.raises(QuotaExceededError, match="mirror_filter_rules"):
        world.cloud.mirror_filter_rules.create_many(MEMBER, eleven)
    assert world.cloud.mirror_filter_rules.find(MEMBER) == []
    with pytest.raises(MirrorPriorityTakenError):
        world.cloud.mirror_filter_rules.create_many(MEMBER, [eleven[0], eleven[0]])
    assert len(world.cloud.mirror_filter_rules.create_many(MEMBER, eleven[:10])) == 10


def test_a_rule_that_changes_is_checked_as_a_whole() -> None:
    world = a_world()
    rule = world.cloud.mirror_filter_rules.create(MEMBER, a_rule(a_filter(world).id))

    with pytest.raises(InvalidRequestError):
        world.cloud.mirror_filter_rules.update(MEMBER, rule.id, MirrorFilterRuleChange(protocol=58))
    changed = world.cloud.mirror_filter_rules.update(
        MEMBER, rule.id, MirrorFilterRuleChange(protocol=58, ethertype=EtherType.IPV6)
    )
    assert (changed.protocol, changed.meta.revision_number) == (58, 2)
    with pytest.raises(PreconditionFailedError):
        world.cloud.mirror_filter_rules.update(
            MEMBER, rule.id, MirrorFilterRuleChange(priority=2), if_revision=1
        )


@pytest.mark.covers("H31")
def test_a_session_has_several_filters_in_their_order_and_each_of_them_stays() -> None:
    world = a_world()
    one, two = a_filter(world), a_filter(world)

    made = a_session(world, mirror_filter_ids=(two.id, one.id, two.id))

    assert made.mirror_filter_ids == (two.id, one.id)
    for used in (one, two):
        with pytest.raises(MirrorFilterInUseError, match=made.id):
            world.cloud.mirror_filters.delete(MEMBER, used.id)


def test_a_source_has_at_most_three_sessions_that_copy_all() -> None:
    world = a_world()
    world.cloud.set_quota(ADMIN, MEMBER.project_id, QuotaDraft(hard={"mirror_source_sessions": 16}))
    (port,) = ports(world, 1)
    for priority in range(1, 4):
        a_session(world, priority, source_port_ids=(port,), copies_all=True)

    with pytest.raises(TooManyCopiesError):
        a_session(world, 4, source_port_ids=(port,), copies_all=True)
    first_match = a_session(world, 4, source_port_ids=(port,))
    with pytest.raises(TooManyCopiesError):
        world.cloud.mirror_sessions.update(
            MEMBER, first_match.id, MirrorSessionDraft(copies_all=True)
        )


def test_a_port_that_goes_leaves_every_session_and_hosts_hear_of_it() -> None:
    world = a_world()
    source, target = ports(world, 2)
    session = a_session(world, source_port_ids=(source,), target_port_id=target, enabled=True)
    start = world.cloud.changes_after(HOST, None).sequence

    world.cloud.ports.delete(MEMBER, source)
    world.cloud.ports.delete(MEMBER, target)

    left = world.cloud.mirror_sessions.get(MEMBER, session.id)
    assert (left.source_port_ids, left.target_port_id, left.enabled) == ((), None, True)
    changes = world.cloud.changes_after(HOST, start).changes
    assert left in [change.entity for change in changes]


def test_the_port_of_a_service_is_neither_source_nor_target() -> None:
    world = a_world()
    draft = PortDraft(network_id=a_network(world).id, device_owner="network:load_balancer")
    port = world.cloud.ports.create(MEMBER, draft)

    for fields in ({"source_port_ids": (port.id,)}, {"target_port_id": port.id}):
        with pytest.raises(MirrorPortUnfitError):
            a_session(world, **fields)


def test_counters_outlive_the_process_and_go_with_their_session(tmp_path: Path) -> None:
    world = a_world(open_store(sqlite_url(tmp_path / "state.db")))
    source, gone = ports(world, 2)
    session = a_session(world, source_port_ids=(source, gone))
    numbers = {port.id: port.number for port in world.cloud.ports.find(MEMBER)}

    def say(port: PortId, packets: int) -> MirrorReport:
        return MirrorReport(
            session=session.number,
            port=numbers[port],
            direction=Direction.EGRESS,
            outcome=MirrorOutcome.COPIED,
            packets=packets,
            bytes=packets * 100,
        )

    world.cloud.report(HOST, AgentReport(host=HOST, mirrors=(say(source, 3), say(gone, 4))))
    world.cloud.settle()
    world.cloud.mirror_sessions.remove_sources(MEMBER, session.id, [gone])
    world.cloud.ports.delete(MEMBER, gone)
    again = World(store=world.store, clock=world.clock, ids=world.ids)
    ways = again.cloud.mirror_counters(MEMBER, session.id)

    assert {one.port_id for one in ways} == {source}
    egress = next(one for one in ways if one.direction is Direction.EGRESS)
    assert egress.outcomes[MirrorOutcome.COPIED] == Count(packets=3, bytes=300)
    with pytest.raises(NotFoundError):
        again.cloud.mirror_counters(STRANGER, session.id)
    again.cloud.mirror_sessions.delete(MEMBER, session.id)
    world.clock.now += HOUSEKEEPING_SECONDS
    again.cloud.tick(world.clock.now)
    with world.store.reading() as tx:
        assert [block.counts for block in tx.find(MirrorCounterBlock)] == [{}]
    world.store.close()
