"""Ports: what is allowed on them, who may change what, and when they go."""

from dataclasses import replace

import pytest
from tests.support.clouds import (
    ADMIN,
    MEMBER,
    READER,
    STRANGER,
    World,
    a_network,
    a_port,
    a_subnet,
    a_world,
    addresses_of,
)

from portlight.core.drafts import FixedIpRequest, NetworkDraft, PortDraft, SecurityGroupDraft
from portlight.core.errors import (
    DomainError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from portlight.core.errors_network import (
    IpAddressInUseError,
    MacAddressInUseError,
    NetworkInUseError,
    SubnetInUseError,
)
from portlight.core.errors_port import (
    AddressPairAndPortSecurityRequiredError,
    DuplicateAddressPairError,
    PortHasSecurityGroupsError,
    PortInUseError,
    PortSecurityRequiredForGroupsError,
)
from portlight.core.errors_security_group import TooManyGroupsError
from portlight.core.port import AddressPair, ExtraDhcpOption
from portlight.values.addresses import MacAddress, parse_ip, parse_mac, parse_prefix
from portlight.values.ids import NetworkId, ProjectId, SecurityGroupId

PAIR = AddressPair(prefix=parse_prefix("10.9.0.0/24"))


def a_placed_world() -> tuple[World, NetworkId]:
    world = a_world()
    network = a_network(world)
    a_subnet(world, network)
    return world, network.id


@pytest.mark.covers("N1", "N2", "H66", "H67")
def test_a_port_is_an_object_of_its_own_with_name_tags_and_revision() -> None:
    world, network_id = a_placed_world()
    draft = PortDraft(network_id=network_id, name="x" * 255, tags=frozenset({"blue"}))

    port = world.cloud.ports.create(MEMBER, draft)

    assert port.meta.name == "x" * 255
    assert port.meta.tags == {"blue"}
    assert port.meta.revision_number == 1
    assert port.network_id == network_id
    assert port.device_id == ""
    assert world.cloud.ports.get(MEMBER, port.id) == port


@pytest.mark.covers("N17")
def test_several_fields_change_together_or_not_at_all() -> None:
    world, network_id = a_placed_world()
    port = world.cloud.ports.create(MEMBER, PortDraft(network_id=network_id))
    group = world.cloud.security_groups.create(MEMBER, SecurityGroupDraft(name="web"))
    good = PortDraft(
        name="new",
        security_groups=(group.id,),
        fixed_ips=(FixedIpRequest(address=parse_ip("10.0.0.9")),),
    )
    bad = PortDraft(name="newer", fixed_ips=(FixedIpRequest(address=parse_ip("10.7.0.9")),))

    changed = world.cloud.ports.update(MEMBER, port.id, good, if_revision=1)
    with pytest.raises(InvalidRequestError):
        world.cloud.ports.update(MEMBER, port.id, bad)

    assert changed.meta.revision_number == 2
    assert changed.security_groups == (group.id,)
    assert addresses_of(changed) == ["10.0.0.9"]
    assert world.cloud.ports.get(MEMBER, port.id) == changed
    assert addresses_of(world.cloud.ports.create(MEMBER, PortDraft(network_id=network_id))) == [
        "10.0.0.2"
    ], "the old address of a free port is free at once"


@pytest.mark.covers("N17")
def test_a_change_meant_for_another_revision_is_refused() -> None:
    world, network_id = a_placed_world()
    port = world.cloud.ports.create(MEMBER, PortDraft(network_id=network_id))
    world.cloud.ports.update(MEMBER, port.id, PortDraft(name="first"), if_revision=1)

    with pytest.raises(PreconditionFailedError):
        world.cloud.ports.update(MEMBER, port.id, PortDraft(name="second"), if_revision=1)

    assert world.cloud.ports.get(MEMBER, port.id).meta.name == "first"


@pytest.mark.covers("N13", "H72")
def test_a_port_can_be_in_sixty_four_groups() -> None:
    world, network_id = a_placed_world()
    groups = tuple(
        world.cloud.security_groups.create(MEMBER, SecurityGroupDraft(name=f"g{number}")).id
        for number in range(65)
    )

    port = world.cloud.ports.create(
        MEMBER, PortDraft(network_id=network_id, security_groups=groups[:64])
    )

    assert set(port.security_groups) == set(groups[:64])
    with pytest.raises(TooManyGroupsError, match="the limit is 64"):
        world.cloud.ports.update(MEMBER, port.id, PortDraft(security_groups=groups))


@pytest.mark.covers("N26")
def test_a_port_can_have_two_hundred_and_fifty_six_pairs() -> None:
    world, network_id = a_placed_world()
    mac = parse_mac("02:00:00:00:00:01")
    pairs = tuple(
        AddressPair(prefix=parse_prefix(f"10.9.{number}.0/24"), mac=mac) for number in range(256)
    )

    port = world.cloud.ports.create(
        MEMBER, PortDraft(network_id=network_id, allowed_address_pairs=pairs)
    )

    assert port.allowed_address_pairs == pairs
    with pytest.raises(InvalidRequestError):
        world.cloud.ports.update(MEMBER, port.id, PortDraft(allowed_address_pairs=(*pairs, PAIR)))


@pytest.mark.covers("N9", "N25")
def test_port_security_is_switched_for_each_port_alone() -> None:
    world, network_id = a_placed_world()
    secured = world.cloud.ports.create(MEMBER, PortDraft(network_id=network_id))
    other = world.cloud.ports.create(MEMBER, PortDraft(network_id=network_id))
    off = PortDraft(port_security_enabled=False, security_groups=())

    changed = world.cloud.ports.update(MEMBER, secured.id, off)

    assert not changed.port_security_enabled
    assert world.cloud.ports.get(MEMBER, other.id).port_security_enabled
    assert len(other.security_groups) == 1, "the default group"


@pytest.mark.covers("N9")
def test_a_network_decides_the_switch_for_its_new_ports() -> None:
    world = a_world()
    network = a_network(world, NetworkDraft(port_security_enabled=False))

    port = a_port(world, network)

    assert not port.port_security_enabled
    assert port.security_groups == ()


@pytest.mark.parametrize(
    ("draft", "refusal"),
    [
        (
            PortDraft(port_security_enabled=False, allowed_address_pairs=(PAIR,)),
            AddressPairAndPortSecurityRequiredError,
        ),
        (
            PortDraft(port_security_enabled=False, security_groups=(SecurityGroupId("G"),)),
            PortSecurityRequiredForGroupsError,
        ),
        (PortDraft(allowed_address_pairs=(PAIR, PAIR)), DuplicateAddressPairError),
        (PortDraft(mac=parse_mac("01:00:5e:00:00:01")), InvalidRequestError),
        (PortDraft(mac=MacAddress(0)), InvalidRequestError),
        (
            PortDraft(
                allowed_address_pairs=(
                    AddressPair(prefix=PAIR.prefix, mac=parse_mac("33:33:00:00:00:01")),
                )
            ),
            InvalidRequestError,
        ),
        (PortDraft(security_groups=(SecurityGroupId("missing"),)), NotFoundError),
        (
            PortDraft(extra_dhcp_options=(ExtraDhcpOption(name="a\nb", value="x"),)),
            InvalidRequestError,
        ),
        (
            PortDraft(extra_dhcp_options=(ExtraDhcpOption(name="mtu", value="1\ndhcp"),)),
            InvalidRequestError,
        ),
        (PortDraft(device_owner="network:dhcp"), InvalidRequestError),
        (PortDraft(device_owner="compute:portlight", device_id="nobody"), InvalidRequestError),
        (PortDraft(fixed_ips=(FixedIpRequest(),)), InvalidRequestError),
    ],
)
def test_what_contradicts_itself_is_refused_and_nothing_is_half_done(
    draft: PortDraft, refusal: type[DomainError]
) -> None:
    world, network_id = a_placed_world()
    group = world.cloud.security_groups.find(MEMBER)[0]
    if draft.security_groups == (SecurityGroupId("G"),):
        draft = replace(draft, security_groups=(group.id,))

    with pytest.raises(refusal):
        world.cloud.ports.create(MEMBER, replace(draft, network_id=network_id))

    assert world.cloud.ports.find(MEMBER) == []


def test_port_security_is_not_switched_off_under_groups_or_pairs() -> None:
    world, network_id = a_placed_world()
    port = world.cloud.ports.create(
        MEMBER, PortDraft(network_id=network_id, allowed_address_pairs=(PAIR,))
    )

    with pytest.raises(PortHasSecurityGroupsError):
        world.cloud.ports.update(MEMBER, port.id, PortDraft(port_security_enabled=False))
    with pytest.raises(AddressPairAndPortSecurityRequiredError):
        world.cloud.ports.update(
            MEMBER, port.id, PortDraft(port_security_enabled=False, security_groups=())
        )


def test_a_mac_address_is_there_once_in_a_network_and_often_elsewhere() -> None:
    world, network_id = a_placed_world()
    mac = parse_mac("02:00:00:00:00:01")
    world.cloud.ports.create(MEMBER, PortDraft(network_id=network_id, mac=mac))
    other = a_network(world)

    with pytest.raises(MacAddressInUseError):
        world.cloud.ports.create(MEMBER, PortDraft(network_id=network_id, mac=mac))

    assert world.cloud.ports.create(MEMBER, PortDraft(network_id=other.id, mac=mac)).mac == mac


@pytest.mark.covers("N20", "H73")
def test_a_port_in_use_is_not_deleted_and_the_refusal_names_the_user() -> None:
    world, network_id = a_placed_world()
    port = world.cloud.ports.create(
        MEMBER, PortDraft(network_id=network_id, device_id="machine-7", device_owner="metal:x")
    )

    with pytest.raises(PortInUseError, match="machine-7"):
        world.cloud.ports.delete(MEMBER, port.id)
    world.cloud.ports.update(MEMBER, port.id, PortDraft(device_id="", device_owner=""))
    world.cloud.ports.delete(MEMBER, port.id)

    with pytest.raises(NotFoundError):
        world.cloud.ports.get(MEMBER, port.id)


def test_networks_and_subnets_with_ports_stay_and_the_refusal_names_them() -> None:
    world, network_id = a_placed_world()
    port = world.cloud.ports.create(MEMBER, PortDraft(network_id=network_id))
    subnet = world.cloud.subnets.find(MEMBER)[0]

    with pytest.raises(NetworkInUseError, match=port.id):
        world.cloud.networks.delete(MEMBER, network_id)
    with pytest.raises(SubnetInUseError, match=port.id):
        world.cloud.subnets.delete(MEMBER, subnet.id)
    world.cloud.ports.delete(MEMBER, port.id)
    world.cloud.networks.delete(MEMBER, network_id)

    assert world.cloud.subnets.find(MEMBER) == []


def test_bulk_creation_is_all_or_nothing() -> None:
    world, network_id = a_placed_world()
    one = PortDraft(
        network_id=network_id, fixed_ips=(FixedIpRequest(address=parse_ip("10.0.0.9")),)
    )

    with pytest.raises(IpAddressInUseError):
        world.cloud.ports.create_many(MEMBER, [PortDraft(network_id=network_id), one, one])
    assert world.cloud.ports.find(MEMBER) == []

    made = world.cloud.ports.create_many(MEMBER, [one, PortDraft(network_id=network_id)])
    assert [addresses_of(port) for port in made] == [["10.0.0.9"], ["10.0.0.2"]]


def test_others_see_nothing_readers_change_nothing_and_admins_do_all() -> None:
    world, network_id = a_placed_world()
    port = world.cloud.ports.create(MEMBER, PortDraft(network_id=network_id))

    with pytest.raises(NotFoundError):
        world.cloud.ports.get(STRANGER, port.id)
    with pytest.raises(NotFoundError):
        world.cloud.ports.update(STRANGER, port.id, PortDraft(name="mine"))
    with pytest.raises(NotFoundError):
        world.cloud.ports.create(STRANGER, PortDraft(network_id=network_id))
    assert world.cloud.ports.find(STRANGER) == []
    assert world.cloud.ports.find(STRANGER, {"project_id": ["p1"]}) == []
    assert world.cloud.ports.find(READER) == [port]
    with pytest.raises(ForbiddenError):
        world.cloud.ports.delete(READER, port.id)
    with pytest.raises(ForbiddenError):
        world.cloud.ports.create(
            MEMBER, PortDraft(network_id=network_id, project_id=ProjectId("p2"))
        )
    assert world.cloud.ports.update(ADMIN, port.id, PortDraft(name="a")).meta.name == "a"


def test_on_a_shared_network_guests_of_others_cannot_loosen_what_binds_them() -> None:
    world = a_world()
    network = a_network(world, NetworkDraft(shared=True), by=ADMIN)

    assert world.cloud.networks.find(STRANGER) == [network]
    port = world.cloud.ports.create(STRANGER, PortDraft(network_id=network.id))
    for draft in (
        PortDraft(port_security_enabled=False, security_groups=()),
        PortDraft(mac=parse_mac("02:00:00:00:00:01")),
        PortDraft(allowed_address_pairs=(PAIR,)),
    ):
        with pytest.raises(ForbiddenError):
            world.cloud.ports.update(STRANGER, port.id, draft)
    with pytest.raises(ForbiddenError):
        world.cloud.networks.update(STRANGER, network.id, NetworkDraft(name="mine"))
    with pytest.raises(ForbiddenError):
        a_network(world, NetworkDraft(shared=True))
