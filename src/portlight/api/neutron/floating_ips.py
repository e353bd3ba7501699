"""Floating IPs on the wire, with NHN's `label` and `delete_protection`."""

from collections.abc import Sequence

from portlight.api.attributes import (
    STANDARD,
    Attribute,
    Attributes,
    at_creation,
    read_only,
    settable,
)
from portlight.api.neutron.port_forwardings import render_forwarding
from portlight.api.resource import Resource
from portlight.api.schema import TEXT, array, one_word, or_null
from portlight.api.standard import render_standard
from portlight.api.wire import Json, address, boolean, identifier, nullable, text
from portlight.core.drafts_routing import FloatingIpDraft
from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.port import Port
from portlight.core.router import PathStatus
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.floating_ips import FloatingIpDetails
from portlight.values.ids import FloatingIpId

LABEL_LENGTH = 64
_FORWARDING_FIELDS = (
    "id",
    "protocol",
    "internal_ip_address",
    "internal_port_id",
    "internal_port",
    "external_port",
)
"""Of a forwarding beside its floating IP."""
_ATTRIBUTES: Attributes = {
    **{name: one for name, one in STANDARD.items() if name != "name"},
    "floating_network_id": at_creation("floating_network_id", identifier, required=True),
    "floating_ip_address": at_creation("address", nullable(address)),
    "subnet_id": Attribute(
        parse=nullable(identifier), draft="subnet_id", on_update=False, is_rendered=False
    ),
    "port_id": settable("port_id", nullable(identifier)),
    "fixed_ip_address": settable("fixed_ip_address", nullable(address)),
    "router_id": read_only(or_null(TEXT)),
    "status": read_only(one_word("ACTIVE", "DOWN")),
    "port_details": read_only(or_null({"type": "object"})),
    "port_forwardings": read_only(array({"type": "object"})),
    "label": settable("label", text(LABEL_LENGTH)),
    "delete_protection": settable("delete_protection", boolean),
}


def _render(cloud: Cloud, _caller: Caller, found: Sequence[FloatingIp]) -> list[Json]:
    details = cloud.floating_ips.details(found)
    return [_render_one(one, details.get(one.id, FloatingIpDetails())) for one in found]


def _render_one(one: FloatingIp, details: FloatingIpDetails) -> Json:
    standard = render_standard(one.id, one.meta)
    del standard["name"]
    return {
        **standard,
        "floating_network_id": one.floating_network_id,
        "floating_ip_address": str(one.address),
        "port_id": one.port_id,
        "fixed_ip_address": None if one.fixed_ip_address is None else str(one.fixed_ip_address),
        "router_id": one.router_id,
        # Neutron has no word for what is not yet in place
        "status": "ACTIVE" if one.status is PathStatus.ACTIVE else "DOWN",
        "port_details": None if details.port is None else _render_port(details.port),
        "port_forwardings": [_render_forwarding(one) for one in details.forwardings],
        "label": one.label,
        "delete_protection": one.delete_protection,
    }


def _render_forwarding(forwarding: PortForwarding) -> Json:
    rendered = render_forwarding(forwarding)
    return {name: rendered[name] for name in _FORWARDING_FIELDS}


def _render_port(port: Port) -> Json:
    return {
        "name": port.meta.name,
        "network_id": port.network_id,
        "mac_address": str(port.mac),
        "admin_state_up": port.admin_state_up,
        "status": port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
    }


FLOATING_IPS: Resource[FloatingIp, FloatingIpId, FloatingIpDraft, FloatingIpDraft] = Resource(
    name="floatingip",
    plural="floatingips",
    attributes=_ATTRIBUTES,
    identifier=FloatingIpId,
    draft=FloatingIpDraft,
    change=FloatingIpDraft,
    use=lambda cloud: cloud.floating_ips,
    render=_render,
    where={
        "floating_network_id": "floating_network_id",
        "floating_ip_address": "address",
        "port_id": "port_id",
        "router_id": "router_id",
    },
)
