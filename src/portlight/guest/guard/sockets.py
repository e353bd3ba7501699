"""The connections of this server's own processes, as the kernel lists them in /proc/net.

Reading is pure text work; `read_sockets` is the one function that opens files.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final, Literal

Address = IPv4Address | IPv6Address
End = tuple[Address, int]
"""An address and a port."""
Protocol = Literal["tcp", "udp"]

_ESTABLISHED: Final = 0x01
_LISTEN: Final = 0x0A
"""Numbers of TCP states (Linux, include/net/tcp_states.h); UDP uses the first when connected."""
_FILES: Final[tuple[tuple[str, Protocol], ...]] = (
    ("tcp", "tcp"),
    ("tcp6", "tcp"),
    ("udp", "udp"),
    ("udp6", "udp"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """One connected or listening socket."""

    protocol: Protocol
    local: Address
    local_port: int
    remote: Address
    remote_port: int
    is_listening: bool
    inode: int

    @property
    def near(self) -> End:
        """The end at this server."""
        return self.local, self.local_port

    @property
    def far(self) -> End:
        """The other end."""
        return self.remote, self.remote_port


def read_sockets(root: Path = Path("/proc/self/net")) -> tuple[Socket, ...]:
    """Return the connected and the listening sockets of this network namespace."""
    return tuple(
        socket
        for name, protocol in _FILES
        if (root / name).exists()
        for socket in parse_sockets((root / name).read_text().splitlines()[1:], protocol)
    )


def parse_sockets(lines: Iterable[str], protocol: Protocol) -> Iterable[Socket]:
    """Yield the sockets that are connected or listen; others have no peer and no promise."""
    for line in lines:
        words = line.split()
        state = int(words[3], 16)
        if state not in {_ESTABLISHED, _LISTEN}:
            continue
        local, local_port = parse_end(words[1])
        remote, remote_port = parse_end(words[2])
        yield Socket(
            protocol=protocol,
            local=local,
            local_port=local_port,
            remote=remote,
            remote_port=remote_port,
            is_listening=state == _LISTEN,
            inode=int(words[9]),
        )


def parse_end(text: str) -> tuple[Address, int]:
    """Return address and port; the address is in words of 32 bits in this machine's order."""
    address, port = text.split(":")
    raw = b"".join(
        int(address[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(address), 8)
    )
    return plain(IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw)), int(port, 16)  # noqa: PLR2004 -- bytes of an IPv4 address


def plain(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped one: its packets are IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
