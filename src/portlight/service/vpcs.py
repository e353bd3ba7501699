"""Use cases of VPCs: routers with an address space, and everything that lies in one.

Removing one takes along what is only structure (empty subnets, tables, gateways on them), and names
everything else that is in the way.
"""

from collections.abc import Sequence

from portlight.core.changes import required
from portlight.core.drafts import UNSET, Unset
from portlight.core.drafts_routing import RouterDraft
from portlight.core.drafts_vpc import InternetGatewayDraft, VpcDraft
from portlight.core.errors import Blocker, InvalidRequestError, NotFoundError
from portlight.core.errors_vpc import CidrInUseError, VpcInUseError
from portlight.core.floating_ip import FloatingIp
from portlight.core.gateways import InternetGateway, NatGateway
from portlight.core.network import Network, Subnet
from portlight.core.router import Router
from portlight.core.routers import is_within
from portlight.core.vpcs import check_space
from portlight.service import (
    extra_routes,
    internet_gateways,
    peerings,
    router_ports,
    routers,
    vpc_subnets,
)
from portlight.service.caller import Caller
from portlight.service.collection import ANY, Collection, Where
from portlight.service.policy import check_action
from portlight.service.sharing import external_networks
from portlight.service.work import View, Work, blocker_of, load_own, search
from portlight.store.protocol import Window, cut
from portlight.values.addresses import IpPrefix
from portlight.values.ids import RouterId

AnyVpc = Router | Network
"""An external network is listed beside the VPCs that can join it."""
IS_EXTERNAL = "external"
"""The condition of a search that asks for external networks."""


def create(work: Work, draft: VpcDraft) -> AnyVpc:
    """Make a VPC with its default table; on an external network, with an internet gateway too."""
    cidrs = required(draft.cidrs, "cidrv4")
    check_space("cidrv4", cidrs)
    router = routers.create(work, _router_draft(draft))
    work.claims.add((Router, router.meta.project_id))
    if isinstance(draft.external_network_id, Unset):
        return router
    gateway = internet_gateways.create(
        work,
        InternetGatewayDraft(
            project_id=router.meta.project_id,
            name=router.meta.name,
            external_network_id=draft.external_network_id,
        ),
    )
    work.claims.add((InternetGateway, router.meta.project_id))
    table = extra_routes.default_table(work.tx, router.id)
    internet_gateways.attach(work, table.id, gateway.id)
    return router


def update(work: Work, router_id: RouterId, draft: VpcDraft, if_revision: int | None) -> AnyVpc:
    """Change name or address space; a block with subnets in it stays (row H53)."""
    router = _vpc(work, router_id, "update_router")
    if draft.external_network_id is not UNSET:
        raise InvalidRequestError("external_network_id", "it cannot be changed")
    if not isinstance(draft.cidrs, Unset):
        _check_new_space(work, router, draft.cidrs)
    return routers.update(work, router_id, _router_draft(draft), if_revision)


def delete(work: Work, router_id: RouterId) -> None:
    """Remove a VPC with its empty subnets, tables and gateways; name what is in use (row H145)."""
    router = _vpc(work, router_id, "delete_router")
    subnets = router_ports.subnets_of(work.tx, router_ports.interfaces_of(work.tx, router_id))
    blockers = _users(work, router, subnets)
    if blockers:
        raise VpcInUseError(router_id, blockers)
    for subnet in subnets:
        vpc_subnets.discard(work, router, subnet)
    for table in router_ports.tables_of(work.tx, router_id):
        for gateway in work.tx.find(InternetGateway, {"route_table_id": [table.id]}):
            internet_gateways.take_off(work, table, gateway)
            internet_gateways.delete(work, gateway.id)
    routers.delete(work, router_id)


def _users(work: Work, router: Router, subnets: Sequence[Subnet]) -> list[Blocker]:
    """Return everything in a VPC that somebody uses."""
    found = [one for subnet in subnets for one in vpc_subnets.users_of(work, router, subnet)]
    found += [blocker_of(one) for one in work.tx.find(NatGateway, {"router_id": [router.id]})]
    found += [
        blocker_of(one, str(one.address))
        for one in work.tx.find(FloatingIp, {"router_id": [router.id]})
    ]
    found += peerings.active_of(work, router.id)
    return list(dict.fromkeys(found))


def _check_new_space(work: Work, router: Router, cidrs: Sequence[IpPrefix]) -> None:
    check_space("cidrs", cidrs)
    if cidrs[0] != router.cidrs[0]:
        raise InvalidRequestError("cidrs", f"the first block, {router.cidrs[0]}, cannot be changed")
    subnets = router_ports.subnets_of(work.tx, router_ports.interfaces_of(work.tx, router.id))
    for gone in set(router.cidrs) - set(cidrs):
        inside = [subnet for subnet in subnets if is_within(subnet.cidr, gone)]
        left = [one for one in inside if not any(is_within(one.cidr, block) for block in cidrs)]
        if left:
            raise CidrInUseError(gone, [blocker_of(one, str(one.cidr)) for one in left])


def _vpc(work: Work, router_id: RouterId, action: str) -> Router:
    router = load_own(work, Router, router_id, action)
    if not router.cidrs:
        raise NotFoundError("Vpc", router_id)
    return router


def _router_draft(draft: VpcDraft) -> RouterDraft:
    return RouterDraft(
        project_id=draft.project_id,
        name=draft.name,
        description=draft.description,
        tags=draft.tags,
        cidrs=draft.cidrs,
    )


class Vpcs(Collection[AnyVpc, RouterId, VpcDraft, VpcDraft]):
    """VPCs; external networks are found by their id, or when they are asked for."""

    def get(self, caller: Caller, identifier: RouterId) -> AnyVpc:
        """Return a VPC or an external network."""
        found = self.find(caller, {"id": [identifier], IS_EXTERNAL: ["true", "false"]})
        if not found:
            raise NotFoundError("Vpc", identifier)
        return found[0]

    def find(
        self, caller: Caller, where: Where = ANY, window: Window | None = None
    ) -> list[AnyVpc]:
        """Return the VPCs that the caller may see, or the external networks, or both."""
        check_action(caller, "get_router")
        wanted = {str(one).lower() for one in where.get(IS_EXTERNAL, ["false"])}
        plain = {key: values for key, values in where.items() if key != IS_EXTERNAL}

        def look(view: View) -> list[AnyVpc]:
            found: list[AnyVpc] = []
            if "false" in wanted:
                found += search(view, Router, {**plain, "is_vpc": ["yes"]})
            if "true" in wanted:
                networks = search(view, Network, plain)
                external = external_networks(view.tx, networks)
                found += [one for one in networks if one.id in external]
            return found

        found = self._do.view(caller, look)
        if window is None:
            return found
        by_id = {str(one.id): one for one in found}
        return [by_id[one] for one in cut(by_id, window)]
