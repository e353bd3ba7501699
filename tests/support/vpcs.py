"""What VPCs of tests are made of."""

from tests.support.clouds import MEMBER, World

from portlight.core.drafts_vpc import NextHop, RouteDraft, VpcDraft, VpcSubnetDraft
from portlight.core.network import Network, Subnet
from portlight.core.route_table import Route, RouteTable
from portlight.core.router import Router
from portlight.service.caller import Caller
from portlight.values.addresses import IpPrefix, parse_prefix


def prefixes(*cidrs: str) -> tuple[IpPrefix, ...]:
    return tuple(parse_prefix(cidr) for cidr in cidrs)


def a_vpc(world: World, *cidrs: str, by: Caller = MEMBER) -> Router:
    draft = VpcDraft(name="vpc", cidrs=prefixes(*cidrs or ("10.0.0.0/16",)))
    vpc = world.cloud.vpcs.create(by, draft)
    assert isinstance(vpc, Router)
    return vpc


def a_vpc_subnet(world: World, vpc: Router, cidr: str = "10.0.1.0/24") -> Subnet:
    draft = VpcSubnetDraft(name="a", router_id=vpc.id, cidr=parse_prefix(cidr))
    return world.cloud.vpc_subnets.create(MEMBER, draft)


def default_table(world: World, vpc: Router, by: Caller = MEMBER) -> RouteTable:
    (table,) = world.cloud.route_tables.find(by, {"default_of": [vpc.id]})
    return table


def a_route(world: World, table: RouteTable, cidr: str, hop: NextHop) -> Route:
    draft = RouteDraft(route_table_id=table.id, destination=parse_prefix(cidr), hop=hop)
    route = world.cloud.routes.create(MEMBER, draft)
    assert isinstance(route, Route)
    return route


def network_of(world: World, subnet: Subnet) -> Network:
    return world.cloud.networks.get(MEMBER, subnet.network_id)
