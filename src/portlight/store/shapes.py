"""By which keys each kind of entity is found, and what must be unique.

Pure data over core; both stores read it, so that a query means the same in each.
"""

from collections.abc import Mapping
from typing import Any

from portlight.core.address_group import AddressGroup
from portlight.core.audit import AuditEntry
from portlight.core.default_rule import DefaultRule
from portlight.core.floating_ip import AddressUse, FloatingIp, PortForwarding
from portlight.core.gateways import InternetGateway, NatGateway, Peering
from portlight.core.host import Host
from portlight.core.instance import Instance
from portlight.core.mirror import MirrorFilter, MirrorFilterRule, MirrorSession
from portlight.core.network import Network, Subnet
from portlight.core.observation import CounterBlock, HostState, MirrorCounterBlock
from portlight.core.port import Port
from portlight.core.quotas import QuotaLimits
from portlight.core.rbac import RbacPolicy, reach
from portlight.core.route_table import Route, RouteTable
from portlight.core.router import Router
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.core.security_groups import meaning
from portlight.core.subnet_pool import AddressScope, PrefixUse, SubnetPool
from portlight.core.virtual_ip import VirtualIp, VirtualIpState
from portlight.store.identity_shapes import IDENTITY_SHAPES
from portlight.store.shape import Key, Shape


def _project(entity: Any) -> str:  # noqa: ANN401 -- every kind with a Meta
    return str(entity.meta.project_id)


def _name(entity: Any) -> str:  # noqa: ANN401 -- every kind with a Meta
    return str(entity.meta.name)


def _retiring(port: Port) -> str | None:
    """Tell whether time will end something of the port: a former address, an opening."""
    opens = port.opening is not None and port.opening.until is not None
    return "yes" if port.retired_ips or opens else None


def _hop(route: Route) -> str:
    """Tell the several addresses of one equal-cost route apart, and nothing else."""
    return str(route.address or "")


_OWNED: Mapping[str, Key] = {"project_id": _project, "name": _name}

