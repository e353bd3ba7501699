"""One suite for every store: what the services rely on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.stores import KINDS, a_url

from portlight.core.meta import Meta
from portlight.core.network import Network
from portlight.core.port import FixedIp, Port
from portlight.store.protocol import AlreadyExistsError, LoggedChange, Store
from portlight.store.sql import open_store
from portlight.values.addresses import AddressRange, MacAddress, parse_ip
from portlight.values.ids import NetworkId, PortId, ProjectId, SecurityGroupId, SubnetId

SUBNET = SubnetId("s1")


class FailureOnPurposeError(Exception):
    pass


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(a_url(request.param, tmp_path, request))
    yield opened
    opened.close()


def a_network(number: int = 1, *, name: str = "net", project: str = "p1") -> Network:
    meta = Meta(project_id=ProjectId(project), name=name, created_at=float(number))
    return Network(id=NetworkId(f"n{number}"), number=number, meta=meta)


def a_port(number: int = 1, *, mac: int | None = None, address: str = "10.0.0.5") -> Port:
    return Port(
        id=PortId(f"port{number}"),
        number=number,
        network_id=NetworkId("n1"),
        meta=Meta(project_id=ProjectId("p1")),
        mac=MacAddress(mac or 0xFA163E000000 + number),
        fixed_ips=(FixedIp(subnet_id=SUBNET, address=parse_ip(address)),),
        security_groups=(SecurityGroupId("g1"), SecurityGroupId("g2")),
    )


def a_range(first: str, last: str) -> AddressRange:
    return AddressRange(first=parse_ip(first), last=parse_ip(last))


def test_what_was_inserted_is_found_by_id_and_by_every_key(store: Store) -> None:
    port = a_port()

    with store.writing() as tx:
        tx.insert(port)

    with store.reading() as tx:
        assert tx.get(Port, "port1") == port
        for key, value in {
            "id": "port1",
            "network_id": "n1",
            "mac": "fa:16:3e:00:00:01",
            "address": "10.0.0.5",
            "subnet_id": "s1",
            "security_group_id": "g2",
            "number": "1",
        }.items():
            assert tx.find(Port, {key: [value, "other"]}) == [port]
            assert tx.find(Port, {key: ["other"]}) == []
            assert tx.count(Port, {key: [value]}) == 1


def test_keys_narrow_each_other_and_an_empty_choice_finds_nothing(store: Store) -> None:
    with store.writing() as tx:
        for number in (1, 2, 3):
            tx.insert(a_network(number, project="p1" if number < 3 else "p2"))

    with store.reading() as tx:
        found = tx.find(Network, {"project_id": ["p1"], "id": ["n2", "n3"]})
        assert [network.id for network in found] == ["n2"]
        assert tx.find(Network, {"project_id": []}) == []
        assert tx.count(Network) == 3


def test_a_very_long_choice_of_values_works(store: Store) -> None:
    with store.writing() as tx:
        tx.insert(a_network(7))

    with store.reading() as tx:
        where = {"id": [f"n{number}" for number in range(40_000)]}
        assert [network.id for network in tx.find(Network, where)] == ["n7"]
        assert tx.count(Network, where) == 1


def test_a_key_that_the_kind_does_not_have_is_an_error(store: Store) -> None:
    with store.reading() as tx, pytest.raises(KeyError):
        tx.find(Network, {"colour": ["blue"]})


def test_after_an_update_only_the_new_keys_find_it(store: Store) -> None:
    old, new = a_port(address="10.0.0.5"), a_port(address="10.0.0.6")

    with store.writing() as tx:
        tx.insert(old)
        tx.update(old, new)

    with store.reading() as tx:
        assert tx.find(Port, {"address": ["10.0.0.5"]}) == []
        assert tx.find(Port, {"address": ["10.0.0.6"]}) == [new]


def test_a_deleted_entity_is_found_no_more_and_its_keys_are_free(store: Store) -> None:
    with store.writing() as tx:
        tx.insert(a_port())
        tx.delete(a_port())
        tx.insert(a_port(2, mac=0xFA163E000001))

    with store.reading() as tx:
        assert tx.get(Port, "port1") is None
        assert [port.id for port in tx.find(Port, {"address": ["10.0.0.5"]})] == ["port2"]


def test_what_must_be_unique_is_refused(store: Store) -> None:
    with store.writing() as tx:
        tx.insert(a_port())

    with pytest.raises(AlreadyExistsError), store.writing() as tx:
        tx.insert(a_port(2, mac=0xFA163E000001))
    with pytest.raises(AlreadyExistsError), store.writing() as tx:
        tx.insert(a_port())


def test_a_failed_transaction_leaves_nothing_behind(store: Store) -> None:
    with store.writing() as tx:
        tx.insert(a_port(1))
        tx.replace_free(SUBNET, (), [a_range("10.0.0.10", "10.0.0.20")])
        tx.hold_addresses(SUBNET, {parse_ip("10.0.0.5"): PortId("port1")})

    with pytest.raises(FailureOnPurposeError), store.writing() as tx:  # noqa: PT012 -- one work
        tx.update(a_port(1), a_port(1, address="10.0.0.9"))
        tx.insert(a_port(2))
        tx.next_number("ports")
        tx.hold_addresses(SUBNET, {parse_ip("10.0.0.6"): PortId("port2")})
        tx.drop_address(SUBNET, parse_ip("10.0.0.5"))
        tx.replace_free(SUBNET, [a_range("10.0.0.10", "10.0.0.20")], ())
        raise FailureOnPurposeError

    with store.reading() as tx:
        assert tx.find(Port) == [a_port(1)]
        assert tx.find(Port, {"address": ["10.0.0.5"]}) == [a_port(1)]
        assert tx.holders(SUBNET) == {parse_ip("10.0.0.5"): "port1"}
        assert tx.free_ranges(SUBNET) == [a_range("10.0.0.10", "10.0.0.20")]
        assert tx.sequence_span() == (0, 1)
    with store.writing() as tx:
        assert tx.next_number("ports") == 1


def test_a_transaction_sees_its_own_writes(store: Store) -> None:
    with store.writing() as tx:
        tx.insert(a_port())
        assert tx.find(Port, {"address": ["10.0.0.5"]}) == [a_port()]
        assert tx.next_number("x") == 1
        assert tx.next_number("x") == 2


def test_an_address_has_one_holder(store: Store) -> None:
    address = parse_ip("2001:db8::5")
    with store.writing() as tx:
        tx.hold_addresses(SUBNET, {address: PortId("a")})

    with pytest.raises(AlreadyExistsError), store.writing() as tx:
        tx.hold_addresses(SUBNET, {address: PortId("b")})

    with store.reading() as tx:
        assert tx.holder(SUBNET, address) == "a"
        assert tx.holders(SUBNET) == {address: "a"}
        assert tx.holder(SubnetId("other"), address) is None


@pytest.mark.parametrize("prefix", ["10.0.0.", "2001:db8::"])
def test_free_ranges_are_found_by_place(store: Store, prefix: str) -> None:
    low, high = (
        a_range(f"{prefix}{first}", f"{prefix}{last}") for first, last in ((2, 4), (10, 20))
    )
    with store.writing() as tx:
        tx.replace_free(SUBNET, (), [high, low])

    with store.reading() as tx:
        assert tx.free_ranges(SUBNET) == [low, high]
        assert tx.lowest_free(SUBNET) == low
        assert tx.free_around(SUBNET, parse_ip(f"{prefix}7")) == low
        assert tx.free_around(SUBNET, parse_ip(f"{prefix}12")) == high
        assert tx.free_around(SUBNET, parse_ip(f"{prefix}1")) is None
        assert tx.free_from(SUBNET, parse_ip(f"{prefix}10")) == high
        assert tx.free_from(SUBNET, parse_ip(f"{prefix}11")) is None
        assert tx.lowest_free(SubnetId("other")) is None


def test_changes_are_numbered_in_order_and_pruned_from_the_old_end(store: Store) -> None:
    with store.writing() as tx:
        tx.insert(a_network(1))
        tx.insert(a_port(1))
    with store.writing() as tx:
        tx.update(a_network(1), a_network(1, name="new"))
        tx.update(a_port(1), a_port(1), logged=False)
        tx.delete(a_port(1))

    with store.reading() as tx:
        assert tx.sequence_span() == (0, 4)
        assert tx.changes(1) == [
            LoggedChange(sequence=2, kind="ports", id="port1"),
            LoggedChange(sequence=3, kind="networks", id="n1"),
            LoggedChange(sequence=4, kind="ports", id="port1"),
        ]
    with store.writing() as tx:
        tx.prune_changes(1)
    with store.reading() as tx:
        assert tx.sequence_span() == (3, 4)
        assert [change.sequence for change in tx.changes(3)] == [4]
