"""JSON schemas as values: what bodies, parameters and answers look like.

Pure. The dialect is 2020-12, that of OpenAPI 3.1. A schema with a `title` is published once, under
that name.
"""

from collections.abc import Mapping

Schema = Mapping[str, object]

ANYTHING: Schema = {}
TEXT: Schema = {"type": "string"}
TRUTH: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
NULL: Schema = {"type": "null"}
MOMENT: Schema = {"type": "string", "format": "date-time"}


def or_null(schema: Schema) -> Schema:
    """Return a schema that accepts null as well."""
    return {"anyOf": [schema, NULL]}


def one_word(*words: str) -> Schema:
    """Return the schema of a string that is one of these."""
    return {"type": "string", "enum": list(words)}


def array(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def shape(
    members: Mapping[str, Schema],
    *,
    optional: Mapping[str, Schema] | None = None,
    title: str | None = None,
) -> Schema:
    """Return the schema of an object with these members, and perhaps the optional ones."""
    schema: dict[str, object] = {
        "type": "object",
        "properties": {**members, **(optional or {})},
        "required": sorted(members),
        "additionalProperties": False,
    }
    return schema if title is None else {"title": title, **schema}


def mapping(values: Schema) -> Schema:
    """Return the schema of an object with names that nobody knows beforehand."""
    return {"type": "object", "additionalProperties": values}


def titled(title: str, schema: Schema) -> Schema:
    """Return the schema under a name of its own."""
    return {"title": title, **schema}
