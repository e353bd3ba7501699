"""Scripts, the endpoints that they are played to, and the recorded answers of a real Neutron."""

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
from tests.support.api_server import ApiServer
from tests.support.conversation import Answer, Json, Meaning, Request, parse_script, play
from tests.support.difference import Gap, gaps_between

SCRIPTS = Path(__file__).resolve().parents[1] / "compat" / "neutron"
_ROLES = {"admin": "admin,member,reader", "reader": "reader"}


class Endpoint(Protocol):
    """Where requests are sent, as actors of the projects of a section."""

    @property
    def url(self) -> str:
        """Return scheme and authority of the endpoint."""

    def begin_section(self) -> dict[str, str]:
        """Return fresh projects: `project` and `other`, and `admin`, that of the administrator."""

    def send(self, request: Request) -> httpx.Response:
        """Send the request as its actor."""


@dataclass(slots=True)
class RealNeutron:
    """A Neutron that believes the identity in the headers."""

    url: str
    projects: dict[str, str] = field(default_factory=dict)
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=60))

    def begin_section(self) -> dict[str, str]:
        self.projects = {name: uuid.uuid4().hex for name in ("project", "other", "admin")}
        return self.projects

    def send(self, request: Request) -> httpx.Response:
        actor = request.actor
        project = self.projects[actor if actor in ("other", "admin") else "project"]
        headers = {
            "X-User-Id": "user",
            "X-Project-Id": project,
            "X-Roles": _ROLES.get(actor, "member,reader"),
        }
        return _send(self.http, self.url, request, headers)


@dataclass(slots=True)
class OurServer:
    """A server of ours; its actors get tokens for the projects of each section."""

    server: ApiServer
    tokens: dict[str, str] = field(default_factory=dict)
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=60))

    @property
    def url(self) -> str:
        return self.server.url

    def begin_section(self) -> dict[str, str]:
        projects, self.tokens = self.server.fresh_projects()
        return projects

    def send(self, request: Request) -> httpx.Response:
        headers = {"X-Auth-Token": self.tokens[request.actor]}
        return _send(self.http, self.url, request, headers)


def _send(
    http: httpx.Client, url: str, request: Request, headers: dict[str, str]
) -> httpx.Response:
    typed = {"Content-Type": "application/json"} if request.body else {}
    return http.request(
        request.method,
        f"{url}/v2.0{request.path}",
        content=request.body.encode(),
        headers={**typed, **headers, **request.headers},
    )


def answers_of(script: Path, endpoint: Endpoint) -> Iterator[tuple[Request, Answer]]:
    """Play a script; yield each request with its answer."""
    section = None
    meaning = Meaning(bound={}, base_url=endpoint.url)
    for request in parse_script(script.read_text()):
        if request.section != section:
            section = request.section
            projects = endpoint.begin_section()
            names = {identifier: name for name, identifier in projects.items()}
            meaning = Meaning(bound={**projects}, base_url=endpoint.url, names=names)
        yield request, play(request, meaning, endpoint.send)


def save(script: Path, played: Iterable[tuple[Request, Answer]]) -> None:
    """Keep the answers beside the script, one a line."""
    lines = [
        json.dumps([request.section, request.line, answer.recorded()], sort_keys=True)
        for request, answer in played
    ]
    _recording(script).write_text("\n".join(lines) + "\n")


def recorded_answers(script: Path) -> dict[tuple[str, str], list[Json]]:
    """Return the kept answers by section and line; a line can occur more than once."""
    found: dict[tuple[str, str], list[Json]] = {}
    for line in _recording(script).read_text().splitlines():
        section, asked, answer = json.loads(line)
        found.setdefault((section, asked), []).append(answer)
    return found


def gaps_of(script: Path, endpoint: Endpoint) -> Iterator[tuple[Gap, str]]:
    """Play a script; yield where the answers are not as recorded, with our words."""
    recorded = recorded_answers(script)
    for request, answer in answers_of(script, endpoint):
        theirs: Any = recorded[request.section, request.line].pop(0)
        for place, one, other in gaps_between(*_comparable(theirs, answer.recorded())):
            gap = Gap(
                section=request.section, line=request.line, place=place, theirs=one, ours=other
            )
            yield gap, answer.message


def _comparable(theirs: Json, ours: Json) -> tuple[Json, Json]:
    """Where the status differs, the rest of the answers is about different things."""
    if theirs["status"] == ours["status"]:
        return theirs, ours
    return _verdict(theirs), _verdict(ours)


def _verdict(answer: Json) -> Json:
    body = answer["body"]
    error = body.get("NeutronError") if isinstance(body, dict) else None
    kind = error["type"] if isinstance(error, dict) else ""
    return {"status": f"{answer['status']} {kind}".strip()}


def _recording(script: Path) -> Path:
    return script.with_suffix(".jsonl")
