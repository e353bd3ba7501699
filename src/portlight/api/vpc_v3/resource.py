"""The verbs that every kind on this face has. What a kind is stands in a row of facts.

Everything is of the project in the address, for administrators too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Generic

from starlette.routing import Route

from portlight.api.attributes import Attributes, parse_create, parse_update
from portlight.api.operation import Description, Operation
from portlight.api.resource import envelope
from portlight.api.resource_schema import create_schema, entity_schema, update_schema
from portlight.api.schema import TEXT, Schema, array, shape
from portlight.api.shell import NO_CONTENT, Call, Face, Reply, route
from portlight.api.vpc_v3.listing import PAGE_INFO, Listing, read_page
from portlight.api.wire import Json
from portlight.core.errors import NotFoundError
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.collection import C, Collection, D, I
from portlight.service.sharing import O
from portlight.service.work import LABELS
from portlight.values.ids import MirrorFilterId

BASE = "/v3/{project_id}/vpc"


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcResource(Generic[O, I, D, C]):
    """A kind of resource on this face: entity, identifier, draft to create, draft to change."""

    name: str
    plural: str
    attributes: Attributes
    identifier: Callable[[str], I]
    draft: Callable[..., D]
    change: Callable[..., C]
    use: Callable[[Cloud], Collection[O, I, D, C]]
    render: Callable[[Cloud, Caller, Sequence[O]], list[Json]]
    listing: Listing[O]
    filters_of: Callable[[D | C], Sequence[MirrorFilterId]] = lambda _: ()
    """The mirror filters that a draft names."""

    @property
    def path(self) -> str:
        """The address of the collection."""
        return f"{BASE}/{self.plural.replace('_', '-')}"

    @property
    def schema(self) -> Schema:
        """What one looks like in an answer."""
        return entity_schema(self.name, self.attributes)


def answer_schema(**members: Schema) -> Schema:
    """Return the schema of an answer: each carries its number."""
    return shape({**members, "request_id": TEXT})


def resource_routes(face: Face, resource: VpcResource[O, I, D, C]) -> list[Route]:
    """Return the routes of the collection and of one member."""
    told = _describe(resource)
    return [
        route(
            face,
            resource.path,
            GET=Operation(partial(_list, resource), told["list"]),
            POST=Operation(partial(_create, resource), told["create"]),
        ),
        route(
            face,
            f"{resource.path}/{{id}}",
            GET=Operation(partial(_show, resource), told["show"]),
            PUT=Operation(partial(_update, resource), told["update"]),
            DELETE=Operation(partial(_delete, resource), told["delete"]),
        ),
    ]


def own_id(resource: VpcResource[O, I, D, C], call: Call) -> I:
    """Return the identifier in the address; raise NotFoundError for a thing of another project."""
    identifier = resource.identifier(call.path["id"])
    _check_own(call, resource.use(call.cloud), identifier)
    return identifier


def check_own_filters(call: Call, filters: Sequence[MirrorFilterId]) -> None:
    """Raise NotFoundError for a filter of another project."""
    for one in filters:
        _check_own(call, call.cloud.mirror_filters, one)


def _check_own(call: Call, use: Collection[O, I, D, C], identifier: I) -> None:
    entity = use.get(call.caller, identifier)
    if entity.meta.project_id != call.caller.project_id:
        raise NotFoundError(LABELS[type(entity)], identifier)


def reply_with(
    resource: VpcResource[O, I, D, C],
    call: Call,
    entity: O,
    status: HTTPStatus = HTTPStatus.OK,
) -> Reply:
    """Return the answer that shows one."""
    (rendered,) = resource.render(call.cloud, call.caller, [entity])
    return Reply(status=status, document={resource.name: rendered})


def _list(resource: VpcResource[O, I, D, C], call: Call) -> Reply:
    find = partial(resource.use(call.cloud).find, call.caller)
    page = read_page(resource.listing, call.query, call.caller.project_id, find)
    rendered = resource.render(call.cloud, call.caller, page.items)
    return Reply(document={resource.plural: rendered, "page_info": page.info})


def _create(resource: VpcResource[O, I, D, C], call: Call) -> Reply:
    document = envelope(call.document(), resource.name)
    draft = resource.draft(**parse_create(resource.attributes, document))
    check_own_filters(call, resource.filters_of(draft))
    made = resource.use(call.cloud).create(call.caller, draft)
    return reply_with(resource, call, made, HTTPStatus.CREATED)


def _show(resource: VpcResource[O, I, D, C], call: Call) -> Reply:
    identifier = own_id(resource, call)
    return reply_with(resource, call, resource.use(call.cloud).get(call.caller, identifier))


def _update(resource: VpcResource[O, I, D, C], call: Call) -> Reply:
    document = envelope(call.document(), resource.name)
    change = resource.change(**parse_update(resource.attributes, document))
    identifier = own_id(resource, call)
    check_own_filters(call, resource.filters_of(change))
    changed = resource.use(call.cloud).update(call.caller, identifier, change)
    return reply_with(resource, call, changed)


def _delete(resource: VpcResource[O, I, D, C], call: Call) -> Reply:
    resource.use(call.cloud).delete(call.caller, own_id(resource, call))
    return NO_CONTENT


def _describe(resource: VpcResource[O, I, D, C]) -> Mapping[str, Description]:
    one, words = resource.name.replace("_", " "), resource.plural.replace("_", " ")
    shown = answer_schema(**{resource.name: resource.schema})
    return {
        "create": Description(
            summary=f"Create a {one}",
            body=shape({resource.name: create_schema(resource.name, resource.attributes)}),
            status=HTTPStatus.CREATED,
            answer=shown,
        ),
        "list": Description(
            summary=f"List {words}",
            query=resource.listing.parameters,
            answer=answer_schema(**{resource.plural: array(resource.schema)}, page_info=PAGE_INFO),
        ),
        "show": Description(summary=f"Show a {one}", answer=shown),
        "update": Description(
            summary=f"Change a {one}",
            body=shape({resource.name: update_schema(resource.name, resource.attributes)}),
            answer=shown,
        ),
        "delete": Description(summary=f"Delete a {one}", status=HTTPStatus.NO_CONTENT, answer=None),
    }
