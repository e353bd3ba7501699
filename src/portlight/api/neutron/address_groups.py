"""Address groups on the wire. Their addresses change by two verbs."""

from collections.abc import Callable, Sequence

from starlette.routing import Route

from portlight.api.attributes import READ_ONLY, STANDARD, Attributes, at_creation
from portlight.api.errors import BadRequestError
from portlight.api.resource import Resource
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
    "shared": READ_ONLY,
}


def _render(_cloud: Cloud, _caller: Caller, groups: Sequence[AddressGroup]) -> list[Json]:
    return [_render_one(group) for group in groups]


def _render_one(group: AddressGroup) -> Json:
    standard = render_standard(group.id, group.meta)
    return {
        **{name: standard[name] for name in _STANDARD},
        "addresses": [str(address) for address in group.addresses],
        "shared": False,
    }


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
        route(face, f"{one}/add_addresses", PUT=lambda call: _change(call, _add)),
        route(face, f"{one}/remove_addresses", PUT=lambda call: _change(call, _remove)),
    ]


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
    return Reply(document={"address_group": _render_one(changed)})
