"""The bpf(2) system call: its commands, its error handling and its helpers for C memory.

Knows no map and no program of ours. Errors are OSError with the kernel's errno.
"""

import ctypes
import errno
import os
import platform
import struct
from enum import IntEnum, IntFlag
from pathlib import Path

_ATTRIBUTE_BYTES = 144
_SYSCALL_NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}
_libc = ctypes.CDLL(None, use_errno=True)


class Command(IntEnum):
    """enum bpf_cmd of linux/bpf.h, as far as it is used."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    MAP_GET_NEXT_KEY = 4
    OBJ_PIN = 6
    OBJ_GET = 7
    PROG_TEST_RUN = 10
    MAP_GET_FD_BY_ID = 14
    OBJ_GET_INFO_BY_FD = 15
    MAP_LOOKUP_BATCH = 24
    MAP_UPDATE_BATCH = 26
    MAP_DELETE_BATCH = 27


class MapType(IntEnum):
    """enum bpf_map_type of linux/bpf.h, as far as it is used."""

    HASH = 1
    ARRAY = 2
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    LRU_HASH = 9
    LRU_PERCPU_HASH = 10
    LPM_TRIE = 11
    ARRAY_OF_MAPS = 12
    HASH_OF_MAPS = 13
    RINGBUF = 27

    @property
    def is_per_cpu(self) -> bool:
        """Whether a value has one copy per possible CPU."""
        return self in {MapType.PERCPU_HASH, MapType.PERCPU_ARRAY, MapType.LRU_PERCPU_HASH}

    @property
    def has_batches(self) -> bool:
        """Whether Linux 6.1 has batch operations for it."""
        return self not in {MapType.RINGBUF, MapType.PERCPU_ARRAY}


class MapFlag(IntFlag):
    """Flags of map creation."""

    NONE = 0
    NO_PREALLOC = 1
    RDONLY_PROG = 1 << 7
    MMAPABLE = 1 << 10
    INNER_MAP = 1 << 12


class UpdateFlag(IntFlag):
    """Flags of an update; LOCK takes the value's spin lock (also in look-ups)."""

    ANY = 0
    NOEXIST = 1
    EXIST = 2
    LOCK = 4


class BpfError(OSError):
    """The kernel refused a command. `attributes` tells how far a batch came."""

    attributes: bytes = b""


def bpf(command: Command, attributes: bytes) -> tuple[int, bytes]:
    """Make the system call; return its result and the attributes as the kernel left them."""
    number = _SYSCALL_NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"no bpf(2) number known for {platform.machine()}")
    buffer = ctypes.create_string_buffer(attributes, max(_ATTRIBUTE_BYTES, len(attributes)))
    result: int = _libc.syscall(number, int(command), ctypes.byref(buffer), ctypes.sizeof(buffer))
    if result < 0:
        raise _error(command, ctypes.get_errno(), buffer.raw)
    return result, buffer.raw


def _error(command: Command, code: int, attributes: bytes) -> OSError:
    kinds = {errno.ENOENT: FileNotFoundError, errno.EEXIST: FileExistsError}
    text = f"bpf({command.name}): {os.strerror(code)}"
    if command is not Command.MAP_LOOKUP_BATCH and code in kinds:
        return kinds[code](code, text)
    error = BpfError(code, text)
    error.attributes = attributes
    return error


def address_of(buffer: ctypes.Array[ctypes.c_char]) -> int:
    """Return where a buffer lies; the caller keeps it alive during the call."""
    return ctypes.addressof(buffer)


def possible_cpus() -> int:
    """Return how many copies a per-CPU value has."""
    text = Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii").strip()
    return int(text.rpartition("-")[2].rpartition(",")[2]) + 1


def pin(fd: int, path: Path) -> None:
    """Give an object a name in a bpf file system, so that it outlives this process."""
    name = ctypes.create_string_buffer(bytes(path))
    bpf(Command.OBJ_PIN, struct.pack("=QII", address_of(name), fd, 0))


def open_pinned(path: Path) -> int:
    """Return a new file descriptor of a pinned object; raise FileNotFoundError without one."""
    name = ctypes.create_string_buffer(bytes(path))
    fd, _ = bpf(Command.OBJ_GET, struct.pack("=QII", address_of(name), 0, 0))
    return fd
