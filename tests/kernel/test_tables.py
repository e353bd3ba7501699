"""The drivers of the data plane's maps, on real maps."""

import os
import select
import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, ip_network

import pytest
from tests.support.classifiers import generated_classifier, seeded
from tests.support.probe import Probe, loaded_probe

from portlight.dataplane.bpf.abi import (
    ClaimEvent,
    ClaimFlag,
    ClaimKind,
    CounterKey,
    ForwardingEntry,
    ForwardingKey,
    PortEntry,
    PortFlag,
    VirtualIpKey,
    VirtualIpOwner,
    decode_record,
    encode_address,
    encode_record,
)
from portlight.dataplane.bpf.claims import Claim
from portlight.dataplane.bpf.classifier_table import UNREAD
from portlight.dataplane.bpf.counters import PortCounter
from portlight.dataplane.bpf.maps import BpfMap
from portlight.dataplane.bpf.member_table import (
    MAX_GROUPS,
    MappedAddressError,
    MemberKey,
    TooManyGroupsError,
)
from portlight.dataplane.bpf.port_table import PortAttachment
from portlight.dataplane.bpf.syscall import Command, bpf, possible_cpus
from portlight.dataplane.bpf.tables import Tables
from portlight.plan.classifier import Classifier, ClassifierRule, Family
from portlight.plan.delta import Delta, delta
from portlight.plan.host import PortPlan, SourceBinding, VirtualIpMemberPlan, VirtualIpPlan
from portlight.values.addresses import parse_ip, parse_mac
from portlight.values.verdict import DropReason

MAC = parse_mac("fa:16:3e:00:00:01")
VIRTUAL_MAC = parse_mac("00:00:5e:00:01:07")


@pytest.fixture
def probe() -> Iterator[Probe]:
    with loaded_probe() as loaded:
        yield loaded


def opened(probe: Probe, name: str) -> BpfMap:
    return BpfMap.open_pinned(probe.pins / name)


def a_port(ifindex: int = 11, **changes: object) -> PortAttachment:
    plan = PortPlan(
        network=3, scope=3, mac=MAC, mtu=1450, up=True, secured=True, egress=5, ingress=6
    )
    return PortAttachment(plan=replace(plan, **changes), ifindex=ifindex)  # type: ignore[arg-type]


def bindings() -> dict[SourceBinding, None]:
    prefixes = ("10.0.0.7/32", "192.168.0.0/16", "fd00::7/128", "fe80::/64", "0.0.0.0/0")
    return {
        SourceBinding(port=port, mac=mac, prefix=ip_network(prefix)): None
        for port in (1, 2)
        for mac in (MAC, VIRTUAL_MAC)
        for prefix in prefixes
    }


