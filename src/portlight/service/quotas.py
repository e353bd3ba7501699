"""Quotas: judged at the end of every transaction that makes something, shown and set.

What a project has is kept by the store, so that the judgement costs the same at any number.
"""

from collections.abc import Mapping
from typing import Final

from portlight.core.address_group import AddressGroup
from portlight.core.drafts_sharing import QuotaDraft
from portlight.core.errors import NotFoundError, QuotaExceededError
from portlight.core.floating_ip import FloatingIp
from portlight.core.gateways import InternetGateway, NatGateway, Peering
from portlight.core.instance import Instance
from portlight.core.mirror import MirrorFilter, MirrorSession
from portlight.core.network import Network, Subnet
from portlight.core.port import Port
from portlight.core.quotas import (
    DEFAULT_LIMITS,
    DEFAULTS_ID,
    QuotaLimits,
    QuotaUse,
    allowance,
    changed_limits,
    check_not_below,
)
from portlight.core.rbac import RbacPolicy
from portlight.core.router import Router
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.subnet_pool import AddressScope, SubnetPool
from portlight.core.virtual_ip import VirtualIp
from portlight.service.policy import check_action, check_owner
from portlight.service.work import View, Work
from portlight.store.protocol import Reading, Usage
from portlight.values.ids import ProjectId

RESOURCE_OF: Final[Mapping[type, str]] = {
    Network: "network",
    Subnet: "subnet",
    SubnetPool: "subnetpool",
    AddressScope: "address_scope",
    Port: "port",
    SecurityGroup: "security_group",
    SecurityGroupRule: "security_group_rule",
    AddressGroup: "address_group",
    RbacPolicy: "rbac_policy",
    VirtualIp: "virtual_ip",
    Instance: "instance",
    MirrorFilter: "mirror_filter",
    MirrorSession: "mirror_session",
    Router: "router",
    FloatingIp: "floatingip",
    InternetGateway: "internet_gateway",
    NatGateway: "nat_gateway",
    Peering: "peering",
}
"""Kind to the name of its quota (`core.quotas.DEFAULT_LIMITS`)."""


def check(work: Work) -> None:
    """Raise QuotaExceededError when a project has more than it may of what was just made.

    Only what the caller asked for is refused: a network's DHCP port or a default group counts,
    and comes all the same.
    """
    claims = [(project_id, kind) for kind, project_id in work.claims if kind in RESOURCE_OF]
    for project_id, kind in sorted(claims, key=lambda claim: (claim[0], RESOURCE_OF[claim[1]])):
        resource = RESOURCE_OF[kind]
        own, defaults = _limits(work.tx, project_id)
        allowed = allowance(resource, own, defaults)
        if not allowed.permits(work.tx.used(kind, project_id)):
            raise QuotaExceededError(resource, allowed.hard)


def check_room(work: Work, project_id: ProjectId, resource: str, used: int) -> None:
    """Raise QuotaExceededError when one thing of the project would have more than it may."""
    allowed = allowance(resource, *_limits(work.tx, project_id))
    if not allowed.permits(used):
        raise QuotaExceededError(resource, allowed.hard)


def show(view: View, project_id: ProjectId) -> list[QuotaUse]:
    """Return what a project may have and has, of every resource."""
    check_action(view.caller, "get_quota")
    check_owner(view.caller, "get_quota", project_id)
    own, defaults = _limits(view.tx, project_id)
    return _uses(project_id, own, defaults, view.tx.usages(project_id))


def show_default(view: View) -> list[QuotaUse]:
    """Return what a project has that nothing was set for."""
    check_action(view.caller, "get_quota")
    return _uses(DEFAULTS_ID, None, view.tx.get(QuotaLimits, DEFAULTS_ID), [])


def show_all(view: View) -> list[QuotaUse]:
    """Return the same of every project that has limits of its own; for administrators."""
    check_action(view.caller, "list_quotas")
    limits = {one.project_id: one for one in view.tx.find(QuotaLimits)}
    defaults = limits.pop(DEFAULTS_ID, None)
    return [
        use
        for project_id, own in limits.items()
        for use in _uses(project_id, own, defaults, view.tx.usages(project_id))
    ]


def measure(tx: Reading) -> list[QuotaUse]:
    """Return what every project has of what it has something of; for the metrics."""
    limits = {one.project_id: one for one in tx.find(QuotaLimits)}
    defaults = limits.get(DEFAULTS_ID)
    return [
        QuotaUse(
            project_id=usage.project_id,
            resource=RESOURCE_OF[usage.kind],
            allowance=allowance(RESOURCE_OF[usage.kind], limits.get(usage.project_id), defaults),
            used=usage.used,
        )
        for usage in tx.usages()
    ]


def change(work: Work, project_id: ProjectId, draft: QuotaDraft) -> list[QuotaUse]:
    """Set limits; raise QuotaBelowUsageError when the project has more than that already."""
    check_action(work.caller, "update_quota")
    present = work.tx.get(QuotaLimits, project_id)
    changed = changed_limits(
        present or QuotaLimits(project_id=project_id), hard=draft.hard, soft=draft.soft
    )
    if not draft.force:
        used = {RESOURCE_OF[one.kind]: one.used for one in work.tx.usages(project_id)}
        check_not_below(draft.hard, used)
    if present is None:
        work.tx.insert(changed)
    else:
        work.tx.update(present, changed)
    return show(View(tx=work.tx, caller=work.caller), project_id)


def reset(work: Work, project_id: ProjectId) -> None:
    """Let the project follow the defaults again."""
    check_action(work.caller, "delete_quota")
    present = work.tx.get(QuotaLimits, project_id)
    if present is None:
        raise NotFoundError("TenantQuota", project_id)
    work.tx.delete(present)


def _limits(tx: Reading, project_id: ProjectId) -> tuple[QuotaLimits | None, QuotaLimits | None]:
    """Return the limits of the project and those of the operator."""
    found = {
        limits.project_id: limits
        for limits in tx.find(QuotaLimits, {"id": [project_id, DEFAULTS_ID]})
    }
    return found.get(project_id), found.get(DEFAULTS_ID)


def _uses(
    project_id: ProjectId,
    own: QuotaLimits | None,
    defaults: QuotaLimits | None,
    usages: list[Usage],
) -> list[QuotaUse]:
    used = {RESOURCE_OF[one.kind]: one.used for one in usages}
    return [
        QuotaUse(
            project_id=project_id,
            resource=resource,
            allowance=allowance(resource, own, defaults),
            used=used.get(resource, 0),
        )
        for resource in DEFAULT_LIMITS
    ]
