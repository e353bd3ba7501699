"""Virtual IPs: reserved, held by members, owned by one, watched for two that fight."""

import pytest
from tests.support.clouds import (
    HOST,
    MEMBER,
    STRANGER,
    World,
    a_network,
    a_port,
    a_subnet,
    a_world,
    addresses_of,
)

from portlight.core.drafts import (
    FixedIpRequest,
    InstanceDraft,
    InterfaceRequest,
    PortDraft,
    VirtualIpDraft,
)
from portlight.core.errors import InvalidRequestError, NotFoundError
from portlight.core.errors_network import IpAddressInUseError
from portlight.core.errors_port import (
    NotAMemberError,
    VirtualIpHasNoGroupsError,
    VirtualIpInUseError,
    VirtualIpMemberOutsideSubnetError,
    VirtualIpMemberUnfitError,
    VirtualIpNotAttachableError,
)
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_VIRTUAL_IP, Port
from portlight.core.virtual_ip import (
    AnnouncementKind,
    ClaimPolicy,
    VirtualIp,
    VirtualIpMember,
    VirtualIpState,
)
from portlight.service.report import AgentReport, ClaimReport
from portlight.values.addresses import parse_ip
from portlight.values.ids import PortId


class Scene:
    """A network with a virtual IP and two ports that could hold it."""

    def __init__(self, policy: ClaimPolicy = ClaimPolicy.LATEST, *, members: int = 2) -> None:
        self.world: World = a_world()
        self.cloud = self.world.cloud
        self.network: Network = a_network(self.world)
        self.subnet: Subnet = a_subnet(self.world, self.network)
        self.vip: VirtualIp = self.cloud.virtual_ips.create(
            MEMBER, VirtualIpDraft(subnet_id=self.subnet.id, claim_policy=policy, name="vip")
        )
        self.ports: list[Port] = [a_port(self.world, self.network) for _ in range(2)]
        for port in self.ports[:members]:
            self.vip = self.cloud.add_virtual_ip_member(
                MEMBER, self.vip.id, VirtualIpMember(port_id=port.id)
            )

    def claim(self, index: int, *, accepted: bool = True, after: float = 0.5) -> None:
        self.world.clock.now += after
        port = self.ports[index]
        claim = ClaimReport(
            network=self.network.number,
            address=self.vip.address,
            port=port.number,
            mac=port.mac,
            kind=AnnouncementKind.ARP,
            accepted=accepted,
            at=self.world.clock.now,
        )
        self.cloud.report(HOST, AgentReport(host=HOST, claims=(claim,)))

    @property
    def state(self) -> VirtualIpState:
        return self.cloud.virtual_ip_state(MEMBER, self.vip.id)


@pytest.mark.covers("H58", "N5", "N6")
def test_a_reserved_address_goes_to_nobody_else_and_its_port_says_what_it_is() -> None:
    scene = Scene()
    keeper = scene.cloud.ports.get(MEMBER, scene.vip.port_id)
    request = FixedIpRequest(address=scene.vip.address)

    with pytest.raises(IpAddressInUseError):
        scene.cloud.ports.create(
            MEMBER, PortDraft(network_id=scene.network.id, fixed_ips=(request,))
        )

    assert keeper.device_owner == OWNER_VIRTUAL_IP
    assert keeper.security_groups == ()
    assert addresses_of(keeper) == [str(scene.vip.address)] == ["10.0.0.2"]
    assert addresses_of(scene.ports[0]) == ["10.0.0.3"]


@pytest.mark.covers("H58", "N4")
def test_a_certain_address_can_be_reserved_once() -> None:
    scene = Scene()
    draft = VirtualIpDraft(subnet_id=scene.subnet.id, address=parse_ip("10.0.0.77"))

    assert str(scene.cloud.virtual_ips.create(MEMBER, draft).address) == "10.0.0.77"
    with pytest.raises(IpAddressInUseError):
        scene.cloud.virtual_ips.create(MEMBER, draft)


@pytest.mark.covers("N6")
def test_the_neutron_way_to_reserve_one_is_a_port_with_the_owner_of_virtual_ips() -> None:
    scene = Scene()

    port = scene.cloud.ports.create(
        MEMBER, PortDraft(network_id=scene.network.id, device_owner=OWNER_VIRTUAL_IP, name="v2")
    )
    (made,) = scene.cloud.virtual_ips.find(MEMBER, {"port_id": [port.id]})
    scene.cloud.ports.delete(MEMBER, port.id)

    assert (made.meta.name, str(made.address)) == ("v2", addresses_of(port)[0])
    with pytest.raises(NotFoundError):
        scene.cloud.virtual_ips.get(MEMBER, made.id)


