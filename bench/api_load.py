"""What is asked of a Neutron API, and how long it takes: the same requests for every server."""

import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from bench.http_client import HttpClient

Json = dict[str, Any]
Request = tuple[str, str, object]
CLIENTS = 8
BULK = 100
PHASE_SECONDS = 30.0
"""A phase ends after that time, however many of its requests are left: the peer may be slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server to measure, and how it knows us."""

    url: str
    """Up to and with `/v2.0`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    """Members of every body that creates something."""

    def client(self) -> HttpClient:
        return HttpClient(self.url, self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the requests of one phase."""

    things: int
    """Made, shown, changed or removed; a bulk of 100 makes 100."""
    seconds: float
    waits: Sequence[float]
    """Seconds of each request."""
    ids: Sequence[str] = ()

    @property
    def per_second(self) -> float:
        return self.things / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How much is asked."""

    sequential: int = 200
    concurrent: int = 400
    bulks: int = 4
    lists: Sequence[int] = (1_000, 5_000)
    list_rounds: int = 5
    only: str = ""
    """Phases whose name begins so; the others are left out."""


def run(server: Server, requests: Sequence[Request], clients: int = 1) -> Outcome:
    """Send the requests from so many processes at once."""
    if clients == 1:
        started = time.perf_counter()
        rows = _send_all(server, requests)
        return _outcome(rows, time.perf_counter() - started)
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(clients)
    pipes = []
    workers = []
    for number in range(clients):
        here, there = context.Pipe(duplex=False)
        part = requests[number::clients]
        worker = context.Process(target=_work, args=(server, part, gate.wait, there))
        worker.start()
        there.close()
        pipes.append(here)
        workers.append(worker)
    answers = [pipe.recv() for pipe in pipes]
    for worker in workers:
        worker.join()
    rows = [row for _, _, some in answers for row in some]
    return _outcome(rows, max(a[1] for a in answers) - min(a[0] for a in answers))


def phases(server: Server, amounts: Amounts) -> Iterator[tuple[str, Outcome]]:
    """Run every phase; give each outcome as soon as it is there."""
    place = _Place(server)
    ports: list[str] = list(run(server, place.creates(CLIENTS * 4), CLIENTS).ids)
    few, many = amounts.sequential, amounts.concurrent
    plan: list[tuple[str, Callable[[], list[Request]], int]] = [
        ("port create", lambda: place.creates(few), 1),
        (f"port create, {CLIENTS} clients", lambda: place.creates(many), CLIENTS),
        (f"port create in bulks of {BULK}", lambda: place.bulks(amounts.bulks), 1),
        (
            f"port create in bulks of {BULK}, 2 clients",
            lambda: place.bulks(2 * amounts.bulks),
            2,
        ),
        ("port show", lambda: place.shows(ports, 2 * few), 1),
        (f"port show, {CLIENTS} clients", lambda: place.shows(ports, 2 * many), CLIENTS),
        ("port update (its groups)", lambda: place.updates(ports, few), 1),
        (
            f"port update, {CLIENTS} clients",
            lambda: place.updates(ports, many),
            CLIENTS,
        ),
        ("group rule create", lambda: place.rules(0, few), 1),
        (f"group rule create, {CLIENTS} clients", lambda: place.rules(few, many), CLIENTS),
    ]
    for name, requests, clients in plan:
        if not name.startswith(amounts.only):
            continue
        outcome = run(server, requests(), clients)
        ports += outcome.ids if name.startswith("port create") else ()
        yield name, outcome
    if amounts.only:
        return
    listed = _Place(server, "listed")
    there = 0
    for size in amounts.lists:
        while there < size:
            there += run(server, listed.bulks(1, min(BULK, size - there))).things
        yield from listed.lists(size, amounts.list_rounds)
    few, many = min(few, len(ports) // 3), min(many, len(ports) // 3)
    yield "port delete", run(server, place.deletes(ports[:few]))
    gone = place.deletes(ports[few : few + many])
    yield f"port delete, {CLIENTS} clients", run(server, gone, CLIENTS)


class _Place:
    """A network with groups, and the requests that are about them."""

    def __init__(self, server: Server, name: str = "bench") -> None:
        self._server = server
        with server.client() as client:
            self.network = self._make(client, "network", name=name)
            cidr = {"cidr": "10.160.0.0/16", "ip_version": 4, "enable_dhcp": False}
            self._make(client, "subnet", network_id=self.network, **cidr)
            self._groups = [
                self._make(client, "security_group", name=f"{name}-{n}") for n in range(4)
            ]

    def creates(self, count: int) -> list[Request]:
        return [("POST", "/ports", {"port": self._port(n)}) for n in range(count)]

    def bulks(self, count: int, size: int = BULK) -> list[Request]:
        body = {"ports": [self._port(n) for n in range(size)]}
        return [("POST", "/ports", body)] * count

    def shows(self, ports: Sequence[str], count: int) -> list[Request]:
        return [("GET", f"/ports/{ports[n % len(ports)]}", None) for n in range(count)]

    def updates(self, ports: Sequence[str], count: int) -> list[Request]:
        def groups(number: int) -> Json:
            return {"port": {"security_groups": self._groups[1 : 2 + number % 3]}}

        return [("PUT", f"/ports/{ports[n % len(ports)]}", groups(n)) for n in range(count)]

    def rules(self, first: int, count: int) -> list[Request]:
        return [
            ("POST", "/security-group-rules", {"security_group_rule": self._rule(number)})
            for number in range(first, first + count)
        ]

    def deletes(self, ports: Sequence[str]) -> list[Request]:
        return [("DELETE", f"/ports/{port}", None) for port in ports]

    def lists(self, size: int, rounds: int) -> Iterator[tuple[str, Outcome]]:
        path = f"/ports?network_id={self.network}"
        for name, query in (("", ""), (", only ids", "&fields=id"), (", 100 a page", "&limit=100")):
            request: Request = ("GET", path + query, None)
            yield f"list of {size:,} ports{name}", run(self._server, [request] * rounds)

    def _port(self, number: int) -> Json:
        return {"network_id": self.network, "name": f"bench-{number}", **self._server.own}

    def _rule(self, number: int) -> Json:
        port = 1_000 + number
        return {
            "security_group_id": self._groups[0],
            "direction": "ingress",
            "protocol": "tcp",
            "port_range_min": port,
            "port_range_max": port,
            "remote_ip_prefix": "198.51.100.0/24",
            **self._server.own,
        }

    def _make(self, client: HttpClient, kind: str, **fields: object) -> str:
        body = {kind: {**fields, **self._server.own}}
        return str(client.must("POST", f"/{kind.replace('_', '-')}s", body)[kind]["id"])


_Row = tuple[float, list[str]]


def _send_all(server: Server, requests: Sequence[Request]) -> list[_Row]:
    rows: list[_Row] = []
    until = time.monotonic() + PHASE_SECONDS
    with server.client() as client:
        for method, path, body in requests:
            if time.monotonic() > until:
                break
            started = time.perf_counter()
            status, raw = client.request(method, path, body)
            waited = time.perf_counter() - started
            assert 200 <= status < 300, f"{method} {path} -> {status} {raw[:300]!r}"
            rows.append((waited, _made(raw) if method == "POST" else [""]))
    return rows


def _work(
    server: Server, requests: Sequence[Request], wait: Callable[[], int], answer: Connection
) -> None:
    wait()
    started = time.perf_counter()
    rows = _send_all(server, requests)
    answer.send((started, time.perf_counter(), rows))


def _made(raw: bytes) -> list[str]:
    (made,) = json.loads(raw).values()
    return [one["id"] for one in made] if isinstance(made, list) else [made["id"]]


def _outcome(rows: Sequence[_Row], seconds: float) -> Outcome:
    ids = [one for _, made in rows for one in made]
    return Outcome(
        things=len(ids),
        seconds=seconds,
        waits=[waited for waited, _ in rows],
        ids=[one for one in ids if one],
    )
