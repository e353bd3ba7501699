"""What public addresses projects hold and held, and what lies about unused (rows K5, X23)."""

from dataclasses import dataclass
from enum import StrEnum

from portlight.core.address_group import AddressGroup
from portlight.core.address_uses import Period, ProjectUsage, sum_up
from portlight.core.floating_ip import AddressUse, FloatingIp
from portlight.core.port import Port
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.virtual_ip import VirtualIp
from portlight.service.policy import check_action
from portlight.service.sharing import Owned
from portlight.service.work import View
from portlight.values.ids import ProjectId


class OrphanKind(StrEnum):
    """What can lie about unused."""

    PUBLIC_IP = "public_ip"
    NETWORK_INTERFACE = "network_interface"
    VIRTUAL_IP = "virtual_ip"
    SECURITY_GROUP = "security_group"
    ADDRESS_GROUP = "address_group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A thing that nobody uses."""

    kind: OrphanKind
    id: str
    name: str
    project_id: ProjectId
    since: float
    """Since when, or the last time that it was changed; seconds since the epoch, UTC."""
    detail: str = ""


def uses(view: View) -> list[AddressUse]:
    """Return the records of public addresses that the caller may see, the oldest first."""
    check_action(view.caller, "get_usage")
    found = view.tx.find(AddressUse, _where(view))
    return sorted(found, key=lambda use: (use.since, use.id))


def usage(view: View, period: Period) -> list[ProjectUsage]:
    """Return what each project that the caller may see held in a period."""
    return sum_up(uses(view), period)


def orphans(view: View) -> list[Orphan]:
    """Return what nobody uses, the oldest first."""
    check_action(view.caller, "get_orphan")
    found = [*_idle_addresses(view), *_loose_interfaces(view), *_empty_sets(view)]
    return sorted(found, key=lambda orphan: (orphan.since, orphan.id))


def _where(view: View) -> dict[str, list[str]]:
    return {} if view.caller.is_admin else {"project_id": [view.caller.project_id]}


def _idle_addresses(view: View) -> list[Orphan]:
    idle = view.tx.find(AddressUse, {"idle": ["yes"], **_where(view)})
    ids = [use.floating_ip_id for use in idle]
    names = {one.id: one.meta.name for one in view.tx.find(FloatingIp, {"id": ids})} if ids else {}
    return [
        Orphan(
            kind=OrphanKind.PUBLIC_IP,
            id=use.floating_ip_id,
            name=names.get(use.floating_ip_id, ""),
            project_id=use.project_id,
            since=use.since,
            detail=str(use.address),
        )
        for use in idle
    ]


def _loose_interfaces(view: View) -> list[Orphan]:
    """Return the ports that no device and no service holds."""
    found = view.tx.find(Port, {"device_id": [""], "device_owner": [""], **_where(view)})
    members = view.tx.values(VirtualIp, "member_port_id") if found else frozenset()
    return [
        _orphan(
            OrphanKind.NETWORK_INTERFACE,
            port.id,
            port,
            ", ".join(str(ip.address) for ip in port.fixed_ips),
        )
        for port in found
        if port.id not in members
    ]


def _empty_sets(view: View) -> list[Orphan]:
    """Return groups that no port is in, address groups without rules, and virtual IPs alone."""
    used_groups = view.tx.values(Port, "security_group_id")
    used_groups |= view.tx.values(SecurityGroupRule, "remote_group_id")
    used_addresses = view.tx.values(SecurityGroupRule, "remote_address_group_id")
    groups = view.tx.find(SecurityGroup, _where(view))
    address_groups = view.tx.find(AddressGroup, _where(view))
    virtual_ips = view.tx.find(VirtualIp, _where(view))
    return [
        *(
            _orphan(OrphanKind.SECURITY_GROUP, one.id, one)
            for one in groups
            if one.id not in used_groups and not one.is_default
        ),
        *(
            _orphan(OrphanKind.ADDRESS_GROUP, one.id, one)
            for one in address_groups
            if one.id not in used_addresses
        ),
        *(
            _orphan(OrphanKind.VIRTUAL_IP, one.id, one, str(one.address))
            for one in virtual_ips
            if not one.members
        ),
    ]


def _orphan(kind: OrphanKind, identifier: str, entity: Owned, detail: str = "") -> Orphan:
    return Orphan(
        kind=kind,
        id=identifier,
        name=entity.meta.name,
        project_id=entity.meta.project_id,
        since=entity.meta.updated_at,
        detail=detail,
    )
