"""The JSON schema of a body that msgspec decodes, made of the very type that it decodes into."""

from collections.abc import Mapping
from typing import cast

import msgspec

from portlight.api.schema import Schema

_REFERENCE = "#/components/schemas/"


def struct_schema(kind: type) -> Schema:
    """Return the schema, with every definition written out where it is used."""
    (schema,), parts = msgspec.json.schema_components([kind], ref_template=_REFERENCE + "{name}")
    return cast("Schema", _resolved(schema, parts))


def _resolved(node: object, parts: Mapping[str, object]) -> object:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            return _resolved(parts[reference.removeprefix(_REFERENCE)], parts)
        # the names of our types are nobody's business; a member may be called `title`, too
        return {
            key: _resolved(value, parts)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str))
        }
    if isinstance(node, list):
        return [_resolved(one, parts) for one in node]
    return node
