"""The typed client: one collection per kind of resource, and the verbs beyond them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from portlight.client.collection import Collection, R
from portlight.client.connection import Connection
from portlight.client.credentials import Credentials
from portlight.client.resources import (
    AddressGroup,
    HostRoute,
    Instance,
    Interface,
    MirrorCounters,
    MirrorFilter,
    MirrorFilterRule,
    MirrorSession,
    Network,
    Port,
    PortCounters,
    PortExposure,
    Protection,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Status,
    Subnet,
    VirtualIp,
    VirtualIpState,
)
from portlight.client.vpc_resources import (
    InternetGateway,
    NatGateway,
    Orphan,
    Peering,
    ProjectUsage,
    PublicIp,
    Route,
    RouteTable,
    Vpc,
    VpcSubnet,
)

NEUTRON = "/v2.0"
NATIVE = "/portlight/v1"

_Envelope = dict[str, msgspec.Raw]


@dataclass(frozen=True)
class Client:
    """Everything that a terminal can ask of the server."""

    connection: Connection

    @cached_property
    def networks(self) -> Collection[Network]:
        """The networks."""
        return self._collection(Network, "network", NEUTRON)

    @cached_property
    def subnets(self) -> Collection[Subnet]:
        """The subnets."""
        return self._collection(Subnet, "subnet", NEUTRON)

    @cached_property
    def ports(self) -> Collection[Port]:
        """The ports."""
        return self._collection(Port, "port", NEUTRON)

    @cached_property
    def security_groups(self) -> Collection[SecurityGroup]:
        """The security groups."""
        return self._collection(SecurityGroup, "security_group", NEUTRON)

    @cached_property
    def security_group_rules(self) -> Collection[SecurityGroupRule]:
        """The rules of all groups."""
        return self._collection(SecurityGroupRule, "security_group_rule", NEUTRON)

    @cached_property
    def address_groups(self) -> Collection[AddressGroup]:
        """The address groups."""
        return self._collection(AddressGroup, "address_group", NEUTRON)

    @cached_property
    def instances(self) -> Collection[Instance]:
        """The instances."""
        return self._collection(Instance, "instance", NATIVE)

    @cached_property
    def virtual_ips(self) -> Collection[VirtualIp]:
        """The virtual IPs."""
        return self._collection(VirtualIp, "virtual_ip", NATIVE)

    @cached_property
    def routers(self) -> Collection[Router]:
        """The routers."""
        return self._collection(Router, "router", NEUTRON)

    def add_router_interface(self, router_id: str, subnet_id: str) -> None:
        """Join a router to a subnet."""
        path = f"{NEUTRON}/routers/{router_id}/add_router_interface"
        self.connection.call("PUT", path, {"subnet_id": subnet_id})

    def remove_router_interface(self, router_id: str, subnet_id: str) -> None:
        """Take a router out of a subnet."""
        path = f"{NEUTRON}/routers/{router_id}/remove_router_interface"
        self.connection.call("PUT", path, {"subnet_id": subnet_id})

    def change_routes(self, router_id: str, verb: str, routes: Sequence[HostRoute]) -> Router:
        """Let a router have more routes, or fewer: `add_extraroutes` or `remove_extraroutes`."""
        path = f"{NEUTRON}/routers/{router_id}/{verb}"
        wanted = {"routes": msgspec.to_builtins(list(routes))}
        body = self.connection.send(_Envelope, "PUT", path, {"router": wanted})
        return msgspec.json.decode(body["router"], type=Router)

    @cached_property
    def mirror_filters(self) -> Collection[MirrorFilter]:
        """The filters of mirror sessions."""
        return self._collection(MirrorFilter, "mirror_filter", NATIVE)

    @cached_property
    def mirror_filter_rules(self) -> Collection[MirrorFilterRule]:
        """The rules of all those filters."""
        return self._collection(MirrorFilterRule, "mirror_filter_rule", NATIVE)

    @cached_property
    def mirror_sessions(self) -> Collection[MirrorSession]:
        """The mirror sessions."""
        return self._collection(MirrorSession, "mirror_session", NATIVE)

    @cached_property
    def vpcs(self) -> Collection[Vpc]:
        """The VPCs."""
        return self._collection(Vpc, "vpc", NATIVE)

    @cached_property
    def vpc_subnets(self) -> Collection[VpcSubnet]:
        """The subnets of VPCs."""
        return self._collection(VpcSubnet, "vpcsubnet", NEUTRON)

    @cached_property
    def route_tables(self) -> Collection[RouteTable]:
        """The route tables."""
        return self._collection(RouteTable, "routingtable", NEUTRON)

    @cached_property
    def routes(self) -> Collection[Route]:
        """The routes of all tables."""
        return self._collection(Route, "route", NATIVE)

    @cached_property
    def internet_gateways(self) -> Collection[InternetGateway]:
        """The internet gateways."""
        return self._collection(InternetGateway, "internetgateway", NEUTRON)

    @cached_property
    def nat_gateways(self) -> Collection[NatGateway]:
        """The NAT gateways."""
        return self._collection(NatGateway, "natgateway", NEUTRON)

    @cached_property
    def peerings(self) -> Collection[Peering]:
        """The peerings."""
        return self._collection(Peering, "peering", NATIVE)

    @cached_property
    def public_ips(self) -> Collection[PublicIp]:
        """The public addresses."""
        return self._collection(PublicIp, "public_ip", NATIVE)

    def put(self, path: str, body: dict[str, str] | None = None) -> None:
        """Ask for a verb of a thing: its path below the networking interface."""
        self.connection.send(_Envelope, "PUT", f"{NEUTRON}/{path}", body or {})

    def associate(self, public_ip_id: str, port_id: str) -> PublicIp:
        """Put a public address on an interface."""
        path = f"{NATIVE}/public-ips/{public_ip_id}/network-interfaces/{port_id}"
        body = self.connection.send(_Envelope, "PUT", path, {})
        return msgspec.json.decode(body["public_ip"], type=PublicIp)

    def disassociate(self, public_ip_id: str, port_id: str, *, release: bool, flows: str) -> None:
        """Take a public address off an interface, and perhaps give it back in the same step."""
        path = f"{NATIVE}/public-ips/{public_ip_id}/network-interfaces/{port_id}"
        query = f"release={str(release).lower()}&flows={flows}"
        self.connection.call("DELETE", f"{path}?{query}")

    def usage(self, **period: str) -> list[ProjectUsage]:
        """Return for how long projects held public addresses; `period` has `from` and `to`."""
        body = self.connection.get(_Envelope, f"{NATIVE}/usage", period)
        return msgspec.json.decode(body["usage"], type=list[ProjectUsage])

    def orphans(self) -> list[Orphan]:
        """Return what nobody uses, the oldest first."""
        body = self.connection.get(_Envelope, f"{NATIVE}/orphans")
        return msgspec.json.decode(body["orphans"], type=list[Orphan])

    def mirror_counters(self, session_id: str) -> MirrorCounters:
        """Return what became of the copies of a mirror session."""
        path = f"{NATIVE}/mirror-sessions/{session_id}/counters"
        body = self.connection.get(_Envelope, path)
        return msgspec.json.decode(body["mirror_counters"], type=MirrorCounters)

    def attach(self, instance_id: str, **request: object) -> Interface:
        """Give an instance one more interface; the fields are those of the native API."""
        path = f"{NATIVE}/instances/{instance_id}/interfaces"
        body = self.connection.send(_Envelope, "POST", path, {"interface": request})
        return msgspec.json.decode(body["interface"], type=Interface)

    def detach(self, instance_id: str, port_id: str) -> None:
        """Take an interface from an instance."""
        path = f"{NATIVE}/instances/{instance_id}/interfaces/{port_id}"
        self.connection.call("DELETE", path)

    def add_member(
        self, virtual_ip_id: str, port_id: str, virtual_router_id: int | None = None
    ) -> VirtualIp:
        """Let a port hold a virtual IP."""
        member = {"port_id": port_id, "virtual_router_id": virtual_router_id}
        return self.virtual_ips.act(virtual_ip_id, "members", {"member": member})

    def remove_member(self, virtual_ip_id: str, port_id: str) -> None:
        """No longer let a port hold a virtual IP."""
        path = f"{NATIVE}/virtual-ips/{virtual_ip_id}/members/{port_id}"
        self.connection.call("DELETE", path)

    def move(self, virtual_ip_id: str, port_id: str) -> VirtualIpState:
        """Make a member the owner of a virtual IP."""
        path = f"{NATIVE}/virtual-ips/{virtual_ip_id}/move"
        return _state(self.connection.send(_Envelope, "POST", path, {"port_id": port_id}))

    def state(self, virtual_ip_id: str) -> VirtualIpState:
        """Return owner, alarm and history of a virtual IP."""
        path = f"{NATIVE}/virtual-ips/{virtual_ip_id}/state"
        return _state(self.connection.get(_Envelope, path))

    def counters(self, port_id: str) -> PortCounters:
        """Return what the data path counted for a port."""
        path = f"{NATIVE}/ports/{port_id}/counters"
        body = self.connection.get(_Envelope, path)
        return msgspec.json.decode(body["port_counters"], type=PortCounters)

    def exposures(self) -> list[PortExposure]:
        """Return the ports that are less protected than by default, and why."""
        body = self.connection.get(_Envelope, f"{NATIVE}/port-exposures")
        return msgspec.json.decode(body["port_exposures"], type=list[PortExposure])

    def protection(self, security_group_id: str) -> Protection:
        """Return the ports and instances that a security group protects."""
        path = f"{NATIVE}/security-groups/{security_group_id}/protection"
        body = self.connection.get(_Envelope, path)
        return msgspec.json.decode(body["protection"], type=Protection)

    def status(self) -> Status:
        """Return what every host said last."""
        body = self.connection.get(_Envelope, f"{NATIVE}/status")
        return msgspec.json.decode(body["status"], type=Status)

    def _collection(self, kind: type[R], name: str, base: str) -> Collection[R]:
        path = f"{base}/{name.replace('_', '-')}s"
        return Collection(connection=self.connection, kind=kind, name=name, path=path)


def connect(credentials: Credentials) -> Client:
    """Return a client; the first request gets the token."""
    return Client(Connection(credentials))


def _state(body: _Envelope) -> VirtualIpState:
    return msgspec.json.decode(body["virtual_ip_state"], type=VirtualIpState)
