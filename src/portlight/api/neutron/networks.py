"""Networks on the wire."""

from collections.abc import Mapping, Sequence

from portlight.api.attributes import STANDARD, Attributes, at_creation, read_only, settable
from portlight.api.resource import Resource
from portlight.api.schema import TEXT, TRUTH, array, or_null
from portlight.api.standard import grouped, related, render_standard
from portlight.api.wire import Json, boolean, either, integer, list_of, one_number, only, text
from portlight.core.drafts import NetworkDraft
from portlight.core.network import Network, Subnet
from portlight.core.networks import MAX_MTU, MIN_MTU, ZONES
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import AddressScopeId, NetworkId, SubnetPoolId

_NO_PROVIDER = "no physical network is known"

_ATTRIBUTES: Attributes = {
    **STANDARD,
    "admin_state_up": settable("admin_state_up", boolean),
    "shared": settable("shared", boolean),
    "mtu": settable("mtu", either(one_number(0), integer(MIN_MTU, MAX_MTU))),
    "port_security_enabled": settable("port_security_enabled", boolean),
    "router:external": settable("external", boolean),
    "is_default": settable(None, only(value=False, why="there is no automatic topology")),
    "dns_domain": settable("dns_domain", text()),
    "provider:network_type": at_creation(None, only("local", why="every network is local")),
    "provider:physical_network": at_creation(None, only(None, why=_NO_PROVIDER)),
    "provider:segmentation_id": at_creation(None, only(None, why=_NO_PROVIDER)),
    "l2_adjacency": read_only(TRUTH),
    "status": read_only(TEXT),
    "subnets": read_only(array(TEXT)),
    "availability_zone_hints": at_creation("availability_zone_hints", list_of(text())),
    "availability_zones": read_only(array(TEXT)),
    "ipv4_address_scope": read_only(or_null(TEXT)),
    "ipv6_address_scope": read_only(or_null(TEXT)),
}


_PROVIDER: Json = {
    "provider:network_type": "local",
    "provider:physical_network": None,
    "provider:segmentation_id": None,
}


def _render(cloud: Cloud, caller: Caller, networks: Sequence[Network]) -> list[Json]:
    ids = [network.id for network in networks]
    subnets = grouped(
        related(cloud.subnets, caller, "network_id", ids),
        lambda subnet: subnet.network_id,
    )
    scopes = cloud.subnet_pools.scopes_of(subnet for of in subnets.values() for subnet in of)
    external = cloud.external_networks(networks)
    shared = cloud.shared_with(caller, Network)
    return [
        {
            **render_standard(network.id, network.meta),
            "admin_state_up": network.admin_state_up,
            "shared": network.id in shared,
            "mtu": network.mtu,
            "port_security_enabled": network.port_security_enabled,
            "router:external": network.id in external,
            "dns_domain": network.dns_domain,
            "l2_adjacency": True,
            "status": "ACTIVE",
            "subnets": [subnet.id for subnet in subnets.get(network.id, ())],
            "availability_zone_hints": list(network.availability_zone_hints),
            "availability_zones": _zones(subnets.get(network.id, ())),
            "ipv4_address_scope": _scope(subnets.get(network.id, ()), scopes, 4),
            "ipv6_address_scope": _scope(subnets.get(network.id, ()), scopes, 6),
            **(_PROVIDER if caller.is_admin else {}),
            **({"is_default": False} if network.id in external else {}),
        }
        for network in networks
    ]


def _zones(subnets: Sequence[Subnet]) -> list[str]:
    """Return where the network has a server: it has one while a subnet wants DHCP."""
    return list(ZONES) if any(subnet.enable_dhcp for subnet in subnets) else []


def _scope(
    subnets: Sequence[Subnet], scopes: Mapping[SubnetPoolId, AddressScopeId], version: int
) -> AddressScopeId | None:
    """Return the address scope of the network's subnets of a family: they all have the same."""
    found = (
        scopes.get(subnet.subnetpool_id)
        for subnet in subnets
        if subnet.subnetpool_id is not None and subnet.cidr.version == version
    )
    return next(found, None)


NETWORKS: Resource[Network, NetworkId, NetworkDraft, NetworkDraft] = Resource(
    name="network",
    plural="networks",
    attributes=_ATTRIBUTES,
    identifier=NetworkId,
    draft=NetworkDraft,
    change=NetworkDraft,
    use=lambda cloud: cloud.networks,
    render=_render,
)
