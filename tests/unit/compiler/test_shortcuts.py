"""What the programs may route without the router: what the compiled router would do, no more."""

from tests.support.builders import (
    HOST,
    a_network,
    a_port,
    a_subnet,
    a_topology,
    a_virtual_ip,
    an_instance,
    entities_of,
    ip,
    net,
)
from tests.support.routing_builders import (
    a_gateway_port,
    a_route,
    a_route_table,
    a_router,
    an_interface,
)

from portlight.compiler.host import compile_host
from portlight.compiler.memo import Memo
from portlight.core.port import FixedIp
from portlight.core.route_table import Route
from portlight.core.topology import Entity, Topology
from portlight.plan.host import HostPlan
from portlight.plan.routers import FIRST_TABLE
from portlight.plan.shortcuts import ShortcutPlan, StationPlan

NEAR, FAR = an_interface(101, 1, 1, (1, "10.0.1.1")), an_interface(102, 1, 2, (2, "10.0.2.1"))
TABLE = FIRST_TABLE + 1


def a_lan(*entities: Entity) -> Topology:
    """Two networks with a router and an instance in each; further entities replace these."""
    inside = [
        a_port(number, network_id=a_network(number).id, fixed_ips=(_fixed(number),))
        for number in (1, 2)
    ]
    return a_topology(
        *(a_network(number) for number in (1, 2)),
        *(a_subnet(n, f"10.0.{n}.0/24", network_id=a_network(n).id) for n in (1, 2)),
        *(an_instance(number) for number in (1, 2)),
        *inside,
        NEAR,
        FAR,
        a_route_table(1),
        a_router(),
        *entities,
    )


def _fixed(number: int) -> FixedIp:
    return FixedIp(subnet_id=a_subnet(number).id, address=ip(f"10.0.{number}.5"))


def compiled(*entities: Entity) -> HostPlan:
    return compile_host(a_lan(*entities), HOST)


def to(network: int) -> ShortcutPlan:
    leg = {1: NEAR, 2: FAR}[network]
    return ShortcutPlan(network=network, router_mac=leg.mac)


def test_each_leg_leads_to_the_other_networks_of_its_router_and_to_whoever_is_there() -> None:
    plan = compiled()

    assert plan.router_legs == {(1, NEAR.mac): TABLE, (2, FAR.mac): TABLE}
    assert plan.shortcuts == {(TABLE, net(f"10.0.{n}.0/24")): to(n) for n in (1, 2)}
    assert plan.stations == {
        (n, ip(f"10.0.{n}.5")): StationPlan(port=n, mac=a_port(n).mac) for n in (1, 2)
    }


def test_a_route_that_takes_a_part_of_a_network_away_is_left_to_the_router() -> None:
    hole = a_route(1, 1, "10.0.2.16/28")
    beyond = a_route(2, 1, "192.0.2.0/28", "10.0.1.9")
    wide = a_route(3, 1, "10.0.0.0/16", "10.0.1.9")

    plan = compiled(hole, beyond, wide)

    assert plan.shortcuts[TABLE, net("10.0.2.16/28")] == ShortcutPlan()
    assert plan.shortcuts[TABLE, net("10.0.2.0/24")] == to(2)
    assert (TABLE, net("10.0.0.0/16")) not in plan.shortcuts


def test_the_gateway_is_no_leg_and_the_outside_no_shortcut() -> None:
    outer = a_gateway_port(109, 1, 9, (9, "203.0.113.5"))
    external = (a_network(9), a_subnet(9, "203.0.113.0/24", network_id=a_network(9).id))

    plan = compiled(outer, *external, a_router(1, outer))

    assert {network for network, _ in plan.router_legs} == {1, 2}
    assert (TABLE, net("0.0.0.0/0")) not in plan.shortcuts
    assert {plan.shortcuts[TABLE, net(f"10.0.{n}.0/24")] for n in (1, 2)} == {to(1), to(2)}


