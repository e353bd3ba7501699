"""The ring buffer `claims`: what the programs saw about who holds a virtual IP."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from portlight.dataplane.bpf.abi import (
    ClaimEvent,
    ClaimFlag,
    ClaimKind,
    decode_address,
    decode_record,
)
from portlight.dataplane.bpf.maps import BpfMap
from portlight.values.addresses import IpAddress, MacAddress

_POSITION = Struct("=Q")
_HEADER = Struct("=I4x")
_BUSY = 1 << 31
_DISCARDED = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A member announced a virtual IP, and either took it or was refused."""

    at_ns: int
    """CLOCK_MONOTONIC."""
    network: int
    address: IpAddress
    port: int
    """Number of the port that claims."""
    other: int
    """Number of the port that owned it before, or still does; 0 for none."""
    mac: MacAddress
    kind: ClaimKind
    priority: int
    accepted: bool
    split_brain: bool


class ClaimReader:
    """The only consumer of the ring buffer. `fileno` becomes readable when a claim arrives."""

    def __init__(self, ring: BpfMap) -> None:
        self._ring = ring
        self._size = ring.shape.max_entries
        page = mmap.PAGESIZE
        both = mmap.PROT_READ | mmap.PROT_WRITE
        self._consumer = mmap.mmap(ring.fd, page, mmap.MAP_SHARED, both)
        # The producer's page, then the data twice: a record never wraps (kernel/bpf/ringbuf.c).
        self._producer = mmap.mmap(
            ring.fd, page + 2 * self._size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page
        )

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._ring.fd

    def close(self) -> None:
        """Unmap the buffer; the map itself belongs to who opened it."""
        self._consumer.close()
        self._producer.close()

    def poll(self) -> list[Claim]:
        """Return what has arrived since the last call, without waiting."""
        return [_claim(raw) for raw in self._records()]

    def _records(self) -> Iterator[bytes]:
        (consumed,) = _POSITION.unpack_from(self._consumer, 0)
        (produced,) = _POSITION.unpack_from(self._producer, 0)
        while consumed < produced:
            start = mmap.PAGESIZE + consumed % self._size
            (length,) = _HEADER.unpack_from(self._producer, start)
            if length & _BUSY:
                return
            size = length & ~_DISCARDED
            begin = start + _HEADER.size
            raw = self._producer[begin : begin + size]
            consumed += -(-(_HEADER.size + size) // 8) * 8
            _POSITION.pack_into(self._consumer, 0, consumed)
            if not length & _DISCARDED:
                yield raw


def _claim(raw: bytes) -> Claim:
    event = decode_record(ClaimEvent, raw)
    return Claim(
        at_ns=event.at,
        network=event.network,
        address=decode_address(event.address),
        port=event.port,
        other=event.other,
        mac=MacAddress(int.from_bytes(event.mac, "big")),
        kind=ClaimKind(event.kind),
        priority=event.priority,
        accepted=bool(event.flags & ClaimFlag.ACCEPTED),
        split_brain=bool(event.flags & ClaimFlag.SPLIT_BRAIN),
    )
