"""A call on behalf of the holder of a token of any scope: identity asks for no project."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

from portlight.api.errors import BadRequestError
from portlight.api.identity.documents import LINKS
from portlight.api.operation import Description, Operation
from portlight.api.query import tag_matchers
from portlight.api.schema import TEXT, Schema, array, shape
from portlight.api.shell import Call, Reply
from portlight.api.wire import Json
from portlight.service.identity.identity import Identity
from portlight.service.identity.token import Token

_TAGS = tag_matchers()
_VARY = {"Vary": "X-Auth-Token"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The call, and who asks."""

    call: Call
    by: Token

    @property
    def identity(self) -> Identity:
        """The use cases."""
        return self.call.cloud.identity

    def envelope(self, name: str) -> Json:
        """Return the object under this name in the body; raise BadRequestError without it."""
        inner = self.call.document().get(name)
        if not isinstance(inner, dict):
            raise BadRequestError(f"Expecting to find {name} in the request body, as an object.")
        return inner


Answer = Callable[[Asking], Reply]


def asked(answer: Answer, description: Description) -> Operation:
    """Return an operation that first recognises the token."""

    def act(call: Call) -> Reply:
        by = call.cloud.identity.token_of(call.token)
        reply = answer(Asking(call=call, by=by))
        return replace(reply, headers={**_VARY, **reply.headers})

    return Operation(act, replace(description, is_public=False))


def lists(plural: str, row: Schema) -> Description:
    """Describe a list; `row` is the schema of one, by whose members it is filtered."""
    members = row["properties"]
    names = sorted(members) if isinstance(members, dict) else []
    return Description(
        summary=f"List {plural.replace('_', ' ')}",
        query=dict.fromkeys(names, array(TEXT)),
        answer=shape({plural: array(row), "links": LINKS}),
    )


def shows(name: str, row: Schema) -> Description:
    """Describe the look at one thing."""
    return Description(summary=f"Show a {name.replace('_', ' ')}", answer=shape({name: row}))


def makes(name: str, body: Schema, row: Schema) -> Description:
    """Describe the making of one thing; identity ignores what else is in a body."""
    return Description(
        summary=f"Create a {name.replace('_', ' ')}",
        body=within(name, body),
        status=HTTPStatus.CREATED,
        answer=shape({name: row}),
    )


def does(summary: str) -> Description:
    """Describe what answers nothing."""
    return Description(summary=summary, status=HTTPStatus.NO_CONTENT, answer=None)


def within(name: str, inner: Schema) -> Schema:
    """Return the schema of an object with this member, and perhaps others."""
    return {"type": "object", "properties": {name: inner}, "required": [name]}


def listed(plural: str, rows: Callable[[Asking], list[Json]]) -> Answer:
    """Return a list whose rows are filtered by what the query says of their fields."""

    def answer(ask: Asking) -> Reply:
        """List what the holder may know."""
        found = [row for row in rows(ask) if _matches(row, ask.call)]
        links = {"self": ask.call.url, "previous": None, "next": None}
        return Reply(document={plural: found, "links": links})

    return answer


def _matches(row: Json, call: Call) -> bool:
    """Compare the filters that name a field of the row; identity ignores others."""
    return all(
        _TAGS[key](row, values) if key in _TAGS and "tags" in row else _equals(row[key], values)
        for key, values in call.query.items()
        if key in row or key in _TAGS
    )


def _equals(value: object, wanted: list[str]) -> bool:
    if isinstance(value, bool):
        # Keystone's own reading: a filter without a value means yes
        return (wanted[-1].lower() not in ("false", "0")) is value
    return str(value) in wanted
