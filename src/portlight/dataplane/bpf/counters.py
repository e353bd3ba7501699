"""The map `counters`: what each port let pass and dropped, by direction and reason."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from struct import Struct
from typing import Literal

from portlight.dataplane.bpf.abi import CounterKey, Direction, decode_record
from portlight.dataplane.bpf.maps import BpfMap
from portlight.values.verdict import DropReason

_COUNTER = Struct("=QQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortCounter:
    """Totals since the port's first packet on this host; port 0 is links without entry."""

    port: int
    direction: Literal["egress", "ingress"]
    reason: DropReason | None
    """None counts what was allowed."""
    packets: int
    bytes: int


class CounterTable:
    """Reads the counters of all ports; forgets those of ports that are gone."""

    def __init__(self, counters: BpfMap) -> None:
        self._counters = counters

    def read(self) -> Sequence[PortCounter]:
        """Return every counter that is not zero, the CPUs' copies added up."""
        return [_counter(key, raw) for key, raw in self._counters.items()]

    def forget(self, ports: AbstractSet[int]) -> None:
        """Remove the counters of these ports; their numbers never come back."""
        if not ports:
            return
        for raw in list(self._counters.keys()):
            if decode_record(CounterKey, raw).port in ports:
                self._counters.delete(raw)


def _counter(raw_key: bytes, raw: bytes) -> PortCounter:
    key = decode_record(CounterKey, raw_key)
    copies = list(_COUNTER.iter_unpack(raw))
    return PortCounter(
        port=key.port,
        direction="egress" if key.direction == Direction.EGRESS else "ingress",
        reason=DropReason(key.reason) if key.reason else None,
        packets=sum(packets for packets, _ in copies),
        bytes=sum(size for _, size in copies),
    )
