"""Port forwardings on the wire, below the floating IP whose ports they lead on."""

from collections.abc import Sequence

from portlight.api.attributes import Attribute, Attributes, read_only, settable
from portlight.api.parser import Parser, given_or_not, parser, refuse
from portlight.api.resource import Parent, Resource
from portlight.api.schema import TEXT
from portlight.api.wire import Json, address, identifier, integer, text
from portlight.core.drafts_routing import PortForwardingDraft
from portlight.core.floating_ip import PortForwarding
from portlight.core.protocols import TCP, UDP
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import FloatingIpId, PortForwardingId
from portlight.values.ranges import MAX_PORT, PortRange

_PROTOCOLS = {"tcp": TCP, "udp": UDP}
_PROTOCOL_NAMES = {number: name for name, number in _PROTOCOLS.items()}
_PORT = integer(1, MAX_PORT)
_PORT_TEXT = "[1-9][0-9]{0,4}"


@parser({"type": "string", "enum": sorted(_PROTOCOLS)})
def _protocol(field: str, raw: object) -> int:
    """Accept the name of a protocol that has ports which can be led on."""
    if not isinstance(raw, str) or raw.lower() not in _PROTOCOLS:
        refuse(field, f"'{raw}' is not in {sorted(_PROTOCOLS)}")
    return _PROTOCOLS[raw.lower()]


def _one_port(field: str, raw: object) -> PortRange:
    number = _PORT(field, raw)
    return PortRange(first=number, last=number)


@parser({"type": "string", "pattern": f"^{_PORT_TEXT}(:{_PORT_TEXT})?$"})
def _ports(field: str, raw: object) -> PortRange:
    """Accept `first:last`, or one port."""
    if not isinstance(raw, str):
        refuse(field, f"'{raw}' is not a range of ports")
    first, _, last = raw.partition(":")
    ends = [_PORT(field, end) for end in (first, last or first)]
    if ends[0] > ends[1]:
        refuse(field, f"'{raw}' ends before it begins")
    return PortRange(first=ends[0], last=ends[1])


_SINGLE = given_or_not(Parser(_one_port, _PORT.schema, _PORT.shown))
_RANGE = given_or_not(_ports)
_ATTRIBUTES: Attributes = {
    "id": read_only(TEXT),
    "project_id": Attribute(parse=identifier, on_update=False, is_rendered=False),
    "tenant_id": Attribute(parse=identifier, on_update=False, is_rendered=False),
    "description": settable("description", text()),
    "protocol": Attribute(parse=_protocol, draft="protocol", required=True),
    "external_port": settable("external_ports", _SINGLE),
    "external_port_range": settable("external_ports", _RANGE),
    "internal_port": settable("internal_ports", _SINGLE),
    "internal_port_range": settable("internal_ports", _RANGE),
    "internal_ip_address": settable("internal_address", given_or_not(address)),
    "internal_port_id": Attribute(parse=identifier, draft="internal_port_id", required=True),
}


def render_forwarding(forwarding: PortForwarding) -> Json:
    """Render a forwarding; what is several ports is no single one."""
    return {
        "id": forwarding.id,
        "protocol": _PROTOCOL_NAMES[forwarding.protocol],
        **_render_ports("external_port", forwarding.external_ports),
        **_render_ports("internal_port", forwarding.internal_ports),
        "internal_ip_address": str(forwarding.internal_address),
        "internal_port_id": forwarding.internal_port_id,
        "description": forwarding.meta.description,
    }


def _render_ports(name: str, ports: PortRange) -> Json:
    single = ports.first if ports.first == ports.last else None
    return {name: single, f"{name}_range": f"{ports.first}:{ports.last}"}


def _render(_cloud: Cloud, _caller: Caller, found: Sequence[PortForwarding]) -> list[Json]:
    return [render_forwarding(forwarding) for forwarding in found]


PORT_FORWARDINGS: Resource[
    PortForwarding, PortForwardingId, PortForwardingDraft, PortForwardingDraft
] = Resource(
    name="port_forwarding",
    plural="port_forwardings",
    attributes=_ATTRIBUTES,
    identifier=PortForwardingId,
    draft=PortForwardingDraft,
    change=PortForwardingDraft,
    use=lambda cloud: cloud.port_forwardings,
    render=_render,
    where={"internal_port_id": "internal_port_id"},
    parent=Parent(
        key="floating_ip_id",
        of=lambda forwarding: forwarding.floating_ip_id,
        find=lambda cloud, caller, one: cloud.floating_ips.get(caller, FloatingIpId(one)),
    ),
)