SHAPES: Mapping[type, Shape] = {
    Network: Shape(
        table="networks",
        is_counted=True,
        columns={
            **_OWNED,
            "number": lambda network: str(network.number),
        },
        unique=(("number",),),
    ),
    Subnet: Shape(
        table="subnets",
        is_counted=True,
        columns={
            **_OWNED,
            "network_id": lambda subnet: subnet.network_id,
            "network_owner": lambda subnet: subnet.network_owner,
            "subnetpool_id": lambda subnet: subnet.subnetpool_id,
        },
    ),
    SubnetPool: Shape(
        table="subnetpools",
        is_counted=True,
        columns={
            **_OWNED,
            "default_of": lambda pool: str(pool.ip_version) if pool.is_default else None,
            "address_scope_id": lambda pool: pool.address_scope_id,
        },
        unique=(("default_of",),),
    ),
    AddressScope: Shape(table="address_scopes", is_counted=True, columns=_OWNED),
    Host: Shape(
        table="agents",
        columns={"project_id": _project, "name": lambda host: host.name},
        unique=(("name",),),
    ),
    PrefixUse: Shape(table="prefix_uses", identifier=lambda use: f"{use.pool_id}:{use.project_id}"),
    Port: Shape(
        table="ports",
        is_counted=True,
        columns={
            **_OWNED,
            "number": lambda port: str(port.number),
            "network_id": lambda port: port.network_id,
            "network_owner": lambda port: port.network_owner,
            "device_id": lambda port: port.device_id,
            "device_owner": lambda port: port.device_owner,
            "mac": lambda port: str(port.mac),
            "retiring": _retiring,
        },
        lookups={
            "subnet_id": lambda port: tuple({ip.subnet_id for ip in port.fixed_ips}),
            "address": lambda port: tuple({str(ip.address) for ip in port.fixed_ips}),
            "security_group_id": lambda port: port.security_groups,
        },
        unique=(("number",), ("network_id", "mac")),
    ),
    SecurityGroup: Shape(
        table="security_groups",
        is_counted=True,
        columns={
            **_OWNED,
            "number": lambda group: str(group.number),
            "default_of": lambda group: _project(group) if group.is_default else None,
        },
        unique=(("number",), ("default_of",)),
    ),
    SecurityGroupRule: Shape(
        table="security_group_rules",
        is_counted=True,
        columns={
            "project_id": _project,
            "security_group_id": lambda rule: rule.security_group_id,
            "remote_group_id": lambda rule: rule.remote_group_id,
            "remote_address_group_id": lambda rule: rule.remote_address_group_id,
            "by_addresses_in": lambda rule: (
                rule.security_group_id if rule.remote_address_group_id else None
            ),
            "meaning": meaning,
        },
        unique=(("meaning",),),
    ),
    AddressGroup: Shape(table="address_groups", is_counted=True, columns=_OWNED),
    DefaultRule: Shape(
        table="default_rules",
        columns={
            "remote_group_id": lambda rule: rule.remote_group_id,
            "remote_address_group_id": lambda rule: rule.remote_address_group_id,
        },
    ),
    VirtualIp: Shape(
        table="virtual_ips",
        is_counted=True,
        columns={
            **_OWNED,
            "network_id": lambda vip: vip.network_id,
            "subnet_id": lambda vip: vip.subnet_id,
            "port_id": lambda vip: vip.port_id,
            "address": lambda vip: str(vip.address),
        },
        lookups={"member_port_id": lambda vip: tuple(m.port_id for m in vip.members)},
        unique=(("port_id",), ("network_id", "address")),
    ),
    VirtualIpState: Shape(
        table="virtual_ip_states",
        identifier=lambda state: state.virtual_ip_id,
        columns={"split_brain": lambda state: "yes" if state.split_brain else None},
    ),
    HostState: Shape(table="hosts", identifier=lambda state: state.host),
    CounterBlock: Shape(table="counter_blocks"),
    MirrorCounterBlock: Shape(table="mirror_counter_blocks"),
    Instance: Shape(table="instances", is_counted=True, columns=_OWNED),
    MirrorFilter: Shape(table="mirror_filters", is_counted=True, columns=_OWNED),
    MirrorFilterRule: Shape(
        table="mirror_filter_rules",
        columns={
            "project_id": _project,
            "mirror_filter_id": lambda rule: rule.mirror_filter_id,
            "place": lambda rule: f"{rule.mirror_filter_id} {rule.direction} {rule.priority}",
        },
        unique=(("place",),),
    ),
    MirrorSession: Shape(
        table="mirror_sessions",
        is_counted=True,
        columns={
            **_OWNED,
            "number": lambda session: str(session.number),
            "target_port_id": lambda session: session.target_port_id,
            "place": lambda session: f"{_project(session)} {session.priority}",
        },
        lookups={
            "mirror_filter_id": lambda session: session.mirror_filter_ids,
            "source_port_id": lambda session: session.source_port_ids,
        },
        unique=(("number",), ("place",)),
    ),
    Router: Shape(
        table="routers",
        is_counted=True,
        columns={
            **_OWNED,
            "number": lambda router: str(router.number),
            "gateway_network_id": lambda router: router.gateway and router.gateway.network_id,
            "is_vpc": lambda router: "yes" if router.cidrs else None,
        },
        unique=(("number",),),
    ),
    RouteTable: Shape(
        table="route_tables",
        columns={
            **_OWNED,
            "number": lambda table: str(table.number),
            "router_id": lambda table: table.router_id,
            "default_of": lambda table: table.router_id if table.is_default else None,
            "internet_gateway_id": lambda table: table.internet_gateway_id,
        },
        lookups={"subnet_id": lambda table: table.subnet_ids},
        unique=(("number",), ("default_of",)),
    ),
    Route: Shape(
        table="routes",
        columns={
            "project_id": _project,
            "route_table_id": lambda route: route.route_table_id,
            "target": lambda route: route.target or None,
            "destination": lambda route: f"{route.route_table_id} {route.destination}",
            "place": lambda route: f"{route.route_table_id} {route.destination} {_hop(route)}",
        },
        unique=(("place",),),
    ),
    InternetGateway: Shape(
        table="internet_gateways",
        is_counted=True,
        columns={
            **_OWNED,
            "external_network_id": lambda gateway: gateway.external_network_id,
            "route_table_id": lambda gateway: gateway.route_table_id,
        },
        unique=(("route_table_id",),),
    ),
    NatGateway: Shape(
        table="nat_gateways",
        is_counted=True,
        columns={
            **_OWNED,
            "router_id": lambda gateway: gateway.router_id,
            "subnet_id": lambda gateway: gateway.subnet_id,
            "port_id": lambda gateway: gateway.port_id,
            "floating_ip_id": lambda gateway: gateway.floating_ip_id,
        },
        unique=(("floating_ip_id",),),
    ),
    Peering: Shape(
        table="peerings",
        is_counted=True,
        columns={
            **_OWNED,
            "peer_project_id": lambda peering: peering.peer_project_id,
            "router_id": lambda peering: peering.router_id,
            "peer_router_id": lambda peering: peering.peer_router_id,
        },
    ),
    FloatingIp: Shape(
        table="floating_ips",
        is_counted=True,
        columns={
            **_OWNED,
            "number": lambda one: str(one.number),
            "floating_network_id": lambda one: one.floating_network_id,
            "address": lambda one: str(one.address),
            "port_id": lambda one: one.port_id,
            "router_id": lambda one: one.router_id,
            "stands_for": lambda one: one.port_id and f"{one.port_id} {one.fixed_ip_address}",
        },
        unique=(("number",), ("floating_network_id", "address"), ("stands_for",)),
    ),
    PortForwarding: Shape(
        table="port_forwardings",
        columns={
            "project_id": _project,
            "floating_ip_id": lambda one: one.floating_ip_id,
            "internal_port_id": lambda one: one.internal_port_id,
        },
    ),
    AddressUse: Shape(
        table="address_uses",
        columns={
            "project_id": lambda use: use.project_id,
            "floating_ip_id": lambda use: use.floating_ip_id,
            "held": lambda use: use.floating_ip_id if use.until is None else None,
            "idle": lambda use: "yes" if use.until is None and not use.in_use else None,
        },
        unique=(("held",),),
    ),
    RbacPolicy: Shape(
        table="rbac_policies",
        is_counted=True,
        columns={
            "project_id": _project,
            "object_id": lambda policy: policy.object_id,
            "target": lambda policy: policy.target,
            "reach": lambda policy: reach(policy.action, policy.object_type, policy.target),
            "meaning": lambda policy: f"{policy.action} {policy.object_id} {policy.target}",
        },
        unique=(("meaning",),),
    ),
    AuditEntry: Shape(
        table="audit_entries",
        columns={"project_id": lambda entry: entry.project_id},
    ),
    QuotaLimits: Shape(table="quotas", identifier=lambda limits: limits.project_id),
    **IDENTITY_SHAPES,
}


KIND_OF_TABLE: Mapping[str, type] = {shape.table: kind for kind, shape in SHAPES.items()}


def shape_of(entity: object) -> Shape:
    """Return the shape of an entity."""
    return SHAPES[type(entity)]


def check_key(shape: Shape, key: str) -> None:
    """Raise KeyError when entities of this shape are not found by that key."""
    if key != "id" and key not in shape.columns and key not in shape.lookups:
        raise KeyError(key)


def values_of(shape: Shape, entity: object, key: str) -> frozenset[str]:
    """Return the values under which an entity is found by a key."""
    if key == "id":
        return frozenset({shape.identifier(entity)})
    if key in shape.columns:
        value = shape.columns[key](entity)
        return frozenset() if value is None else frozenset({value})
    return frozenset(shape.lookups[key](entity))
