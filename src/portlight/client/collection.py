"""One kind of resource, as a client sees it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, Protocol, TypeVar

import msgspec

from portlight.client.connection import Body, Connection
from portlight.client.errors import ApiError, NoMatchError

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Identified(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> str:
        """The UUID of the resource."""


R = TypeVar("R", bound=Identified)
_Envelope = dict[str, msgspec.Raw]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection(Generic[R]):
    """List, find, create, change and delete resources of one kind."""

    connection: Connection
    kind: type[R]
    name: str
    """Key of one in a body: `security_group`."""
    path: str

    @property
    def plural(self) -> str:
        """Key of many in a body."""
        return f"{self.name}s"

    def list(self, **filters: str | Sequence[str]) -> "Sequence[R]":
        """Return all that match every filter."""
        body = self.connection.get(_Envelope, self.path, filters)
        members = msgspec.json.decode(body[self.plural], type=list[msgspec.Raw])
        return [msgspec.json.decode(member, type=self.kind) for member in members]

    def get(self, identifier: str) -> R:
        """Return one by its id."""
        return self._one(self.connection.get(_Envelope, f"{self.path}/{identifier}"))

    def find(self, name_or_id: str, **filters: str | Sequence[str]) -> R:
        """Return the one with this id, or else with this name; raise NoMatchError otherwise."""
        known = self._known(name_or_id)
        if known is not None:
            return known
        return self._only(name_or_id, self.list(name=name_or_id, **filters))

    def find_by_ids(self, beginnings: "Sequence[str]") -> "Sequence[R]":
        """Return those whose ids are or begin so, for kinds without names; NoMatchError else.

        Only a beginning makes it list them, and several do so once.
        """
        found: dict[str, R | None] = {one: self._known(one) for one in beginnings}
        listed = self.list() if None in found.values() else ()
        return [
            known or self._only(text, [one for one in listed if one.id.startswith(text)])
            for text, known in found.items()
        ]

    def _known(self, text: str) -> R | None:
        """Return the one with this id, if it is one and of something."""
        if not _UUID.fullmatch(text):
            return None
        try:
            return self.get(text)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        return None

    def _only(self, wanted: str, found: "Sequence[R]") -> R:
        if len(found) != 1:
            raise NoMatchError(self.name.replace("_", " "), wanted, len(found))
        return found[0]

    def create(self, body: Body) -> R:
        """Create one."""
        return self._one(self._send("POST", self.path, body))

    def update(self, identifier: str, body: Body, *, revision: int | None = None) -> R:
        """Change one; with a revision, only if it still has this one."""
        return self._one(self._send("PUT", f"{self.path}/{identifier}", body, revision))

    def delete(self, identifier: str) -> None:
        """Delete one."""
        self.connection.call("DELETE", f"{self.path}/{identifier}")

    def act(self, identifier: str, verb: str, body: Body | None = None) -> R:
        """Post to a verb below one, and return it as it is afterwards."""
        path = f"{self.path}/{identifier}/{verb}"
        return self._one(self.connection.send(_Envelope, "POST", path, body))

    def _send(self, method: str, path: str, body: Body, revision: int | None = None) -> _Envelope:
        return self.connection.send(_Envelope, method, path, {self.name: body}, revision=revision)

    def _one(self, envelope: _Envelope) -> R:
        return msgspec.json.decode(envelope[self.name], type=self.kind)