def test_a_router_that_is_down_has_no_shortcuts() -> None:
    plan = compiled(a_router(admin_state_up=False))

    assert (plan.router_legs, plan.shortcuts, plan.stations) == ({}, {}, {})


def test_a_subnet_with_a_table_of_its_own_follows_that() -> None:
    own = a_route_table(2, 1, 2)

    plan = compiled(own)

    assert plan.router_legs == {(1, NEAR.mac): TABLE, (2, FAR.mac): FIRST_TABLE + 2}
    assert plan.shortcuts[FIRST_TABLE + 2, net("10.0.1.0/24")] == to(1)


def through_the_pair(hop: Route) -> HostPlan:
    vip = a_virtual_ip(1, "10.0.2.100", {2: None}, network_id=a_network(2).id)
    keeper = a_port(1_000_001, "10.0.2.100", network_id=a_network(2).id, device_id="")
    return compiled(vip, keeper, hop)


def test_a_virtual_ip_as_next_hop_is_reached_without_the_router() -> None:
    plan = through_the_pair(a_route(1, 1, "192.0.2.0/24", "10.0.2.100"))

    way = ShortcutPlan(network=2, router_mac=FAR.mac, hop=ip("10.0.2.100"))
    assert plan.shortcuts[TABLE, net("192.0.2.0/24")] == way
    keeper = a_port(1_000_001)
    assert plan.virtual_macs == {(2, keeper.mac): (2, ip("10.0.2.100"))}


def test_a_route_to_everything_by_a_virtual_ip_leaves_what_is_longer_to_the_router() -> None:
    vip = a_virtual_ip(1, "10.0.2.100", {2: None}, network_id=a_network(2).id)
    everything = a_route(1, 1, "0.0.0.0/0", "10.0.2.100")

    plan = compiled(vip, everything, a_route(2, 1, "192.0.2.0/24", "10.0.2.5"))

    assert plan.shortcuts[TABLE, net("0.0.0.0/0")].hop == ip("10.0.2.100")
    assert plan.shortcuts[TABLE, net("192.0.2.0/24")] == ShortcutPlan()
    assert plan.shortcuts[TABLE, net("10.0.2.0/24")] == to(2)


def test_a_part_of_an_own_network_led_to_a_virtual_ip_is_left_to_the_router() -> None:
    plan = through_the_pair(a_route(1, 1, "10.0.2.0/28", "10.0.2.100"))

    assert plan.shortcuts[TABLE, net("10.0.2.0/28")] == ShortcutPlan()


def test_a_router_with_a_way_outside_decides_itself_what_goes_to_a_virtual_ip() -> None:
    outer = a_gateway_port(109, 1, 9, (9, "203.0.113.5"))
    external = (a_network(9), a_subnet(9, "203.0.113.0/24", network_id=a_network(9).id))
    vip = a_virtual_ip(1, "10.0.2.100", {2: None}, network_id=a_network(2).id)
    hop = a_route(1, 1, "192.0.2.0/24", "10.0.2.100")

    plan = compiled(outer, *external, a_router(1, outer), vip, hop)

    assert (TABLE, net("192.0.2.0/24")) not in plan.shortcuts


def test_compiling_one_change_after_the_other_gives_what_compiling_the_whole_gives() -> None:
    memo = Memo()
    hole = a_route(1, 1, "10.0.2.16/28")
    vip = a_virtual_ip(1, "10.0.2.100", {2: None}, network_id=a_network(2).id)
    pair = a_route(2, 1, "192.0.2.0/24", "10.0.2.100")
    other = a_route(3, 1, "192.0.0.0/16", "10.0.2.100")
    worlds = [
        a_lan(),
        a_lan(hole),
        a_lan(hole, vip, pair),
        a_lan(hole, vip, pair, other),
        a_lan(hole, vip, other),
        a_lan(hole, other),
        a_lan(a_network(2, admin_state_up=False)),
        a_lan(),
    ]
    for world in worlds:
        plan = compile_host(world, HOST, memo)
        fresh = compile_host(a_topology(*entities_of(world)), HOST)
        assert plan == fresh
