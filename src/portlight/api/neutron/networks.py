"""Networks on the wire."""

from collections.abc import Sequence

from portlight.api.attributes import STANDARD, Attributes, at_creation, read_only, settable
from portlight.api.resource import Resource
from portlight.api.schema import TEXT, TRUTH, array, or_null
from portlight.api.standard import grouped, related, render_standard
from portlight.api.wire import Json, boolean, integer, only
from portlight.core.drafts import NetworkDraft
from portlight.core.network import Network
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import NetworkId

_ATTRIBUTES: Attributes = {
    **STANDARD,
    "admin_state_up": settable("admin_state_up", boolean),
    "shared": settable("shared", boolean),
    "mtu": settable("mtu", integer(0, 65_535)),
    "port_security_enabled": settable("port_security_enabled", boolean),
    "router:external": at_creation(None, only(value=False, why="there is no external network")),
    "l2_adjacency": read_only(TRUTH),
    "status": read_only(TEXT),
    "subnets": read_only(array(TEXT)),
    "availability_zone_hints": read_only(array(TEXT)),
    "availability_zones": read_only(array(TEXT)),
    "ipv4_address_scope": read_only(or_null(TEXT)),
    "ipv6_address_scope": read_only(or_null(TEXT)),
}


def _render(cloud: Cloud, caller: Caller, networks: Sequence[Network]) -> list[Json]:
    ids = [network.id for network in networks]
    subnets = grouped(
        related(cloud.subnets, caller, "network_id", ids),
        lambda subnet: subnet.network_id,
    )
    shared = cloud.shared_with(caller, Network)
    return [
        {
            **render_standard(network.id, network.meta),
            "admin_state_up": network.admin_state_up,
            "shared": network.id in shared,
            "mtu": network.mtu,
            "port_security_enabled": network.port_security_enabled,
            "router:external": False,
            "l2_adjacency": True,
            "status": "ACTIVE",
            "subnets": [subnet.id for subnet in subnets.get(network.id, ())],
            "availability_zone_hints": [],
            "availability_zones": [],
            "ipv4_address_scope": None,
            "ipv6_address_scope": None,
        }
        for network in networks
    ]


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
