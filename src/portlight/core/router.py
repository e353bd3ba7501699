"""Routers: what joins subnets, and what a VPC is made of. Meaning: docs/design/routing.md.

An interface of a router is a port with `device_id` = router and owner `network:router_interface`.
"""

from dataclasses import dataclass
from enum import StrEnum

from portlight.core.meta import Meta
from portlight.values.addresses import IpPrefix
from portlight.values.ids import NetworkId, PortId, RouterId


class PathStatus(StrEnum):
    """Whether the host has reported the way of packets through a thing in place."""

    ACTIVE = "ACTIVE"
    BUILD = "BUILD"
    DOWN = "DOWN"
    """There is nothing to put in place: a floating IP that leads nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalGateway:
    """A router's leg on an external network."""

    network_id: NetworkId
    port_id: PortId
    """The port (owner `network:router_gateway`) that has the leg's MAC and addresses."""
    enable_snat: bool = True
    """Guests without a public address of their own leave with the leg's address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """Joins the subnets that it has interfaces in; with an address space it is a VPC."""

    id: RouterId
    number: int
    """1..2^31-1, unique for ever among routers and NAT gateways; names the namespace."""
    meta: Meta
    cidrs: tuple[IpPrefix, ...] = ()
    """The address space of a VPC, the first block first; empty: a plain router."""
    admin_state_up: bool = True
    gateway: ExternalGateway | None = None
    availability_zone_hints: tuple[str, ...] = ()
    status: PathStatus = PathStatus.BUILD
    """Once ACTIVE it stays so: a change is no reason to say that nothing works."""
