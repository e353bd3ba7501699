"""A bare HTTP/1.1 client on a socket: it must cost little beside the server that it measures."""

import json
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

CHUNK_BYTES = 1 << 18
TIMEOUT_SECONDS = 600.0
"""A Neutron with thousands of ports in a subnet takes minutes for a hundred more."""
NO_BODY_STATUSES = (204, 304)


class HttpClient:
    """One connection, kept where the server keeps it."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._prefix = parts.path.rstrip("/")
        given = {"Host": parts.netloc, "Content-Type": "application/json", **headers}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self._socket: socket.socket | None = None
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Send a request; return status and body."""
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\nContent-Length: {len(data)}\r\n"
        message = f"{head}{self._headers}\r\n".encode() + data
        if self._socket is None:
            self._socket = socket.create_connection(self._address, TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(message)
        return self._answer()

    def must(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 -- JSON
        """Return the document of an answer that is no refusal."""
        status, raw = self.request(method, path, body)
        assert 200 <= status < 300, f"{method} {path} -> {status} {raw[:300]!r}"
        return json.loads(raw) if raw else None

    def _answer(self) -> tuple[int, bytes]:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            self._receive()
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        status = int(lines[0].split()[1])
        headers = {name.lower(): value.strip() for name, _, value in map(_split, lines[1:])}
        body = b"" if status in NO_BODY_STATUSES else self._body(headers)
        if headers.get("connection", "").lower() == "close":
            self._close()
        return status, body

    def _body(self, headers: Mapping[str, str]) -> bytes:
        assert "content-length" in headers, "the measured servers announce the length"
        size = int(headers["content-length"])
        while len(self._buffer) < size:
            self._receive()
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        return body

    def _receive(self) -> None:
        assert self._socket is not None
        received = self._socket.recv(CHUNK_BYTES)
        assert received, "the server closed the connection"
        self._buffer += received

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer.clear()


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(":")
