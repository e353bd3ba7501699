"""The descriptions of the verbs that every kind of resource has."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from portlight.api.attributes import Attributes
from portlight.api.operation import Description
from portlight.api.query import DETAIL, Listing
from portlight.api.resource_schema import (
    FIELDS,
    MATCHED_REVISION,
    change_schema,
    create_schema,
    entity_schema,
    listing_parameters,
    made_schema,
    new_schema,
    page_schema,
    update_schema,
)
from portlight.api.schema import Schema, one_word, shape
from portlight.api.wire import boolean


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptions:
    """One for each verb."""

    create: Description
    list: Description
    show: Description
    update: Description
    delete: Description


def describe(  # noqa: PLR0913 -- the facts of a kind
    name: str,
    plural: str,
    attributes: Attributes,
    *,
    listing: Listing,
    filters: Mapping[str, Schema],
    forces: frozenset[str],
    title: str | None = None,
    is_bare: bool = False,
    has_details: bool = False,
) -> Descriptions:
    """Describe the verbs of a kind.

    `filters` are those that do not take any text, `forces` the ways to force a deletion; `is_bare`:
    bodies may come without their envelope; `has_details`: lists show more on demand.
    """
    told = title or name
    entity = entity_schema(told, attributes)
    new = create_schema(told, attributes)
    change = update_schema(told, attributes)
    words, one = plural.replace("_", " "), name.replace("_", " ")
    return Descriptions(
        create=Description(
            summary=f"Create {words}, one or several: all or none",
            body=new_schema(name, plural, new, is_bare=is_bare),
            status=HTTPStatus.CREATED,
            answer=made_schema(name, plural, entity),
        ),
        list=Description(
            summary=f"List {words}",
            query={
                **listing_parameters(listing, filters),
                **({DETAIL: boolean.schema} if has_details else {}),
            },
            answer=page_schema(plural, entity),
        ),
        show=Description(summary=f"Show a {one}", query=FIELDS, answer=shape({name: entity})),
        update=Description(
            summary=f"Change a {one}",
            headers=MATCHED_REVISION,
            body=change_schema(name, change, is_bare=is_bare),
            answer=shape({name: entity}),
        ),
        delete=Description(
            summary=f"Delete a {one}",
            query={"force": one_word(*sorted(forces))} if forces else {},
            headers=MATCHED_REVISION,
            status=HTTPStatus.NO_CONTENT,
            answer=None,
        ),
    )
