"""Instances on the wire, with their interfaces and the verbs on them."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

from starlette.routing import Route

from portlight.api.attributes import (
    STANDARD,
    Attributes,
    at_creation,
    parse_create,
    read_only,
    settable,
)
from portlight.api.neutron.ports import PORTS, render_port
from portlight.api.operation import Description, Operation, operation, removal, summary_of
from portlight.api.parser import Parse, narrowed
from portlight.api.resource import Resource, envelope
from portlight.api.resource_schema import create_schema, entity_schema
from portlight.api.schema import TEXT, WHOLE, Schema, array, one_word, or_null, shape
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.api.standard import grouped, related, render_standard
from portlight.api.wire import (
    Json,
    address,
    boolean,
    identifier,
    list_of,
    one_of,
    record,
)
from portlight.core.drafts import InstanceDraft, InterfaceRequest
from portlight.core.instance import Instance, InstanceKind, InstanceStatus, PowerState
from portlight.core.instances import check_interface
from portlight.core.port import Port
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.ids import InstanceId, PortId

_INTERFACE: Attributes = {
    "port_id": at_creation("port_id", identifier),
    "network_id": at_creation("network_id", identifier),
    "subnet_id": at_creation("subnet_id", identifier),
    "ip_address": at_creation("address", address),
    "security_groups": at_creation("security_groups", list_of(identifier)),
    "delete_on_termination": at_creation("delete_on_termination", boolean),
}

_PARSERS: dict[str, Parse] = {
    name: attribute.parse for name, attribute in _INTERFACE.items() if attribute.parse
}


_OF_A_NEW_PORT = ("network_id", "subnet_id", "ip_address", "security_groups")
_NEW_OR_PRESENT: Schema = {
    "anyOf": [
        {"required": ["port_id"], "properties": dict.fromkeys(_OF_A_NEW_PORT, False)},
        {"required": ["network_id"], "properties": {"port_id": False}},
        {"required": ["subnet_id"], "properties": {"port_id": False}},
    ]
}


def _interface(ip_address: object = None, **fields: object) -> InterfaceRequest:
    request = InterfaceRequest(address=ip_address, **fields)  # type: ignore[arg-type]  # the table above gives the types
    check_interface(request)
    return request


_SHOWN = (
    "network_id",
    "mac_address",
    "fixed_ips",
    "security_groups",
    "status",
    "device_index",
    "delete_on_termination",
)
_INTERFACE_SHOWN = shape(
    {"port_id": TEXT, **{name: PORTS.attributes[name].shown for name in _SHOWN}}, title="interface"
)

_ATTRIBUTES: Attributes = {
    **STANDARD,
    "kind": at_creation("kind", one_of(InstanceKind)),
    "interfaces": at_creation(
        "interfaces",
        list_of(narrowed(record(_interface, {}, **_PARSERS), _NEW_OR_PRESENT), 16),
        answer=array(_INTERFACE_SHOWN),
    ),
    "policy_routing": settable("policy_routing", boolean),
    "host": read_only(TEXT),
    "power_state": read_only(one_word(*PowerState)),
    "status": read_only(one_word(*InstanceStatus)),
    "boot": read_only(WHOLE),
    "renewals": read_only(WHOLE),
    "namespace": read_only(TEXT),
    "init_pid": read_only(or_null(WHOLE)),
}


def render_instances(cloud: Cloud, caller: Caller, instances: Sequence[Instance]) -> list[Json]:
    """Render instances with their interfaces, in the order of the guest."""
    ids = [instance.id for instance in instances]
    ports = grouped(related(cloud.ports, caller, "device_id", ids), lambda port: port.device_id)
    return [
        {
            **render_standard(instance.id, instance.meta),
            "host": instance.host,
            "kind": instance.kind,
            "policy_routing": instance.policy_routing,
            "power_state": instance.power_state,
            "status": instance.status,
            "boot": instance.boot,
            "renewals": instance.renewals,
            "namespace": instance.namespace,
            "init_pid": instance.init_pid,
            "interfaces": _render_interfaces(ports.get(instance.id, [])),
        }
        for instance in instances
    ]


def _render_interfaces(ports: list[Port]) -> list[Json]:
    ordered = sorted(ports, key=lambda port: (port.device_index is None, port.device_index))
    return [_render_interface(port) for port in ordered]


def _render_interface(port: Port) -> Json:
    rendered = render_port(port, is_admin=False)
    return {"port_id": port.id, **{name: rendered[name] for name in _SHOWN}}


INSTANCES: Resource[Instance, InstanceId, InstanceDraft, InstanceDraft] = Resource(
    name="instance",
    plural="instances",
    attributes=_ATTRIBUTES,
    identifier=InstanceId,
    draft=InstanceDraft,
    change=InstanceDraft,
    use=lambda cloud: cloud.instances,
    render=render_instances,
)


def instance_verb_routes(face: Face, base: str) -> list[Route]:
    """Return the routes of the verbs: power, and interfaces of a running instance."""
    one = f"{base}/instances/{{id}}"
    return [
        route(face, f"{one}/start", POST=_verb(Cloud.start_instance)),
        route(face, f"{one}/stop", POST=_verb(Cloud.stop_instance)),
        route(face, f"{one}/reboot", POST=_verb(Cloud.reboot_instance)),
        route(face, f"{one}/renew", POST=_verb(Cloud.renew_instance)),
        route(face, f"{one}/interfaces", POST=_attach),
        route(face, f"{one}/interfaces/{{port_id}}", DELETE=_detach),
    ]


def _verb(use_case: Callable[[Cloud, Caller, InstanceId], Instance]) -> Operation:
    def act(call: Call) -> Reply:
        instance = use_case(call.cloud, call.caller, InstanceId(call.path["id"]))
        (rendered,) = render_instances(call.cloud, call.caller, [instance])
        return Reply(status=HTTPStatus.ACCEPTED, document={"instance": rendered})

    answer = shape({INSTANCES.name: entity_schema(INSTANCES.name, _ATTRIBUTES)})
    return Operation(
        act,
        Description(summary=summary_of(use_case), status=HTTPStatus.ACCEPTED, answer=answer),
    )


@operation(
    body=shape({"interface": {**create_schema("interface", _INTERFACE), **_NEW_OR_PRESENT}}),
    status=HTTPStatus.CREATED,
    answer=shape({"interface": _INTERFACE_SHOWN}),
)
def _attach(call: Call) -> Reply:
    """Attach a port, present or new, whether the instance runs or not."""
    document = envelope(call.document(), "interface")
    request = InterfaceRequest(**parse_create(_INTERFACE, document))  # type: ignore[arg-type]  # the table gives the types
    port = call.cloud.attach_interface(call.caller, InstanceId(call.path["id"]), request)
    return Reply(status=HTTPStatus.CREATED, document={"interface": _render_interface(port)})


@removal
def _detach(call: Call) -> Reply:
    """Detach a port."""
    call.cloud.detach_interface(
        call.caller, InstanceId(call.path["id"]), PortId(call.path["port_id"])
    )
    return NO_CONTENT
