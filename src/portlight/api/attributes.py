"""The attributes of a resource on the wire: which exist, who may set them when, and how they parse.

Pure. A table of these is all that a body needs to become a draft.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from portlight.api.errors import BadRequestError
from portlight.api.parser import Parse
from portlight.api.schema import ANYTHING, MOMENT, TEXT, WHOLE, Schema
from portlight.api.wire import Json, identifier, set_of, text

MAX_TAGS = 50
TAG_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute. Without `parse` it can only be read."""

    parse: Parse | None = None
    draft: str | None = None
    """The field of the draft; None: checked, and then without effect."""
    on_create: bool = True
    on_update: bool = True
    required: bool = False
    is_rendered: bool = True
    """False: a further spelling, accepted but never answered."""
    answer: Schema | None = None
    """What an answer holds, when that is not simply what the parser accepts."""

    @property
    def shown(self) -> Schema:
        """What an answer holds."""
        if self.answer is not None:
            return self.answer
        return ANYTHING if self.parse is None else self.parse.shown

    @property
    def kinds(self) -> frozenset[object]:
        """Return the JSON types that the attribute has in answers."""
        return frozenset(_kinds(self.shown))

    @property
    def is_single(self) -> bool:
        """Whether it has one value, by which lists can be filtered and sorted."""
        return self.is_rendered and self.kinds.isdisjoint({"array", "object"})


Attributes = Mapping[str, Attribute]


def settable(draft: str | None, parse: Parse, *, answer: Schema | None = None) -> Attribute:
    """Describe an attribute that can be given at creation and changed later."""
    return Attribute(parse=parse, draft=draft, answer=answer)


def at_creation(
    draft: str | None, parse: Parse, *, required: bool = False, answer: Schema | None = None
) -> Attribute:
    """Describe an attribute that is fixed for life."""
    return Attribute(parse=parse, draft=draft, on_update=False, required=required, answer=answer)


def read_only(answer: Schema) -> Attribute:
    """Describe an attribute that clients cannot set."""
    return Attribute(answer=answer)


TAGS = set_of(text(TAG_LENGTH), MAX_TAGS)

STANDARD: Attributes = {
    "id": read_only(TEXT),
    "name": settable("name", text()),
    "description": settable("description", text()),
    "project_id": at_creation("project_id", identifier),
    "tenant_id": at_creation("project_id", identifier),
    "tags": settable("tags", TAGS),
    "revision_number": read_only(WHOLE),
    "created_at": read_only(MOMENT),
    "updated_at": read_only(MOMENT),
}
"""What every resource of Neutron carries."""


def _kinds(schema: Schema) -> Iterator[object]:
    if "type" in schema:
        yield schema["type"]
    for inner in cast("list[Schema]", schema.get("anyOf", [])):
        yield from _kinds(inner)


def parse_create(attributes: Attributes, document: Json) -> dict[str, object]:
    """Return the draft's fields of a new resource; raise when an attribute is wrong."""
    values = _parse(attributes, document, "POST")
    for name, attribute in attributes.items():
        if attribute.required and attribute.draft not in values:
            raise BadRequestError(
                f"Failed to parse request. Required attribute '{name}' not specified"
            )
    return values


def parse_update(attributes: Attributes, document: Json) -> dict[str, object]:
    """Return the draft's fields of a change; raise when an attribute is wrong."""
    return _parse(attributes, document, "PUT")


def _parse(attributes: Attributes, document: Json, method: str) -> dict[str, object]:
    unknown = sorted(name for name in document if name not in attributes)
    if unknown:
        raise BadRequestError(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    values: dict[str, object] = {}
    for name, raw in document.items():
        attribute = attributes[name]
        allowed = attribute.on_create if method == "POST" else attribute.on_update
        if attribute.parse is None or not allowed:
            raise BadRequestError(f"Attribute '{name}' not allowed in {method}")
        value = attribute.parse(name, raw)
        if attribute.draft is None:
            continue
        if values.get(attribute.draft, value) != value:
            raise BadRequestError(f"'{name}' contradicts another spelling of the same attribute.")
        values[attribute.draft] = value
    return values
