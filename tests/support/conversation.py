"""Conversations with a networking API: requests as text, played to any endpoint, answers recorded.

A script has sections (`== title`), each with projects of its own. A line is a request,

    name = actor: METHOD /path?query {"body": "JSON, or whatever is to be sent"}

and goes on in the indented lines below it: `Header: value`, or more of the body. `name` binds what
is answered: `$name` is its id in later lines, `$name.field` another member. `$project` is the
project of the section, `$other` a second one. Actors: `member` (when none is named), `reader`,
`admin`, and `other`, a member of the second project.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

Json = Any

_LINE = re.compile(
    r"(?:(?P<name>\w+) = )?(?:(?P<actor>\w+): )?(?P<method>[A-Z]+) (?P<path>\S+)(?: (?P<body>.*))?"
)
_HEADER = re.compile(r"([A-Za-z][A-Za-z-]+): (.*)")
_VARIABLE = re.compile(r"\$(\w+)((?:\.[\w:]+)*)")
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{32}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|-00:00|\+00:00)?")
_ORDER = (
    "name", "cidr", "direction", "ethertype", "protocol", "port_range_min", "port_range_max",
    "remote_ip_prefix", "ip_address", "opt_name", "destination", "start", "rel", "alias",
)  # fmt: skip
"""What the members of a list are sorted by, so that a member that only one side has moves none."""
_MADE_MAC = re.compile(r"fa:16:3e:[0-9a-f:]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One line of a script."""

    section: str
    line: str
    """As it is written; unique within the section."""
    name: str
    actor: str
    method: str
    path: str
    body: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an endpoint said, without ids and times."""

    status: int
    media_type: str
    body: Json
    message: str = ""
    """The words of a refusal; for the reader, never compared."""

    def recorded(self) -> Json:
        """Return the members that are kept in a recording."""
        return {"status": self.status, "media_type": self.media_type, "body": self.body}


Speak = Callable[[Request], httpx.Response]
"""Send a request whose variables have values."""


@dataclass(slots=True)
class Meaning:
    """What the variables of a section stand for, and the names to put back for their values."""

    bound: dict[str, Json]
    base_url: str
    names: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """Replace the variables of a text by their values."""
        return _VARIABLE.sub(lambda found: self._value(found[1], found[2]), text)

    def fill_request(self, request: Request) -> Request:
        """Replace the variables of a request by their values."""
        return replace(
            request,
            path=self.fill(request.path),
            body=self.fill(request.body),
            headers={name: self.fill(value) for name, value in request.headers.items()},
        )

    def _value(self, name: str, members: str) -> str:
        if name not in self.bound:
            # what should have made it was refused: the rest of the section shows that
            return f"no-{name}"
        value = self.bound[name]
        for member in members.split(".")[1:]:
            value = value[int(member)] if isinstance(value, list) else value[member]
        return str(value["id"]) if isinstance(value, dict) else str(value)

    def bind(self, name: str, document: Json) -> None:
        """Remember what a request has answered: the one thing in it, or the list of things."""
        if not name or not isinstance(document, dict):
            return
        (self.bound[name],) = document.values()
        made = self.bound[name]
        for index, one in enumerate(made if isinstance(made, list) else [made]):
            if isinstance(one, dict) and "id" in one:
                self.names.setdefault(str(one["id"]), name if one is made else f"{name}.{index}")

    def anonymous(self, value: Json) -> Json:
        """Return a document without what differs from run to run; lists sorted."""
        if isinstance(value, dict):
            return {key: self.anonymous(inner) for key, inner in value.items()}
        if isinstance(value, list):
            inner = [self.anonymous(one) for one in value]
            return sorted(inner, key=_place_in_list)
        return self._nameless(value) if isinstance(value, str) else value

    def _nameless(self, text: str) -> str:
        text = text.replace(self.base_url, "")
        for known, name in self.names.items():
            text = text.replace(known, f"<{name}>")
        text = _IDENTIFIER.sub("<id>", text)
        return _MADE_MAC.sub("<mac>", _TIME.sub("<time>", text))


def _place_in_list(item: Json) -> str:
    known = {key: item[key] for key in _ORDER if key in item} if isinstance(item, dict) else item
    return json.dumps(known or item, sort_keys=True)


def parse_script(text: str) -> Iterator[Request]:
    """Yield the requests of a script."""
    section = ""
    pending: list[str] = []
    for line in [*text.splitlines(), "=="]:
        if pending and not line.startswith(" "):
            yield _request(section, pending)
            pending = []
        if line.startswith("=="):
            section = line.strip("= ")
        elif line.strip() and not line.startswith("#"):
            pending.append(line)


def _request(section: str, lines: list[str]) -> Request:
    found = _LINE.fullmatch(lines[0])
    assert found, f"no request: {lines[0]}"
    headers: dict[str, str] = {}
    body = [found["body"] or ""]
    for line in lines[1:]:
        header = _HEADER.fullmatch(line.strip())
        if header:
            headers[header[1]] = header[2]
        else:
            body.append(line.strip())
    return Request(
        section=section,
        line=" ".join(line.strip() for line in lines),
        name=found["name"] or "",
        actor=found["actor"] or "member",
        method=found["method"],
        path=found["path"],
        body=" ".join(body).strip(),
        headers=headers,
    )


def play(request: Request, meaning: Meaning, speak: Speak) -> Answer:
    """Send one request and return what is worth comparing of the answer."""
    response = speak(meaning.fill_request(request))
    try:
        document = response.json() if response.content else None
    except ValueError:
        document = response.text
    if response.is_success:
        meaning.bind(request.name, document)
    message = _message_of(document)
    return Answer(
        status=response.status_code,
        media_type=response.headers.get("content-type", ""),
        body=_comparable(request, meaning, document),
        message=message,
    )


def _message_of(document: Json) -> str:
    error = document.get("NeutronError") if isinstance(document, dict) else None
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _comparable(request: Request, meaning: Meaning, document: Json) -> Json:
    if not isinstance(document, dict):
        return meaning.anonymous(document)
    if _message_of(document):
        error = {**document["NeutronError"], "message": "<message>"}
        return {**document, "NeutronError": error}
    if "sort_key=" not in request.path:
        return meaning.anonymous(document)
    # the order was asked for, so it counts
    return {
        key: [meaning.anonymous(one) for one in value]
        if isinstance(value, list)
        else meaning.anonymous(value)
        for key, value in document.items()
    }
