"""Access to one eBPF map: create, open, look up, change, walk, map into memory.

Keys and values are bytes. Knows no record layout (`abi.py`) and no table (`tables.py`).
"""

import ctypes
import errno
import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from portlight.dataplane.bpf.syscall import (
    BpfError,
    Command,
    MapFlag,
    MapType,
    UpdateFlag,
    address_of,
    bpf,
    open_pinned,
    pin,
    possible_cpus,
)

BATCH = 4096
_INFO_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class MapShape:
    """What a map is made of. `value_size` is the size of one copy, also for per-CPU maps."""

    type: MapType
    key_size: int
    value_size: int
    max_entries: int
    flags: MapFlag = MapFlag.NONE
    name: str = ""


class BpfMap:
    """An open map. Owns its file descriptor; close it, or use it as a context manager.

    Values of per-CPU maps are the copies of all possible CPUs, each rounded up to 8 bytes.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.shape = _read_shape(fd)
        copies = possible_cpus() if self.shape.type.is_per_cpu else 0
        size = self.shape.value_size
        self.value_bytes = (size + 7) // 8 * 8 * copies if copies else size

    @classmethod
    def create(cls, shape: MapShape) -> Self:
        """Make a new map that lives as long as something holds it."""
        name = shape.name.encode()[:15].ljust(16, b"\0")
        attributes = struct.pack(
            "=IIIIIII16s",
            shape.type,
            shape.key_size,
            shape.value_size,
            shape.max_entries,
            shape.flags,
            0,
            0,
            name,
        )
        fd, _ = bpf(Command.MAP_CREATE, attributes)
        return cls(fd)

    @classmethod
    def open_pinned(cls, path: Path) -> Self:
        """Open a map by its name in a bpf file system."""
        return cls(open_pinned(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file descriptor back; the map stays while it is pinned or used."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def pin(self, path: Path) -> None:
        """Give the map a name in a bpf file system."""
        pin(self.fd, path)

    def lookup(self, key: bytes, flags: UpdateFlag = UpdateFlag.ANY) -> bytes | None:
        """Return the value of a key, or None. A map of maps returns the inner map's id."""
        value = ctypes.create_string_buffer(self.value_bytes)
        try:
            self._element(Command.MAP_LOOKUP_ELEM, key, value, flags)
        except FileNotFoundError:
            return None
        return value.raw

    def update(self, key: bytes, value: bytes, flags: UpdateFlag = UpdateFlag.ANY) -> None:
        """Put one entry; raise FileExistsError (NOEXIST) or FileNotFoundError (EXIST)."""
        self._check(value, self.value_bytes, "value")
        self._element(Command.MAP_UPDATE_ELEM, key, ctypes.create_string_buffer(value), flags)

    def delete(self, key: bytes) -> bool:
        """Remove one entry; return whether it was there."""
        try:
            self._element(Command.MAP_DELETE_ELEM, key, None, UpdateFlag.ANY)
        except FileNotFoundError:
            return False
        return True

    def keys(self) -> Iterator[bytes]:
        """Walk the keys. Changes during the walk may repeat or miss keys, as the kernel does."""
        key: bytes | None = None
        found = ctypes.create_string_buffer(self.shape.key_size)
        while True:
            try:
                self._element(Command.MAP_GET_NEXT_KEY, key, found, UpdateFlag.ANY)
            except FileNotFoundError:
                return
            key = found.raw
            yield key

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Walk the entries, in batches where the kernel has them."""
        if self.shape.type.has_batches:
            yield from self._items_in_batches()
            return
        for key in list(self.keys()):
            value = self.lookup(key)
            if value is not None:
                yield key, value

    def update_many(
        self, entries: Mapping[bytes, bytes], flags: UpdateFlag = UpdateFlag.ANY
    ) -> None:
        """Put many entries, in batches where the kernel has them; stop at the first failure."""
        if not self.shape.type.has_batches:
            for key, value in entries.items():
                self.update(key, value, flags)
            return
        pairs = list(entries.items())
        for start in range(0, len(pairs), BATCH):
            chunk = pairs[start : start + BATCH]
            keys = self._joined((key for key, _ in chunk), self.shape.key_size, "key")
            values = self._joined((value for _, value in chunk), self.value_bytes, "value")
            attributes = struct.pack(
                "=QQQQIIQQ",
                0,
                0,
                address_of(keys),
                address_of(values),
                len(chunk),
                self.fd,
                flags,
                0,
            )
            bpf(Command.MAP_UPDATE_BATCH, attributes)

    def delete_many(self, keys: Iterable[bytes]) -> None:
        """Remove many entries; those that are not there are passed over."""
        for key in keys:
            self.delete(key)

    def mmap(self, *, writable: bool = False) -> mmap.mmap:
        """Map the values of a MMAPABLE array into memory; each is rounded up to 8 bytes."""
        size = (self.shape.value_size + 7) // 8 * 8 * self.shape.max_entries
        page = mmap.PAGESIZE
        access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        return mmap.mmap(self.fd, (size + page - 1) // page * page, mmap.MAP_SHARED, access)

    def _items_in_batches(self) -> Iterator[tuple[bytes, bytes]]:
        key_size, value_size = self.shape.key_size, self.value_bytes
        for raw_keys, raw_values, count in self.batches():
            for index in range(count):
                yield (
                    raw_keys[index * key_size : (index + 1) * key_size],
                    raw_values[index * value_size : (index + 1) * value_size],
                )

    def batches(self) -> Iterator[tuple[bytes, bytes, int]]:
        """Walk a map that has batches: joined keys, joined values, and how many there are."""
        key_size, value_size = self.shape.key_size, self.value_bytes
        room = min(max(self.shape.max_entries, 1), BATCH)
        token = ctypes.create_string_buffer(max(key_size, 8))
        first = True
        while True:
            keys = ctypes.create_string_buffer(room * key_size)
            values = ctypes.create_string_buffer(room * value_size)
            count, ended, crowded = self._lookup_batch(
                None if first else token, token, (keys, values), room
            )
            if crowded:
                room *= 2
                continue
            first = False
            yield (
                memoryview(keys)[: count * key_size].tobytes(),
                memoryview(values)[: count * value_size].tobytes(),
                count,
            )
            if ended:
                return

    def _lookup_batch(
        self,
        after: ctypes.Array[ctypes.c_char] | None,
        token: ctypes.Array[ctypes.c_char],
        found: tuple[ctypes.Array[ctypes.c_char], ctypes.Array[ctypes.c_char]],
        room: int,
    ) -> tuple[int, bool, bool]:
        """Return the number of entries, whether the walk ended, whether `room` was too small."""
        attributes = struct.pack(
            "=QQQQIIQQ",
            address_of(after) if after is not None else 0,
            address_of(token),
            address_of(found[0]),
            address_of(found[1]),
            room,
            self.fd,
            0,
            0,
        )
        try:
            _, left = bpf(Command.MAP_LOOKUP_BATCH, attributes)
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return _batch_count(error.attributes), True, False
            if error.errno == errno.ENOSPC:  # one hash bucket holds more than `room` entries
                return 0, False, True
            raise
        return _batch_count(left), False, False

    def _element(
        self,
        command: Command,
        key: bytes | None,
        other: ctypes.Array[ctypes.c_char] | None,
        flags: UpdateFlag,
    ) -> None:
        raw_key = None
        if key is not None:
            self._check(key, self.shape.key_size, "key")
            raw_key = ctypes.create_string_buffer(key)
        attributes = struct.pack(
            "=I4xQQQ",
            self.fd,
            address_of(raw_key) if raw_key is not None else 0,
            address_of(other) if other is not None else 0,
            flags,
        )
        bpf(command, attributes)

    def _check(self, raw: bytes, size: int, what: str) -> None:
        if len(raw) != size:
            raise ValueError(f"map {self.shape.name}: a {what} has {size} bytes, not {len(raw)}")

    def _joined(self, parts: Iterable[bytes], size: int, what: str) -> ctypes.Array[ctypes.c_char]:
        kept = list(parts)
        for part in kept:
            self._check(part, size, what)
        return ctypes.create_string_buffer(b"".join(kept))


def _batch_count(attributes: bytes) -> int:
    count: int = struct.unpack_from("=I", attributes, 32)[0]
    return count


def _read_shape(fd: int) -> MapShape:
    """Ask the kernel (struct bpf_map_info) what a map is."""
    info = ctypes.create_string_buffer(_INFO_BYTES)
    bpf(Command.OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", fd, _INFO_BYTES, address_of(info)))
    kind, _, key_size, value_size, entries, flags, name = struct.unpack_from("=6I16s", info.raw)
    return MapShape(
        type=MapType(kind),
        key_size=key_size,
        value_size=value_size,
        max_entries=entries,
        flags=MapFlag(flags),
        name=name.rstrip(b"\0").decode(),
    )
