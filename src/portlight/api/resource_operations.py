"""The descriptions of the verbs that every kind of resource has."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from portlight.api.attributes import Attributes
from portlight.api.operation import Description
from portlight.api.query import Listing
from portlight.api.resource_schema import (
    FIELDS,
    MATCHED_REVISION,
    entity_schema,
    listing_parameters,
    made_schema,
    new_schema,
    page_schema,
    update_schema,
)
from portlight.api.schema import Schema, one_word, shape


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
) -> Descriptions:
    """Describe the verbs of a kind.

    `filters` are those that do not take any text, `forces` the ways to force a deletion.
    """
    entity = entity_schema(name, attributes)
    words, one = plural.replace("_", " "), name.replace("_", " ")
    return Descriptions(
        create=Description(
            summary=f"Create {words}, one or several: all or none",
            body=new_schema(name, plural, attributes),
            status=HTTPStatus.CREATED,
            answer=made_schema(name, plural, entity),
        ),
        list=Description(
            summary=f"List {words}",
            query=listing_parameters(listing, filters),
            answer=page_schema(plural, entity),
        ),
        show=Description(summary=f"Show a {one}", query=FIELDS, answer=shape({name: entity})),
        update=Description(
            summary=f"Change a {one}",
            headers=MATCHED_REVISION,
            body=shape({name: update_schema(name, attributes)}),
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
