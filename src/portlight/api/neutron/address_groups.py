"""Address groups on the wire. Their addresses change by two verbs."""

from collections.abc import Callable, Sequence

from starlette.routing import Route

from portlight.api.attributes import STANDARD, Attributes, at_creation, read_only
from portlight.api.errors import BadRequestError
from portlight.api.operation import operation
from portlight.api.resource import Resource
from portlight.api.resource_schema import entity_schema
from portlight.api.schema import TRUTH, shape
from portlight.api.shell import Call, Face, Reply, route
from portlight.api.standard import render_standard
from portlight.api.wire import Json, list_of, loose_prefix
from portlight.core.address_group import AddressGroup
from portlight.core.address_groups import MAX_ADDRESSES
from portlight.core.drafts_groups import AddressGroupDraft
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.values.addresses import IpPrefix
from portlight.values.ids import AddressGroupId

Verb = Callable[[Call, AddressGroupId, Sequence[IpPrefix]], AddressGroup]

_ADDRESSES = list_of(loose_prefix, MAX_ADDRESSES)
_STANDARD: Attributes = {name: STANDARD[name] for name in STANDARD if name != "tags"}
_ATTRIBUTES: Attributes = {
    **_STANDARD,
    "addresses": at_creation("addresses", _ADDRESSES),
    "shared": read_only(TRUTH),
}
_CHANGE = shape({"addresses": _ADDRESSES.schema})
_ANSWER = shape({"address_group": entity_schema("address_group", _ATTRIBUTES)})


def _render(cloud: Cloud, caller: Caller, groups: Sequence[AddressGroup]) -> list[Json]:
    shared = cloud.shared_with(caller, AddressGroup)
    rendered = []
    for group in groups:
        standard = render_standard(group.id, group.meta)
        rendered.append(
            {
                **{name: standard[name] for name in _STANDARD},
                "addresses": [str(address) for address in group.addresses],
                "shared": group.id in shared,
            }
        )
    return rendered


ADDRESS_GROUPS: Resource[AddressGroup, AddressGroupId, AddressGroupDraft, AddressGroupDraft] = (
    Resource(
        name="address_group",
        plural="address_groups",
        attributes=_ATTRIBUTES,
        identifier=AddressGroupId,
        draft=AddressGroupDraft,
        change=AddressGroupDraft,
        use=lambda cloud: cloud.address_groups,
        render=_render,
    )
)


def address_group_verb_routes(face: Face, base: str) -> list[Route]:
    """Return the routes that add and remove addresses."""
    one = f"{base}/address-groups/{{id}}"
    return [
        route(face, f"{one}/add_addresses", PUT=_add_addresses),
        route(face, f"{one}/remove_addresses", PUT=_remove_addresses),
    ]


@operation(body=_CHANGE, answer=_ANSWER)
def _add_addresses(call: Call) -> Reply:
    """Put addresses into an address group."""
    return _change(call, _add)


@operation(body=_CHANGE, answer=_ANSWER)
def _remove_addresses(call: Call) -> Reply:
    """Take addresses out of an address group."""
    return _change(call, _remove)


def _add(call: Call, group: AddressGroupId, addresses: Sequence[IpPrefix]) -> AddressGroup:
    return call.cloud.address_groups.add_addresses(call.caller, group, addresses)


def _remove(call: Call, group: AddressGroupId, addresses: Sequence[IpPrefix]) -> AddressGroup:
    return call.cloud.address_groups.remove_addresses(call.caller, group, addresses)


def _change(call: Call, verb: Verb) -> Reply:
    document = call.document()
    if document.keys() != {"addresses"}:
        raise BadRequestError("The body must be an object with the one key 'addresses'.")
    addresses = _ADDRESSES("addresses", document["addresses"])
    changed = verb(call, AddressGroupId(call.path["id"]), addresses)
    (rendered,) = _render(call.cloud, call.caller, [changed])
    return Reply(document={"address_group": rendered})
