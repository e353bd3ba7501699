"""A map whose entries are each one key and one value of a plan."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.bpf.maps import BpfMap
from portlight.plan.delta import Delta

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding(Generic[K, V]):
    """How keys and values look in the map."""

    encode_key: Callable[[K], bytes]
    decode_key: Callable[[bytes], K]
    encode_value: Callable[[V], bytes]
    decode_value: Callable[[bytes], V]


class EntryTable(Generic[K, V]):
    """Driver of such a map. Decodes again only what changed."""

    def __init__(self, entries: BpfMap, coding: Coding[K, V]) -> None:
        self._entries = entries
        self._coding = coding
        self._keys: dict[bytes, K] = {}
        self._values: dict[bytes, V] = {}

    def read(self) -> Mapping[K, V]:
        """Return every entry."""
        raw = dict(self._entries.items())
        coding, keys, values = self._coding, self._keys, self._values
        self._keys = {key: keys[key] if key in keys else coding.decode_key(key) for key in raw}
        self._values = {
            value: values[value] if value in values else coding.decode_value(value)
            for value in set(raw.values())
        }
        return {self._keys[key]: self._values[value] for key, value in raw.items()}

    def apply(self, delta: Delta[K, V]) -> Mapping[K, Exception]:
        """Remove, then put; return the failures by key."""
        return attempt_delta(delta, put=self._put, remove=self._remove)

    def _put(self, key: K, value: V) -> None:
        self._entries.update(self._coding.encode_key(key), self._coding.encode_value(value))

    def _remove(self, key: K) -> None:
        self._entries.delete(self._coding.encode_key(key))
