"""Virtual IPs on the wire: the reservation, its members, and what the hosts have seen of it."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.routing import Route

from portlight.api.attributes import STANDARD, Attributes, at_creation, read_only, settable
from portlight.api.operation import operation, removal
from portlight.api.resource import Resource, envelope
from portlight.api.resource_schema import entity_schema
from portlight.api.schema import MOMENT, TEXT, TRUTH, WHOLE, array, or_null, shape
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.api.standard import related, render_standard
from portlight.api.wire import (
    Json,
    address,
    identifier,
    integer,
    list_of,
    moment,
    nullable,
    one_of,
    record,
)
from portlight.core.drafts import VirtualIpDraft
from portlight.core.port import Port
from portlight.core.virtual_ip import (
    ClaimPolicy,
    VirtualIp,
    VirtualIpMember,
    VirtualIpMove,
    VirtualIpState,
)
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import PortId, VirtualIpId


def _new_owner(port_id: PortId) -> PortId:
    return port_id


def _member(port_id: PortId, virtual_router_id: int | None = None) -> VirtualIpMember:
    return VirtualIpMember(port_id=port_id, virtual_router_id=virtual_router_id)


_MEMBER = record(_member, {"port_id": identifier}, virtual_router_id=nullable(integer(1, 255)))

_MEMBER_SHOWN = shape(
    {
        "port_id": TEXT,
        "virtual_router_id": or_null(WHOLE),
        "device_id": TEXT,
        "ip_addresses": array(TEXT),
    }
)
_MOVE = shape(
    {
        "at": MOMENT,
        "from_port_id": or_null(TEXT),
        "to_port_id": TEXT,
        "mac_address": TEXT,
        "kind": TEXT,
    }
)
_STATE = shape(
    {
        "virtual_ip_id": TEXT,
        "owner_port_id": or_null(TEXT),
        "owner_mac": or_null(TEXT),
        "last_announced_at": or_null(MOMENT),
        "split_brain": TRUTH,
        "split_brain_since": or_null(MOMENT),
        "contenders": array(TEXT),
        "moves": array(_MOVE),
    },
    title="virtual_ip_state",
)
_NEW_OWNER = record(_new_owner, {"port_id": identifier})

_ATTRIBUTES: Attributes = {
    **STANDARD,
    "subnet_id": at_creation("subnet_id", identifier, required=True),
    "ip_address": at_creation("address", address),
    "members": settable("members", list_of(_MEMBER), answer=array(_MEMBER_SHOWN)),
    "claim_policy": settable("claim_policy", one_of(ClaimPolicy)),
    "pinned_owner": settable("pinned_owner", nullable(identifier)),
    "network_id": read_only(TEXT),
    "port_id": read_only(TEXT),
}


def _render(cloud: Cloud, caller: Caller, virtual_ips: Sequence[VirtualIp]) -> list[Json]:
    ids = sorted({member.port_id for one in virtual_ips for member in one.members})
    ports = {port.id: port for port in related(cloud.ports, caller, "id", ids)}
    return [
        {
            **render_standard(one.id, one.meta),
            "network_id": one.network_id,
            "subnet_id": one.subnet_id,
            "port_id": one.port_id,
            "ip_address": str(one.address),
            "members": [
                _render_member(member, ports.get(member.port_id)) for member in one.members
            ],
            "claim_policy": one.claim_policy,
            "pinned_owner": one.pinned_owner,
        }
        for one in virtual_ips
    ]


def _render_member(member: VirtualIpMember, port: Port | None) -> Json:
    """Render a member with the device and the addresses that the opening is for (row N27)."""
    return {
        "port_id": member.port_id,
        "virtual_router_id": member.virtual_router_id,
        "device_id": port.device_id if port else "",
        "ip_addresses": [str(one.address) for one in port.fixed_ips] if port else [],
    }


VIRTUAL_IPS: Resource[VirtualIp, VirtualIpId, VirtualIpDraft, VirtualIpDraft] = Resource(
    name="virtual_ip",
    plural="virtual_ips",
    attributes=_ATTRIBUTES,
    identifier=VirtualIpId,
    draft=VirtualIpDraft,
    change=VirtualIpDraft,
    use=lambda cloud: cloud.virtual_ips,
    render=_render,
    where={"network_id": "network_id", "subnet_id": "subnet_id"},
)


def virtual_ip_verb_routes(face: Face, base: str) -> list[Route]:
    """Return the routes of members, moves and the observed state."""
    one = f"{base}/virtual-ips/{{id}}"
    return [
        route(face, f"{one}/members", POST=_add_member),
        route(face, f"{one}/members/{{port_id}}", DELETE=_remove_member),
        route(face, f"{one}/move", POST=_move),
        route(face, f"{one}/state", GET=_state),
    ]


def render_state(state: VirtualIpState) -> Json:
    """Render owner, alarm and history of a virtual IP."""
    return {
        "virtual_ip_id": state.virtual_ip_id,
        "owner_port_id": state.owner_port_id,
        "owner_mac": None if state.owner_mac is None else str(state.owner_mac),
        "last_announced_at": _moment(state.last_announced_at),
        "split_brain": state.split_brain,
        "split_brain_since": _moment(state.split_brain_since),
        "contenders": list(state.contenders),
        "moves": [_render_move(move) for move in state.moves],
    }


def _render_move(move: VirtualIpMove) -> Json:
    return {
        "at": _moment(move.at),
        "from_port_id": move.from_port_id,
        "to_port_id": move.to_port_id,
        "mac_address": str(move.mac),
        "kind": move.kind,
    }


def _moment(seconds: float | None) -> str | None:
    """Render an observed instant with its microseconds: failovers are faster than a second."""
    return None if seconds is None else moment(seconds)


def _reply(call: Call, virtual_ip: VirtualIp, status: HTTPStatus) -> Reply:
    (rendered,) = _render(call.cloud, call.caller, [virtual_ip])
    return Reply(status=status, document={"virtual_ip": rendered})


def _identifier(call: Call) -> VirtualIpId:
    return VirtualIpId(call.path["id"])


@operation(
    body=shape({"member": _MEMBER.schema}),
    status=HTTPStatus.CREATED,
    answer=shape({VIRTUAL_IPS.name: entity_schema(VIRTUAL_IPS.name, _ATTRIBUTES)}),
)
def _add_member(call: Call) -> Reply:
    """Let a port hold the address."""
    member = _MEMBER("member", envelope(call.document(), "member"))
    changed = call.cloud.add_virtual_ip_member(call.caller, _identifier(call), member)
    return _reply(call, changed, HTTPStatus.CREATED)


@removal
def _remove_member(call: Call) -> Reply:
    """Forbid a port to hold the address."""
    call.cloud.remove_virtual_ip_member(
        call.caller, _identifier(call), PortId(call.path["port_id"])
    )
    return NO_CONTENT


@operation(body=_NEW_OWNER.schema, answer=shape({"virtual_ip_state": _STATE}))
def _move(call: Call) -> Reply:
    """Make a member the owner."""
    port_id = _NEW_OWNER("body", call.document())
    call.cloud.move_virtual_ip(call.caller, _identifier(call), port_id)
    return _state(call)


@operation(answer=shape({"virtual_ip_state": _STATE}))
def _state(call: Call) -> Reply:
    """Show the owner, the alarm and the latest moves."""
    state = call.cloud.virtual_ip_state(call.caller, _identifier(call))
    return Reply(document={"virtual_ip_state": render_state(state)})
