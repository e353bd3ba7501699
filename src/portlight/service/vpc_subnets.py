"""Use cases of a VPC's subnets: each a network with a subnet, and the VPC's interface in it.

One that was made piece by piece on another face is the same thing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from portlight.core.changes import given, required, required_prefix
from portlight.core.drafts import NetworkDraft, SubnetDraft, Unset
from portlight.core.drafts_routing import InterfaceDraft
from portlight.core.drafts_vpc import VpcSubnetDraft
from portlight.core.errors import Blocker, InvalidRequestError, NotFoundError
from portlight.core.errors_vpc import VpcSubnetInUseError
from portlight.core.gateways import NatGateway
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_DHCP, Port
from portlight.core.route_table import RouteTable
from portlight.core.route_tables import table_of
from portlight.core.router import Router
from portlight.core.vpcs import check_subnet_block
from portlight.service import networks, router_ports, routers, subnets
from portlight.service.caller import Caller
from portlight.service.collection import ANY, Collection, Where
from portlight.service.policy import check_action
from portlight.service.quotas import check_room
from portlight.service.work import View, Work, blocker_of, load, load_own, search
from portlight.store.protocol import Reading, Window
from portlight.values.addresses import AddressRange
from portlight.values.ids import RouterId, SubnetId

_IPV4 = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a subnet lies."""

    router: Router
    table: RouteTable | None
    """The one that it follows."""
    free_addresses: int


def create(work: Work, draft: VpcSubnetDraft) -> Subnet:
    """Make a network, its subnet and the VPC's interface there, all or nothing."""
    router = load_own(work, Router, required(draft.router_id, "vpc_id"), "add_router_interface")
    if not router.cidrs:
        raise NotFoundError("Vpc", router.id)
    cidr = required_prefix(draft.cidr, "cidr")
    owner = router.meta.project_id
    if given(draft.project_id, owner) != owner:
        raise InvalidRequestError("tenant_id", "a subnet is of the project of its VPC")
    present = router_ports.subnets_of(work.tx, router_ports.interfaces_of(work.tx, router.id))
    check_subnet_block(router, cidr, [subnet.cidr for subnet in present])
    check_room(work, owner, "vpc_subnets", len(present) + 1)
    name = given(draft.name, "")
    network = networks.create(work, NetworkDraft(project_id=owner, name=name))
    subnet = subnets.create(
        work,
        SubnetDraft(
            network_id=network.id,
            project_id=owner,
            name=name,
            description=given(draft.description, ""),
            cidr=cidr,
        ),
    )
    work.claims.update(((Network, owner), (Subnet, owner)))
    routers.add_interface(work, router.id, InterfaceDraft(subnet_id=subnet.id))
    return subnet


def update(
    work: Work, subnet_id: SubnetId, draft: VpcSubnetDraft, if_revision: int | None
) -> Subnet:
    """Rename a subnet; its block is fixed for life."""
    router, subnet = _placed(work, subnet_id)
    for field, asked, present in (
        ("vpc_id", draft.router_id, router.id),
        ("cidr", draft.cidr, subnet.cidr),
        ("tenant_id", draft.project_id, subnet.meta.project_id),
    ):
        if not isinstance(asked, Unset) and asked != present:
            raise InvalidRequestError(field, "it cannot be changed")
    names = SubnetDraft(name=draft.name, description=draft.description)
    return subnets.update(work, subnet_id, names, if_revision)


def delete(work: Work, subnet_id: SubnetId) -> None:
    """Remove a subnet with its interface and network; name who uses it (row H145)."""
    router, subnet = _placed(work, subnet_id)
    users = users_of(work, router, subnet)
    if users:
        raise VpcSubnetInUseError(subnet_id, users)
    discard(work, router, subnet)


def discard(work: Work, router: Router, subnet: Subnet) -> None:
    """Remove a subnet that nobody uses, and its network when that was all."""
    routers.remove_interface(work, router.id, InterfaceDraft(subnet_id=subnet.id))
    siblings = work.tx.find(Subnet, {"network_id": [subnet.network_id]})
    if len(siblings) == 1 and not _others(work, subnet):
        networks.delete(work, subnet.network_id)
    else:
        subnets.delete(work, subnet.id)


