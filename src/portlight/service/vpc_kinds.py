"""The kinds that VPCs are made of, each with its use cases and the verbs that only it has."""

from collections.abc import Mapping, Sequence
from typing import Final

from portlight.core.drafts_vpc import (
    InternetGatewayDraft,
    NatGatewayDraft,
    PeeringDraft,
    RouteDraft,
    RouteTableDraft,
    VpcDraft,
    VpcSubnetDraft,
)
from portlight.core.gateways import InternetGateway, NatGateway, Peering, PeeringStatus
from portlight.core.network import Subnet
from portlight.core.route_table import Route, RouteTable
from portlight.core.route_tables import table_of
from portlight.core.router import Router
from portlight.service import (
    internet_gateways,
    nat_gateways,
    peerings,
    route_tables,
    router_ports,
    routes,
    vpc_subnets,
    vpcs,
)
from portlight.service.caller import Caller
from portlight.service.collection import Collection, Kind, one_by_one
from portlight.service.routes import AnyRoute
from portlight.service.vpcs import AnyVpc
from portlight.values.ids import (
    InternetGatewayId,
    NatGatewayId,
    PeeringId,
    RouteId,
    RouterId,
    RouteTableId,
    SubnetId,
)

VPCS: Final[Kind[AnyVpc, RouterId, VpcDraft, VpcDraft]] = Kind(
    entity=Router,
    name="router",
    create=one_by_one(vpcs.create),
    update=vpcs.update,
    delete=vpcs.delete,
)
VPC_SUBNETS: Final[Kind[Subnet, SubnetId, VpcSubnetDraft, VpcSubnetDraft]] = Kind(
    entity=Subnet,
    name="subnet",
    create=one_by_one(vpc_subnets.create),
    update=vpc_subnets.update,
    delete=vpc_subnets.delete,
)
ROUTE_TABLES: Final[Kind[RouteTable, RouteTableId, RouteTableDraft, RouteTableDraft]] = Kind(
    entity=RouteTable,
    name="route_table",
    create=one_by_one(route_tables.create),
    update=route_tables.update,
    delete=route_tables.delete,
)
ROUTES: Final[Kind[AnyRoute, RouteId, RouteDraft, RouteDraft]] = Kind(
    entity=Route,
    name="route",
    create=routes.create_many,
    update=routes.update,
    delete=routes.delete,
)
INTERNET_GATEWAYS: Final[
    Kind[InternetGateway, InternetGatewayId, InternetGatewayDraft, InternetGatewayDraft]
] = Kind(
    entity=InternetGateway,
    name="internet_gateway",
    create=one_by_one(internet_gateways.create),
    update=internet_gateways.update,
    delete=internet_gateways.delete,
)
NAT_GATEWAYS: Final[Kind[NatGateway, NatGatewayId, NatGatewayDraft, NatGatewayDraft]] = Kind(
    entity=NatGateway,
    name="nat_gateway",
    create=one_by_one(nat_gateways.create),
    update=nat_gateways.update,
    delete=nat_gateways.delete,
)
PEERINGS: Final[Kind[Peering, PeeringId, PeeringDraft, PeeringDraft]] = Kind(
    entity=Peering,
    name="peering",
    create=one_by_one(peerings.create),
    update=peerings.update,
    delete=peerings.delete,
)


class RouteTables(Collection[RouteTable, RouteTableId, RouteTableDraft, RouteTableDraft]):
    """Route tables; subnets follow them, and internet gateways are attached to them."""

    def associate(
        self, caller: Caller, identifier: RouteTableId, subnet_id: SubnetId
    ) -> RouteTable:
        """Let a subnet follow a table."""
        return self._do.run(
            caller, lambda work: route_tables.associate(work, identifier, subnet_id)
        )

    def dissociate(self, caller: Caller, router_id: RouterId, subnet_id: SubnetId) -> None:
        """Let a subnet follow the default table of the router."""
        self._do.run(caller, lambda work: route_tables.dissociate(work, router_id, subnet_id))

    def set_as_default(self, caller: Caller, identifier: RouteTableId) -> RouteTable:
        """Make a table the default one of its router."""
        return self._do.run(caller, lambda work: route_tables.set_as_default(work, identifier))

    def attach(
        self, caller: Caller, identifier: RouteTableId, gateway_id: InternetGatewayId
    ) -> RouteTable:
        """Let a table lead to the outside."""
        return self._do.run(
            caller, lambda work: internet_gateways.attach(work, identifier, gateway_id)
        )

    def detach(self, caller: Caller, identifier: RouteTableId) -> RouteTable:
        """Take the internet gateway from a table."""
        return self._do.run(caller, lambda work: internet_gateways.detach(work, identifier))

    def followers(self, tables: Sequence[RouteTable]) -> Mapping[RouteTableId, list[Subnet]]:
        """Return the subnets that follow tables, by choice or as the default."""
        found: dict[RouteTableId, list[Subnet]] = {table.id: [] for table in tables}
        with self._do.read() as tx:
            for router_id in {table.router_id for table in tables}:
                every = tx.find(RouteTable, {"router_id": [router_id]})
                legs = router_ports.interfaces_of(tx, router_id)
                for subnet in router_ports.subnets_of(tx, legs):
                    table = table_of(every, router_id, subnet.id)
                    if table is not None and table.id in found:
                        found[table.id].append(subnet)
        return found


class Peerings(Collection[Peering, PeeringId, PeeringDraft, PeeringDraft]):
    """Peerings; the project that is asked accepts or rejects."""

    def accept(self, caller: Caller, identifier: PeeringId) -> Peering:
        """Let packets cross."""
        return self._answer(caller, identifier, PeeringStatus.ACTIVE)

    def reject(self, caller: Caller, identifier: PeeringId) -> Peering:
        """Say no, for good."""
        return self._answer(caller, identifier, PeeringStatus.REJECTED)

    def _answer(self, caller: Caller, identifier: PeeringId, status: PeeringStatus) -> Peering:
        return self._do.run(caller, lambda work: peerings.answer(work, identifier, status))