def a_virtual_ip(**changes: object) -> VirtualIpPlan:
    plan = VirtualIpPlan(
        members=(
            VirtualIpMemberPlan(port=1),
            VirtualIpMemberPlan(port=2, virtual_mac=VIRTUAL_MAC),
        ),
        claim_policy="priority",
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def owner_of(probe: Probe, network: int, address: str) -> VirtualIpOwner:
    return probe.tables.virtual_ips.owners()[network, parse_ip(address)]


@pytest.mark.covers("P16")
def test_what_was_put_is_read_back_by_a_fresh_agent(probe: Probe) -> None:
    classifier = generated_classifier(seeded(1), 50)
    members = {(1, parse_ip("10.0.0.1")): (1, 2, 3), (2, parse_ip("fd00::1")): tuple(range(32))}
    ports = {7: a_port(), 8: PortAttachment(plan=a_port(mac=VIRTUAL_MAC).plan, ifindex=12)}
    virtual_ips = {(3, parse_ip("10.0.0.9")): a_virtual_ip()}
    first = probe.tables
    assert not first.classifiers.apply(Delta(put={classifier.key: classifier}, remove=frozenset()))
    assert not first.members.apply(Delta(put=members, remove=frozenset()))
    assert not first.bindings.apply(Delta(put=bindings(), remove=frozenset()))
    assert not first.ports.apply(Delta(put=ports, remove=frozenset()))
    assert not first.virtual_ips.apply(Delta(put=virtual_ips, remove=frozenset()))
    assert first.classifiers.read() == {classifier.key: classifier}

    with Tables(probe.pins) as fresh:
        assert fresh.classifiers.read() == {classifier.key: UNREAD}
        assert fresh.members.read() == members
        assert fresh.bindings.read() == bindings()
        assert fresh.ports.read() == ports
        assert fresh.virtual_ips.read() == virtual_ips

    assert first.ports.read() == ports


def test_a_fresh_agent_takes_an_image_over_without_writing_it_again(probe: Probe) -> None:
    classifier = generated_classifier(seeded(2), 20)
    probe.put(classifier, {})
    with opened(probe, "classifiers") as outer, Tables(probe.pins) as fresh:
        before = dict(outer.items())
        change = delta({classifier.key: classifier}, fresh.classifiers.read())

        assert change
        assert not fresh.classifiers.apply(change)

        assert dict(outer.items()) == before
        assert fresh.classifiers.read() == {classifier.key: classifier}


def test_an_image_that_somebody_replaced_or_added_is_put_right(probe: Probe) -> None:
    mine, foreign = generated_classifier(seeded(3), 9), generated_classifier(seeded(4), 9)
    probe.put(mine, {})
    key = struct.pack("=Q", mine.key)
    with opened(probe, "classifiers") as outer, Tables(probe.pins) as other:
        other.classifiers.apply(Delta(put={foreign.key: foreign}, remove=frozenset()))
        inner = outer.lookup(struct.pack("=Q", foreign.key)) or b""
        fd, _ = bpf(Command.MAP_GET_FD_BY_ID, inner + bytes(4))
        outer.update(key, struct.pack("=I", fd))
        os.close(fd)

    change = delta({mine.key: mine}, probe.tables.classifiers.read())
    assert change.put == {mine.key: mine}
    assert change.remove == {foreign.key}
    assert not probe.tables.classifiers.apply(change)
    assert probe.tables.classifiers.read() == {mine.key: mine}


def test_a_classifier_that_is_too_large_fails_alone(probe: Probe) -> None:
    good = generated_classifier(seeded(5), 3)
    bad = Classifier(rules=(ClassifierRule(family=Family.IPV4),) * 32_769)
    put = {bad.key: bad, good.key: good}

    failures = probe.tables.classifiers.apply(Delta(put=put, remove=frozenset()))

    assert list(failures) == [bad.key]
    assert set(probe.tables.classifiers.read()) == {good.key}


@pytest.mark.covers("X18", "P16")
def test_a_hundred_thousand_members_are_held_and_one_more_joins(probe: Probe) -> None:
    members: dict[MemberKey, tuple[int, ...]]
    members = {(1, IPv4Address((10 << 24) + n)): (n % 50, 90) for n in range(100_000)}
    assert not probe.tables.members.apply(Delta(put=members, remove=frozenset()))
    late: dict[MemberKey, tuple[int, ...]] = {(1, parse_ip("172.16.0.1")): (4,)}
    assert not probe.tables.members.apply(Delta(put=late, remove=frozenset()))

    assert probe.tables.members.read() == members | late


def test_a_member_of_too_many_groups_fails_by_name_and_alone(probe: Probe) -> None:
    crowded, mapped, fine = (
        (1, parse_ip("10.0.0.1")),
        (1, parse_ip("::ffff:1.2.3.4")),
        (1, parse_ip("10.0.0.2")),
    )
    put = {crowded: tuple(range(MAX_GROUPS + 1)), mapped: (1,), fine: (1,)}

    failures = probe.tables.members.apply(Delta(put=put, remove=frozenset()))

    assert isinstance(failures[crowded], TooManyGroupsError)
    assert isinstance(failures[mapped], MappedAddressError)
    assert probe.tables.members.read() == {fine: (1,)}


def test_the_entries_that_bindings_share_go_with_the_last_of_them(probe: Probe) -> None:
    wanted = bindings()
    probe.tables.bindings.apply(Delta(put=wanted, remove=frozenset()))
    gone = frozenset(each for each in wanted if each.mac == VIRTUAL_MAC and each.port == 1)

    assert not probe.tables.bindings.apply(Delta(put={}, remove=gone))

    kept = {each: None for each in wanted if each not in gone}
    with opened(probe, "bindings") as trie:
        prefixes = {(each.port, each.prefix) for each in kept}
        assert len(list(trie.keys())) == len(kept) + 3 + len(prefixes)
    assert probe.tables.bindings.read() == kept


def test_bindings_that_somebody_changed_are_repaired(probe: Probe) -> None:
    wanted = bindings()
    probe.tables.bindings.apply(Delta(put=wanted, remove=frozenset()))
    with opened(probe, "bindings") as trie:
        for key in list(trie.keys())[::2]:
            trie.delete(key)

    assert not probe.tables.bindings.apply(delta(wanted, probe.tables.bindings.read()))

    assert probe.tables.bindings.read() == wanted
    assert not delta(wanted, probe.tables.bindings.read())


def test_a_port_that_moves_to_another_link_leaves_nothing_behind(probe: Probe) -> None:
    ports = probe.tables.ports
    ports.apply(Delta(put={7: a_port(ifindex=11)}, remove=frozenset()))

    moved = {7: a_port(ifindex=12, mac=VIRTUAL_MAC)}
    assert not ports.apply(Delta(put=moved, remove=frozenset()))

    assert ports.read() == moved
    with opened(probe, "links") as links, opened(probe, "forwarding") as ways:
        assert [struct.unpack("=I", key)[0] for key in links.keys()] == [12]  # noqa: SIM118 no dict
        assert len(list(ways.keys())) == 1
    assert not ports.apply(Delta(put={}, remove=frozenset({7})))
    with opened(probe, "links") as links, opened(probe, "forwarding") as ways:
        assert not list(links.keys())
        assert not list(ways.keys())


@pytest.mark.parametrize("name", ["links", "forwarding"])
def test_a_port_entry_that_somebody_deleted_is_repaired(probe: Probe, name: str) -> None:
    wanted = {7: a_port(), 8: a_port(ifindex=12, mac=VIRTUAL_MAC)}
    probe.tables.ports.apply(Delta(put=wanted, remove=frozenset()))
    with opened(probe, name) as table:
        table.delete(next(iter(table.keys())))

    change = delta(wanted, probe.tables.ports.read())
    assert len(change.put) == 1
    assert not probe.tables.ports.apply(change)

    assert probe.tables.ports.read() == wanted


@pytest.mark.covers("N26")
def test_ports_are_marked_when_their_network_gets_its_first_virtual_ip(probe: Probe) -> None:
    tables = probe.tables
    key = (3, parse_ip("10.0.0.9"))
    ports = {7: a_port(), 8: PortAttachment(plan=a_port(network=4).plan, ifindex=12)}
    tables.ports.apply(Delta(put=ports, remove=frozenset()))

    tables.virtual_ips.apply(Delta(put={key: a_virtual_ip()}, remove=frozenset()))
    assert marked(probe) == {3: True, 4: False}
    assert tables.ports.read() == ports

    tables.virtual_ips.apply(Delta(put={}, remove=frozenset({key})))
    assert marked(probe) == {3: False, 4: False}
    assert tables.virtual_ips.read() == {}


def marked(probe: Probe) -> dict[int, bool]:
    """Tell of which networks the ports say that there are virtual IPs."""
    return {port.network: bool(port.flags & PortFlag.VIRTUAL_IPS) for port in entries(probe)}


def entries(probe: Probe) -> list[PortEntry]:
    with opened(probe, "links") as links:
        return [decode_record(PortEntry, raw) for _key, raw in links.items()]


def test_a_virtual_ip_keeps_its_owner_until_that_is_no_member_any_more(probe: Probe) -> None:
    table = probe.tables.virtual_ips
    key = (3, parse_ip("10.0.0.9"))
    table.apply(Delta(put={key: a_virtual_ip()}, remove=frozenset()))
    raw_key = encode_record(VirtualIpKey(network=3, address=encode_address(key[1])))
    with opened(probe, "vip_owners") as owners:
        owners.update(raw_key, encode_record(VirtualIpOwner(owner=2, ifindex=12, takes=5)))

    table.apply(Delta(put={key: a_virtual_ip(claim_policy="latest")}, remove=frozenset()))
    assert owner_of(probe, 3, "10.0.0.9").owner == 2

    alone = a_virtual_ip(members=(VirtualIpMemberPlan(port=1),))
    table.apply(Delta(put={key: alone}, remove=frozenset()))
    assert owner_of(probe, 3, "10.0.0.9").owner == 0
    assert table.read() == {key: alone}


def test_a_pinned_owner_has_the_address_at_once(probe: Probe) -> None:
    key = (3, parse_ip("10.0.0.9"))
    probe.tables.ports.apply(Delta(put={2: a_port()}, remove=frozenset()))
    pinned = a_virtual_ip(claim_policy="frozen", pinned_owner=2)

    probe.tables.virtual_ips.apply(Delta(put={key: pinned}, remove=frozenset()))

    owner = owner_of(probe, 3, "10.0.0.9")
    assert (owner.owner, owner.ifindex, owner.mac) == (2, 11, VIRTUAL_MAC.packed)
    assert probe.tables.virtual_ips.read() == {key: pinned}


@pytest.mark.parametrize("name", ["virtual_ips", "vip_owners", "vip_members"])
def test_a_torn_virtual_ip_is_completed_or_removed(probe: Probe, name: str) -> None:
    table = probe.tables.virtual_ips
    key = (3, parse_ip("10.0.0.9"))
    wanted = {key: a_virtual_ip()}
    table.apply(Delta(put=wanted, remove=frozenset()))
    with opened(probe, name) as half:
        half.delete(next(iter(half.keys())))

    assert not table.apply(delta(wanted, table.read()))
    assert table.read() == wanted

    with opened(probe, name) as half:
        half.delete(next(iter(half.keys())))
    assert not table.apply(delta({}, table.read()))
    assert table.read() == {}


def test_counters_are_added_up_over_cpus_and_forgotten_with_their_port(probe: Probe) -> None:
    cpus = possible_cpus()
    with opened(probe, "counters") as counters:
        for port in (1, 2):
            for reason in (0, DropReason.NO_INGRESS_RULE):
                key = encode_record(CounterKey(port=port, direction=2, reason=reason))
                counters.update(key, struct.pack("=QQ", 3, 100) * cpus)

    probe.tables.counters.forget({2})

    def expected(reason: DropReason | None) -> PortCounter:
        return PortCounter(
            port=1, direction="ingress", reason=reason, packets=3 * cpus, bytes=100 * cpus
        )

    found = sorted(probe.tables.counters.read(), key=lambda each: each.reason or 0)
    assert found == [expected(None), expected(DropReason.NO_INGRESS_RULE)]


def test_the_epoch_moves_on_and_is_seen_by_a_fresh_agent(probe: Probe) -> None:
    before = probe.tables.epoch

    assert probe.tables.bump_epoch() == before + 1

    with Tables(probe.pins) as fresh:
        assert fresh.epoch == before + 1


def test_no_claim_is_there_before_one_is_made(probe: Probe) -> None:
    ready, _, _ = select.select([probe.tables.claims], [], [], 0)

    assert not ready
    assert probe.tables.claims.poll() == []


def an_event(port: int) -> ClaimEvent:
    return ClaimEvent(
        at=99,
        network=3,
        port=port,
        other=1,
        address=encode_address(parse_ip("10.0.0.9")),
        mac=VIRTUAL_MAC.packed,
        priority=150,
        kind=ClaimKind.VRRP,
        flags=ClaimFlag.ACCEPTED | ClaimFlag.SPLIT_BRAIN,
    )


def test_a_claim_wakes_the_reader_and_is_read_once(probe: Probe) -> None:
    assert probe.announce(encode_record(an_event(2)))

    ready, _, _ = select.select([probe.tables.claims], [], [], 1)

    assert ready
    assert probe.tables.claims.poll() == [
        Claim(
            at_ns=99,
            network=3,
            address=parse_ip("10.0.0.9"),
            port=2,
            other=1,
            mac=VIRTUAL_MAC,
            kind=ClaimKind.VRRP,
            priority=150,
            accepted=True,
            split_brain=True,
        )
    ]
    assert probe.tables.claims.poll() == []


def test_claims_stay_in_order_when_the_buffer_wraps_or_is_full(probe: Probe) -> None:
    seen: list[int] = []
    sent = 0
    for _ in range(3):
        while probe.announce(encode_record(an_event(sent + 1))):
            sent += 1
        seen += [claim.port for claim in probe.tables.claims.poll()]

    assert sent > 10_000
    assert seen == list(range(1, sent + 1))


def test_a_network_without_virtual_ips_forgets_the_virtual_macs_it_learned(probe: Probe) -> None:
    tables, key = probe.tables, (3, parse_ip("10.0.0.9"))
    tables.ports.apply(Delta(put={7: a_port()}, remove=frozenset()))
    tables.virtual_ips.apply(Delta(put={key: a_virtual_ip()}, remove=frozenset()))
    with opened(probe, "forwarding") as ways:
        learned = encode_record(ForwardingKey(network=3, mac=VIRTUAL_MAC.packed))
        ways.update(learned, encode_record(ForwardingEntry(ifindex=11, flags=2)))

        tables.virtual_ips.apply(Delta(put={}, remove=frozenset({key})))

        assert ways.lookup(learned) is None
        assert len(list(ways.keys())) == 1