def users_of(work: Work, router: Router, subnet: Subnet) -> list[Blocker]:
    """Return who has an address of the subnet, but for its services and the VPC itself."""
    gateways = work.tx.find(NatGateway, {"subnet_id": [subnet.id]})
    known = {gateway.port_id for gateway in gateways}
    holders = set(work.tx.holders(subnet.id).values())
    ports = work.tx.find(Port, {"id": sorted(holders)}) if holders else []
    return [blocker_of(gateway) for gateway in gateways] + [
        blocker_of(port, _purpose(port))
        for port in ports
        if port.device_owner != OWNER_DHCP and port.device_id != router.id and port.id not in known
    ]


def routers_of(tx: Reading, caller: Caller, found: Sequence[Subnet]) -> Mapping[SubnetId, Router]:
    """Return the VPCs that subnets lie in: where projects share one, each sees its own there."""
    ids = {subnet.id for subnet in found}
    if not ids:
        return {}
    legs = router_ports.in_subnets(tx, ids)
    routers_by_id = {
        router.id: router
        for router in tx.find(Router, {"id": sorted({leg.device_id for leg in legs})})
        if router.cidrs
    }
    inside = defaultdict[SubnetId, list[Router]](list)
    for leg in legs:
        router = routers_by_id.get(RouterId(leg.device_id))
        for ip in leg.fixed_ips:
            if router is not None and ip.subnet_id in ids:
                inside[ip.subnet_id].append(router)
    owners = {subnet.id: subnet.meta.project_id for subnet in found}

    def nearness(router: Router, subnet_id: SubnetId) -> tuple[bool, bool, str]:
        owner = router.meta.project_id
        return owner == caller.project_id, owner == owners[subnet_id], router.id

    return {
        subnet_id: max(routers, key=lambda router: nearness(router, subnet_id))
        for subnet_id, routers in inside.items()
    }


def _placed(work: Work, subnet_id: SubnetId) -> tuple[Router, Subnet]:
    subnet = load(work, Subnet, subnet_id)
    router = routers_of(work.tx, work.caller, [subnet]).get(subnet_id)
    if router is None:
        raise NotFoundError("VpcSubnet", subnet_id)
    return router, subnet


def _others(work: Work, subnet: Subnet) -> bool:
    """Whether the network has ports that are not of this subnet's services."""
    ports = work.tx.find(Port, {"network_id": [subnet.network_id]})
    return any(port.device_owner != OWNER_DHCP for port in ports)


def _purpose(port: Port) -> str:
    return f"{port.device_owner} {port.device_id}".strip() or port.meta.name


class VpcSubnets(Collection[Subnet, SubnetId, VpcSubnetDraft, VpcSubnetDraft]):
    """IPv4 subnets in which a VPC has an interface."""

    def get(self, caller: Caller, identifier: SubnetId) -> Subnet:
        """Return a subnet of a VPC."""
        found = self.find(caller, {"id": [identifier]})
        if not found:
            raise NotFoundError("VpcSubnet", identifier)
        return found[0]

    def find(
        self, caller: Caller, where: Where = ANY, window: Window | None = None
    ) -> list[Subnet]:
        """Return the subnets of VPCs (`router_id`: only of these) that the caller may see."""
        check_action(caller, "get_subnet")
        plain = {key: values for key, values in where.items() if key != "router_id"}

        def look(view: View) -> list[Subnet]:
            chosen = {"is_vpc": ["yes"]}
            if "router_id" in where:
                chosen["id"] = list(where["router_id"])
            # who only sees the network of a subnet learns nothing of the VPC that it is in
            ids = [one.id for one in search(view, Router, chosen)]
            legs = router_ports.of_routers(view.tx, ids)
            inside = {
                ip.subnet_id for leg in legs for ip in leg.fixed_ips if ip.address.version == _IPV4
            }
            wanted = inside & set(plain["id"]) if "id" in plain else inside
            if not wanted:
                return []
            return search(view, Subnet, {**plain, "id": sorted(wanted)}, window)

        return self._do.view(caller, look)

    def places(self, caller: Caller, found: Sequence[Subnet]) -> Mapping[SubnetId, Place]:
        """Return where subnets lie, whoever owns that, at the cost of a few look-ups."""
        with self._do.read() as tx:
            routers_by_subnet = routers_of(tx, caller, found)
            ids = {router.id for router in routers_by_subnet.values()}
            tables = tx.find(RouteTable, {"router_id": sorted(ids)}) if ids else []
            return {
                subnet.id: Place(
                    router=router,
                    table=table_of(tables, router.id, subnet.id),
                    free_addresses=sum(map(_size, tx.free_ranges(subnet.id))),
                )
                for subnet in found
                if (router := routers_by_subnet.get(subnet.id)) is not None
            }


def _size(free: AddressRange) -> int:
    return int(free.last) - int(free.first) + 1