def test_a_virtual_ip_is_a_member_of_no_group() -> None:
    scene = Scene()
    (default,) = scene.cloud.security_groups.find(MEMBER)

    with pytest.raises(VirtualIpHasNoGroupsError):
        scene.cloud.ports.update(
            MEMBER, scene.vip.port_id, PortDraft(security_groups=(default.id,))
        )


@pytest.mark.covers("N8")
def test_it_is_no_interface_and_the_refusal_names_the_right_call() -> None:
    scene = Scene()
    draft = InstanceDraft(interfaces=(InterfaceRequest(port_id=scene.vip.port_id),))

    with pytest.raises(VirtualIpNotAttachableError, match=f"{scene.vip.id}/members"):
        scene.cloud.instances.create(MEMBER, draft)

    assert scene.cloud.instances.find(MEMBER) == []


@pytest.mark.covers("N23", "N27", "H59", "H61")
def test_members_come_and_go_by_one_call_each() -> None:
    scene = Scene()
    first, second = (port.id for port in scene.ports)

    assert [member.port_id for member in scene.vip.members] == sorted([first, second])
    changed = scene.cloud.remove_virtual_ip_member(MEMBER, scene.vip.id, first)
    assert [member.port_id for member in changed.members] == [second]
    with pytest.raises(NotAMemberError):
        scene.cloud.remove_virtual_ip_member(MEMBER, scene.vip.id, first)


@pytest.mark.covers("N27")
def test_adding_a_member_again_changes_its_virtual_router() -> None:
    scene = Scene()
    port = scene.ports[0].id

    changed = scene.cloud.add_virtual_ip_member(
        MEMBER, scene.vip.id, VirtualIpMember(port_id=port, virtual_router_id=51)
    )

    assert VirtualIpMember(port_id=port, virtual_router_id=51) in changed.members
    assert len(changed.members) == 2
    with pytest.raises(InvalidRequestError):
        scene.cloud.add_virtual_ip_member(
            MEMBER, scene.vip.id, VirtualIpMember(port_id=port, virtual_router_id=256)
        )


@pytest.mark.covers("N29")
def test_a_member_must_have_an_address_in_the_same_subnet_and_keep_one() -> None:
    scene = Scene()
    other = a_subnet(scene.world, scene.network, "10.5.0.0/24")
    away = scene.cloud.ports.create(
        MEMBER,
        PortDraft(network_id=scene.network.id, fixed_ips=(FixedIpRequest(subnet_id=other.id),)),
    )

    with pytest.raises(VirtualIpMemberOutsideSubnetError):
        scene.cloud.add_virtual_ip_member(MEMBER, scene.vip.id, VirtualIpMember(port_id=away.id))
    with pytest.raises(VirtualIpMemberOutsideSubnetError):
        scene.cloud.ports.update(
            MEMBER, scene.ports[0].id, PortDraft(fixed_ips=(FixedIpRequest(subnet_id=other.id),))
        )


def test_a_virtual_ip_and_ports_of_others_can_be_no_members() -> None:
    scene = Scene()
    second = scene.cloud.virtual_ips.create(MEMBER, VirtualIpDraft(subnet_id=scene.subnet.id))

    with pytest.raises(VirtualIpMemberUnfitError):
        scene.cloud.add_virtual_ip_member(
            MEMBER, scene.vip.id, VirtualIpMember(port_id=second.port_id)
        )
    with pytest.raises(NotFoundError):
        scene.cloud.add_virtual_ip_member(
            MEMBER, scene.vip.id, VirtualIpMember(port_id=PortId("nobody"))
        )
    with pytest.raises(NotFoundError):
        scene.cloud.add_virtual_ip_member(
            STRANGER, scene.vip.id, VirtualIpMember(port_id=scene.ports[0].id)
        )


@pytest.mark.covers("H59")
def test_one_virtual_ip_takes_sixty_four_members() -> None:
    scene = Scene(members=0)
    ports = [a_port(scene.world, scene.network) for _ in range(65)]
    members = tuple(VirtualIpMember(port_id=port.id) for port in ports)

    changed = scene.cloud.virtual_ips.update(
        MEMBER, scene.vip.id, VirtualIpDraft(members=members[:64])
    )

    assert len(changed.members) == 64
    with pytest.raises(InvalidRequestError):
        scene.cloud.virtual_ips.update(MEMBER, scene.vip.id, VirtualIpDraft(members=members))


@pytest.mark.covers("H59")
def test_one_port_takes_sixty_four_virtual_ips() -> None:
    scene = Scene()
    member = VirtualIpMember(port_id=scene.ports[0].id)

    for _ in range(63):
        scene.cloud.virtual_ips.create(
            MEMBER, VirtualIpDraft(subnet_id=scene.subnet.id, members=(member,))
        )

    with pytest.raises(InvalidRequestError):
        scene.cloud.virtual_ips.create(
            MEMBER, VirtualIpDraft(subnet_id=scene.subnet.id, members=(member,))
        )


