"""Public addresses on the native API: by address, and by the interface of an instance."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import cast

from starlette.routing import Route

from portlight.api.attributes import STANDARD, Attributes, at_creation, read_only, settable
from portlight.api.operation import Parameters, operation
from portlight.api.query import Matcher, Query
from portlight.api.resource import Resource, envelope, parse_draft
from portlight.api.resource_schema import create_schema, entity_schema
from portlight.api.schema import TEXT, one_word, or_null, shape
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.api.standard import render_standard
from portlight.api.wire import Json, address, boolean, identifier, one_of, text
from portlight.core.floating_ip import FloatingIp
from portlight.core.public_ips import Flows, PublicIpDraft, PublicIpStatus
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.public_ips import PublicIpDetails
from portlight.values.ids import FloatingIpId, InstanceId, PortId

_RELATED_WORDS = (
    "id",
    "name",
    "status",
    "type",
    "device_id",
    "device_name",
    "device_owner",
    "subnet_id",
    "subnet_name",
    "subnet_cidr",
    "vpc_id",
    "vpc_name",
)
_RELATED = shape(dict.fromkeys(_RELATED_WORDS, TEXT), title="related_resource")
_FLOWS = one_of(Flows)
_UNFIT = frozenset({HTTPStatus.BAD_REQUEST})
"""The interface has no address that a public one can stand for."""
_TAKING_OFF: Parameters = {"release": boolean.schema, "flows": _FLOWS.schema}
_ATTRIBUTES: Attributes = {
    **STANDARD,
    "public_ip": at_creation("address", address),
    "network_id": at_creation("network_id", identifier),
    "label": settable("label", text(64)),
    "delete_protection": settable("delete_protection", boolean),
    "private_ip": read_only(or_null(TEXT)),
    "status": read_only(one_word(*PublicIpStatus)),
    "related_resource": read_only(or_null(_RELATED)),
}


def _render(cloud: Cloud, _caller: Caller, found: Sequence[FloatingIp]) -> list[Json]:
    details = cloud.public_ips.details(found)
    return [
        {
            **render_standard(one.id, one.meta),
            "public_ip": str(one.address),
            "network_id": one.floating_network_id,
            "label": one.label,
            "delete_protection": one.delete_protection,
            "private_ip": None if one.fixed_ip_address is None else str(one.fixed_ip_address),
            "status": details[one.id].status,
            "related_resource": _render_related(details[one.id]),
        }
        for one in found
    ]


def _render_related(detail: PublicIpDetails) -> Json | None:
    port, subnet, router = detail.port, detail.subnet, detail.router
    if port is None:
        return None
    return {
        "id": port.id,
        "name": port.meta.name,
        "status": port.status,
        "type": detail.device_type,
        "device_id": port.device_id,
        "device_name": detail.device_name,
        "device_owner": port.device_owner,
        "subnet_id": subnet.id if subnet else "",
        "subnet_name": subnet.meta.name if subnet else "",
        "subnet_cidr": str(subnet.cidr) if subnet else "",
        "vpc_id": router.id if router else "",
        "vpc_name": router.meta.name if router else "",
    }


def _related(member: str) -> Matcher:
    def matches(item: Json, values: Sequence[str]) -> bool:
        related = cast("dict[str, str] | None", item["related_resource"])
        return related is not None and related[member] in values

    return matches


PUBLIC_IPS: Resource[FloatingIp, FloatingIpId, PublicIpDraft, PublicIpDraft] = Resource(
    name="public_ip",
    plural="public_ips",
    attributes=_ATTRIBUTES,
    identifier=FloatingIpId,
    draft=PublicIpDraft,
    change=PublicIpDraft,
    use=lambda cloud: cloud.public_ips,
    render=_render,
    where={"public_ip": "address", "network_id": "floating_network_id"},
    matchers={"related_resource_id": _related("id"), "related_resource_name": _related("name")},
)
_ANSWER = shape({PUBLIC_IPS.name: entity_schema(PUBLIC_IPS.name, _ATTRIBUTES)})


def public_ip_verb_routes(face: Face, base: str) -> list[Route]:
    """Return the routes that put addresses on interfaces, and take them off."""
    by_address = f"{base}/public-ips/{{id}}/network-interfaces/{{port_id}}"
    by_interface = f"{base}/instances/{{instance_id}}/network-interfaces/{{port_id}}/public-ips"
    return [
        route(face, by_address, PUT=_associate, DELETE=_disassociate),
        route(face, by_interface, POST=_allocate_for, DELETE=_clear),
        route(face, f"{by_interface}/{{id}}", PUT=_associate_to_instance),
    ]


@operation(answer=_ANSWER, refusals=_UNFIT)
def _associate(call: Call) -> Reply:
    """Put a public address on an interface; one that is elsewhere moves."""
    return _shown(call, call.cloud.public_ips.associate(call.caller, _id(call), _port(call)))


@operation(query=_TAKING_OFF, status=HTTPStatus.NO_CONTENT, answer=None)
def _disassociate(call: Call) -> Reply:
    """Take a public address off an interface, and with `release` give it back in the same step."""
    call.cloud.public_ips.disassociate(
        call.caller, _id(call), _port(call), _flows(call.query), release=_releases(call.query)
    )
    return NO_CONTENT


@operation(
    body=shape({PUBLIC_IPS.name: create_schema(PUBLIC_IPS.name, _ATTRIBUTES)}),
    status=HTTPStatus.CREATED,
    answer=_ANSWER,
)
def _allocate_for(call: Call) -> Reply:
    """Take a public address for an interface of an instance."""
    draft = parse_draft(PUBLIC_IPS, envelope(call.document(), PUBLIC_IPS.name))
    made = call.cloud.public_ips.allocate_for(call.caller, _instance(call), _port(call), draft)
    return _shown(call, made, HTTPStatus.CREATED)


@operation(answer=_ANSWER, refusals=_UNFIT)
def _associate_to_instance(call: Call) -> Reply:
    """Put a public address on an interface of an instance."""
    changed = call.cloud.public_ips.associate(call.caller, _id(call), _port(call), _instance(call))
    return _shown(call, changed)


@operation(query=_TAKING_OFF, status=HTTPStatus.NO_CONTENT, answer=None)
def _clear(call: Call) -> Reply:
    """Take the public address off an interface of an instance."""
    call.cloud.public_ips.clear(
        call.caller,
        _instance(call),
        _port(call),
        _flows(call.query),
        release=_releases(call.query),
    )
    return NO_CONTENT


def _shown(call: Call, one: FloatingIp, status: HTTPStatus = HTTPStatus.OK) -> Reply:
    (rendered,) = _render(call.cloud, call.caller, [one])
    return Reply(status=status, document={PUBLIC_IPS.name: rendered})


def _id(call: Call) -> FloatingIpId:
    return FloatingIpId(call.path["id"])


def _port(call: Call) -> PortId:
    return PortId(call.path["port_id"])


def _instance(call: Call) -> InstanceId:
    return InstanceId(call.path["instance_id"])


def _releases(query: Query) -> bool:
    return boolean("release", query["release"][-1]) if "release" in query else False


def _flows(query: Query) -> Flows:
    return _FLOWS("flows", query["flows"][-1]) if "flows" in query else Flows.CUT
