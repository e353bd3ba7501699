"""The agent's side of its channel to the server. Synchronous; used by one thread at a time each.

Knows nothing of what the changes mean: it hands over the bytes.
"""

from dataclasses import dataclass, field
from http import HTTPStatus

import httpx
import msgspec

from portlight.client.errors import ApiError, UnreachableError

PATH = "/portlight/v1/agent"
GRACE_SECONDS = 10.0
"""How much longer than the poll itself an answer may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortReport:
    """How far the data path of a port is."""

    number: int
    status: str
    """ACTIVE, BUILD or DOWN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceReport:
    """How an instance is."""

    id: str
    status: str
    """BUILD, ACTIVE, STOPPED or ERROR."""
    namespace: str = ""
    init_pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WayReport:
    """A router or a floating IP that is in place."""

    number: int
    revision: int
    """The revision of the entity that is in place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReport:
    """An announcement of a virtual IP that moved it, or was refused."""

    network: int
    """Network number."""
    address: str
    port: int
    """Port number of the member."""
    mac: str
    kind: str
    """arp, neighbour_advertisement or vrrp."""
    accepted: bool
    at: float
    """Seconds since the epoch, UTC."""
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterReport:
    """Packets of a port that went the same way, in total."""

    port: int
    """Port number."""
    direction: str
    """ingress or egress."""
    reason: str | None
    """The label of a drop reason; None: allowed."""
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorReport:
    """Copies of one mirror session and source that fared alike, in total."""

    session: int
    """Session number."""
    port: int
    """Port number of the source."""
    direction: str
    """ingress or egress."""
    outcome: str
    """copied, truncated, over_budget, no_target, refused, failed or overload."""
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport:
    """Something that could not be put in place (yet)."""

    object: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that an agent tells at once. What is left out stays as it was."""

    host: str
    applied_sequence: int = 0
    ports: tuple[PortReport, ...] = ()
    instances: tuple[InstanceReport, ...] = ()
    routers: tuple[WayReport, ...] = ()
    floating_ips: tuple[WayReport, ...] = ()
    claims: tuple[ClaimReport, ...] = ()
    counters: tuple[CounterReport, ...] = ()
    mirrors: tuple[MirrorReport, ...] = ()
    errors: tuple[ErrorReport, ...] = ()
    """All present ones: an empty tuple ends those of the last report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentClient:
    """Asks for changes and reports what was observed."""

    url: str
    """Scheme and authority of the server."""
    host: str
    token: str
    http: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=GRACE_SECONDS, trust_env=False)
    )

    def changes(self, after: int | None, wait: float) -> bytes:
        """Return the JSON of the changes after a sequence number.

        Waits up to `wait` seconds for one. With `after` None, or too old a number, the answer is a
        snapshot. Raises UnreachableError or ApiError.
        """
        query: dict[str, str | int | float] = {"host": self.host, "wait": wait}
        if after is not None:
            query["after"] = after
        timeout = httpx.Timeout(GRACE_SECONDS, read=wait + GRACE_SECONDS)
        request = self.http.build_request(
            "GET", f"{self.url}{PATH}/changes", params=query, headers=self._headers, timeout=timeout
        )
        return self._sent(request)

    def report(self, report: Report) -> None:
        """Hand over a report. Raises UnreachableError or ApiError."""
        request = self.http.build_request(
            "POST",
            f"{self.url}{PATH}/report",
            content=msgspec.json.encode(report),
            headers=self._headers,
        )
        self._sent(request)

    def close(self) -> None:
        """Close the sockets."""
        self.http.close()

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-Agent-Token": self.token}

    def _sent(self, request: httpx.Request) -> bytes:
        try:
            response = self.http.send(request)
        except httpx.TransportError as error:
            raise UnreachableError(self.url, str(error) or type(error).__name__) from error
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            raise ApiError(response.status_code, "", response.text)
        return response.content
