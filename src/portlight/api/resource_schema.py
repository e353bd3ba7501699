"""What a kind of resource takes and answers, as schemas made of its attributes.

Pure. The parsers of the attributes bring their schemas along; nothing is written twice.
"""

from collections.abc import Mapping

from portlight.api.attributes import Attribute, Attributes
from portlight.api.operation import Parameters
from portlight.api.query import CONTROLS, Listing
from portlight.api.schema import TEXT, Schema, array, one_word, shape, titled

MATCHED_REVISION: Parameters = {
    "If-Match": {"type": "string", "pattern": "^(revision_number=)?[0-9]{1,18}$"}
}
FIELDS: Parameters = {"fields": array(TEXT)}


def create_schema(name: str, attributes: Attributes) -> Schema:
    """Return the schema of one new resource."""
    takes = {key: one for key, one in attributes.items() if one.on_create}
    needed = {one.draft for one in attributes.values() if one.required}
    spellings = [
        [key for key, one in takes.items() if one.parse and one.draft == draft]
        for draft in sorted(filter(None, needed))
    ]
    schema = {
        **_taken(takes),
        "required": sorted(keys[0] for keys in spellings if len(keys) == 1),
    }
    choices = [
        {"anyOf": [{"required": [key]} for key in keys]} for keys in spellings if len(keys) > 1
    ]
    return titled(f"{name}_create", {**schema, "allOf": choices} if choices else schema)


def update_schema(name: str, attributes: Attributes) -> Schema:
    """Return the schema of a change."""
    takes = {key: one for key, one in attributes.items() if one.on_update}
    return titled(f"{name}_update", _taken(takes))


def entity_schema(name: str, attributes: Attributes) -> Schema:
    """Return the schema of a resource in an answer; `fields` may leave out any attribute."""
    shown = {key: one.shown for key, one in attributes.items() if one.is_rendered}
    return titled(name, {"type": "object", "properties": shown, "additionalProperties": False})


def new_schema(name: str, plural: str, one: Schema, *, is_bare: bool = False) -> Schema:
    """Return the schema of the body that makes one or several; `is_bare`: one without envelope."""
    several = shape({plural: {**array(one), "minItems": 1}})
    return {"oneOf": [shape({name: one}), several, *([one] if is_bare else [])]}


def change_schema(name: str, one: Schema, *, is_bare: bool = False) -> Schema:
    """Return the schema of the body of a change, in its envelope or, where that may be, without."""
    return {"oneOf": [shape({name: one}), one]} if is_bare else shape({name: one})


def made_schema(name: str, plural: str, entity: Schema) -> Schema:
    """Return the schema of the answer when one or several were made."""
    return {"oneOf": [shape({name: entity}), shape({plural: array(entity)})]}


def page_schema(plural: str, entity: Schema) -> Schema:
    """Return the schema of a list, with links to its neighbours if it is a page."""
    link = shape({"rel": one_word("next", "previous"), "href": {"type": "string", "format": "uri"}})
    return shape({plural: array(entity)}, optional={f"{plural}_links": array(link)})


def listing_parameters(listing: Listing, filters: Mapping[str, Schema]) -> Parameters:
    """Return the parameters of a list: a filter for each attribute, order, fields and pages."""
    names = sorted(listing.attributes | listing.matchers.keys())
    order = {
        "sort_key": array(one_word(*sorted(listing.attributes))),
        "sort_dir": array(one_word("asc", "desc")),
    }
    typed = {name: parse.schema for name, parse in listing.typed.items()}
    by_value = {name: array(filters.get(name, typed.get(name, TEXT))) for name in names}
    controls = {name: order.get(name, schema) for name, schema in CONTROLS.items()}
    return {**by_value, **controls}


def _taken(takes: Mapping[str, Attribute]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {key: one.parse.schema for key, one in takes.items() if one.parse},
        "additionalProperties": False,
    }
