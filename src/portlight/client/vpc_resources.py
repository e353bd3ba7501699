"""What the server answers about VPCs and public addresses, as values."""

import msgspec

from portlight.client.resources import Described


class Vpc(Described, frozen=True, kw_only=True):
    """A VPC: an address space with subnets and route tables in it."""

    cidrs: list[str]


class VpcSubnet(msgspec.Struct, frozen=True, kw_only=True):
    """A subnet of a VPC."""

    id: str
    name: str
    vpc_id: str
    cidr: str
    gateway: str
    available_ip_count: int


class RouteTable(msgspec.Struct, frozen=True, kw_only=True):
    """Routes that packets from some subnets of a VPC follow."""

    id: str
    name: str
    vpc_id: str
    default_table: bool
    gateway_id: str | None
    gateway_name: str | None


class NextHop(msgspec.Struct, frozen=True, kw_only=True):
    """Where a route leads."""

    kind: str
    id: str
    ip_address: str


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One route, and how its next hop fares."""

    id: str
    route_table_id: str
    destination: str
    next_hop: NextHop
    description: str
    status: str
    detail: str


class InternetGateway(msgspec.Struct, frozen=True, kw_only=True):
    """The way out of a VPC."""

    id: str
    name: str
    external_network_id: str
    routingtable_id: str | None
    state: str


class NatGateway(msgspec.Struct, frozen=True, kw_only=True):
    """A way out under a floating IP of its own."""

    id: str
    name: str
    vpc_id: str
    subnet_id: str
    fixed_ip: str
    floating_ip: str
    status: str
    status_detail: str = ""


class Peering(Described, frozen=True, kw_only=True):
    """Two VPCs that reach each other."""

    vpc_id: str
    peer_vpc_id: str
    peer_project_id: str
    status: str


class RelatedResource(msgspec.Struct, frozen=True, kw_only=True):
    """What a public address is on."""

    id: str
    name: str
    type: str
    device_id: str
    device_name: str
    vpc_name: str


class PublicIp(Described, frozen=True, kw_only=True):
    """A public address."""

    public_ip: str
    private_ip: str | None
    status: str
    delete_protection: bool
    related_resource: RelatedResource | None


class ProjectUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What public addresses a project held in a time."""

    project_id: str
    addresses: int
    held_hours: float
    used_hours: float


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that nobody uses."""

    id: str
    kind: str
    name: str
    project_id: str
    since: str
    age_seconds: int
    detail: str
