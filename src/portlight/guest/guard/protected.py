"""What must stay open whatever rules are made: declared by the server's owner, kept in a file.

One line each: `in 192.0.2.0/24 tcp/22` (may always connect to us) or `out 10.0.0.5 tcp/5432` (we
may always connect to it).
"""

from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from portlight.guest.guard.flows import Network
from portlight.guest.guard.journal import write_durably
from portlight.guest.guard.sockets import Protocol

_MOST_PORT = 65535


class ProtectedError(ValueError):
    """A declaration cannot be read."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text!r}: {reason}; write `in 192.0.2.0/24 tcp/22` or `out …`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """One declaration."""

    way: Literal["in", "out"]
    network: Network
    protocol: Protocol
    port: int

    def __str__(self) -> str:
        """Return the line that says so."""
        return f"{self.way} {self.network} {self.protocol}/{self.port}"


def parse_protected(text: str) -> Protected:
    """Parse one line; a bare address means: may always connect to port 22."""
    words = text.split()
    way = words.pop(0) if words and words[0] in {"in", "out"} else "in"
    service = words.pop() if len(words) > 1 else "tcp/22"
    if len(words) != 1:
        raise ProtectedError(text, "one address or prefix is needed")
    protocol, _, port = service.partition("/")
    if protocol not in {"tcp", "udp"} or not port.isdecimal() or not 0 < int(port) <= _MOST_PORT:
        raise ProtectedError(text, f"{service!r} is no service")
    try:
        network = ip_network(words[0], strict=False)
    except ValueError:
        raise ProtectedError(text, f"{words[0]!r} is no address") from None
    return Protected(
        way="out" if way == "out" else "in",
        network=network,
        protocol="udp" if protocol == "udp" else "tcp",
        port=int(port),
    )


def load_protected(folder: Path) -> tuple[Protected, ...]:
    """Return what is declared; a file that cannot be understood is an error, not silence."""
    path = folder / "protected"
    if not path.exists():
        return ()
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return tuple(parse_protected(line) for line in lines if line)


def save_protected(folder: Path, declared: tuple[Protected, ...]) -> None:
    """Write the declarations."""
    write_durably(folder / "protected", "".join(f"{one}\n" for one in declared))