@pytest.mark.covers("H61")
def test_it_is_released_only_without_members_and_then_its_address_is_free() -> None:
    scene = Scene()

    with pytest.raises(VirtualIpInUseError, match=scene.ports[0].id):
        scene.cloud.virtual_ips.delete(MEMBER, scene.vip.id)
    for port in scene.ports:
        scene.cloud.remove_virtual_ip_member(MEMBER, scene.vip.id, port.id)
    scene.cloud.virtual_ips.delete(MEMBER, scene.vip.id)

    assert addresses_of(a_port(scene.world, scene.network)) == ["10.0.0.2"]


def test_a_deleted_port_is_a_member_no_more() -> None:
    scene = Scene()
    scene.claim(0)

    scene.cloud.ports.delete(MEMBER, scene.ports[0].id)

    left = scene.cloud.virtual_ips.get(MEMBER, scene.vip.id)
    assert [member.port_id for member in left.members] == [scene.ports[1].id]
    assert scene.state.owner_port_id is None
    assert len(scene.state.moves) == 1


@pytest.mark.covers("X1", "N4")
def test_the_owner_is_learned_from_announcements_and_every_move_is_history() -> None:
    scene = Scene()

    scene.claim(0)
    scene.claim(0)
    scene.claim(1, after=60)

    state = scene.state
    first, second = (port.id for port in scene.ports)
    assert state.owner_port_id == second
    assert state.owner_mac == scene.ports[1].mac
    assert state.last_announced_at == scene.world.clock.now
    assert [(move.from_port_id, move.to_port_id) for move in state.moves] == [
        (None, first),
        (first, second),
    ]
    assert not state.split_brain


@pytest.mark.covers("X1")
def test_the_last_hundred_moves_are_kept() -> None:
    scene = Scene()

    for number in range(103):
        scene.claim(number % 2, after=60)

    assert len(scene.state.moves) == 100
    assert scene.state.moves[-1].at == scene.world.clock.now


@pytest.mark.covers("X1")
def test_a_member_is_made_owner_by_call_and_a_stranger_is_not() -> None:
    scene = Scene(ClaimPolicy.FROZEN)
    stranger = a_port(scene.world, scene.network)

    moved = scene.cloud.move_virtual_ip(MEMBER, scene.vip.id, scene.ports[1].id)

    assert moved.pinned_owner == scene.ports[1].id
    assert scene.state.owner_port_id == scene.ports[1].id
    assert scene.state.moves[-1].kind is AnnouncementKind.API
    with pytest.raises(NotAMemberError):
        scene.cloud.move_virtual_ip(MEMBER, scene.vip.id, stranger.id)


@pytest.mark.covers("X3")
def test_two_members_that_take_it_in_turns_raise_an_alarm_that_ends_with_the_fight() -> None:
    scene = Scene()

    for number in (0, 1, 0):
        scene.claim(number)
    assert not scene.state.split_brain, "one side has claimed only once"
    scene.claim(1)

    assert scene.state.split_brain
    assert scene.state.split_brain_since == scene.world.clock.now
    assert set(scene.state.contenders) == {port.id for port in scene.ports}

    scene.world.clock.now += 5
    scene.cloud.tick(scene.world.clock.now)
    assert scene.state.split_brain
    scene.world.clock.now += 6
    scene.cloud.tick(scene.world.clock.now)
    assert not scene.state.split_brain
    assert scene.state.contenders == ()


@pytest.mark.covers("X3")
def test_a_challenger_refused_again_and_again_raises_the_alarm_too() -> None:
    scene = Scene(ClaimPolicy.FIRST)
    scene.claim(0)

    scene.claim(1, accepted=False)
    assert not scene.state.split_brain
    scene.claim(1, accepted=False)

    assert scene.state.split_brain
    assert scene.state.owner_port_id == scene.ports[0].id


@pytest.mark.covers("X3")
@pytest.mark.parametrize("policy", [ClaimPolicy.FIRST, ClaimPolicy.PRIORITY])
def test_one_burst_of_refused_announcements_is_no_fight(policy: ClaimPolicy) -> None:
    scene = Scene(policy)
    scene.claim(0)

    for _ in range(5):
        scene.claim(1, accepted=False, after=0.01)
    scene.claim(1, after=1)

    assert not scene.state.split_brain
    assert scene.state.owner_port_id == scene.ports[1].id


@pytest.mark.covers("X3")
def test_a_normal_failover_and_a_return_raise_no_alarm() -> None:
    scene = Scene()

    scene.claim(0)
    scene.claim(1, after=30)
    scene.claim(1, after=0.1)
    scene.claim(0, after=30)

    assert not scene.state.split_brain


def test_claims_of_ports_that_are_no_members_count_nothing() -> None:
    scene = Scene(members=1)

    scene.claim(1)

    assert scene.state == VirtualIpState(virtual_ip_id=scene.vip.id)
