"""Load the programs and keep them, with their maps, pinned in one folder of a bpf file system.

Pinned objects outlive the agent: links keep their programs, programs keep their maps. Loading again
reuses every map and replaces a program only when its code changed.
"""

import ctypes
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from portlight.dataplane.bpf.libbpf import Libbpf
from portlight.dataplane.bpf.maps import BpfMap
from portlight.dataplane.bpf.syscall import Command, address_of, bpf, open_pinned, pin

FROM_PORT = "from_port"
TO_PORT = "to_port"
MIRROR = "mirror"
PROGRAMS = (FROM_PORT, TO_PORT, MIRROR)
SETTABLE = ("flows", "fragments")
"""Maps whose number of entries may be chosen."""
BPF_FS_MAGIC = 0xCAFE4A11
_INFO_BYTES = 232
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A pinned program. Two programs with the same tag have the same code."""

    name: str
    path: Path
    id: int
    tag: bytes
    verified_instructions: int

    def open(self) -> int:
        """Return a new file descriptor; the caller closes it."""
        return open_pinned(self.path)


def ensure_bpffs(folder: Path) -> None:
    """Mount a bpf file system of our own at `folder` unless there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    if _is_bpffs(folder):
        return
    flags = 0
    if _libc.mount(b"bpf", bytes(folder), b"bpf", flags, b"mode=0700"):
        code = ctypes.get_errno()
        raise OSError(code, f"mount bpf at {folder}: {os.strerror(code)}")


def remove_bpffs(folder: Path) -> None:
    """Unmount our bpf file system and with it forget every pin; a missing one is fine."""
    if folder.is_dir() and _is_bpffs(folder):
        detach = 2
        if _libc.umount2(bytes(folder), detach):
            code = ctypes.get_errno()
            raise OSError(code, f"unmount {folder}: {os.strerror(code)}")


def load_programs(
    objects: Path, pins: Path, sizes: Mapping[str, int] | None = None
) -> Mapping[str, Program]:
    """Load every program from the folder `objects` and pin it as `pins/<name>`.

    `sizes` sets the entries of SETTABLE maps that are made now; a map that is there keeps its size
    with its content. Raises ObjectLoadError; a program that was pinned before stays pinned then.
    """
    library = Libbpf()
    kept = {**(sizes or {}), **_present_sizes(pins)}
    return {name: _load(library, objects, pins, name, kept) for name in PROGRAMS}


def read_program(path: Path) -> Program | None:
    """Return what is pinned at `path`, or None."""
    try:
        fd = open_pinned(path)
    except FileNotFoundError:
        return None
    try:
        return _inspect(fd, path)
    finally:
        os.close(fd)


def _present_sizes(pins: Path) -> Mapping[str, int]:
    sizes = {}
    for name in SETTABLE:
        with suppress(FileNotFoundError), BpfMap.open_pinned(pins / name) as present:
            sizes[name] = present.shape.max_entries
    return sizes


def _load(
    library: Libbpf, objects: Path, pins: Path, name: str, sizes: Mapping[str, int]
) -> Program:
    path = pins / name
    present = read_program(path)
    with library.loaded(objects / f"{name}.o", pins, sizes) as program_fd:
        fd = program_fd(name)
        loaded = _inspect(fd, path)
        if present is not None and present.tag == loaded.tag:
            return present
        fresh = pins / f"{name}_new"
        fresh.unlink(missing_ok=True)
        pin(fd, fresh)
        fresh.rename(path)
        return loaded


def _inspect(fd: int, path: Path) -> Program:
    """Ask the kernel (struct bpf_prog_info) what a program is."""
    info = ctypes.create_string_buffer(_INFO_BYTES)
    bpf(Command.OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", fd, _INFO_BYTES, address_of(info)))
    identity: int = struct.unpack_from("=I", info.raw, 4)[0]
    return Program(
        name=path.name,
        path=path,
        id=identity,
        tag=info.raw[8:16],
        verified_instructions=struct.unpack_from("=I", info.raw, 216)[0],
    )


def _is_bpffs(folder: Path) -> bool:
    buffer = ctypes.create_string_buffer(256)
    if _libc.statfs(bytes(folder), buffer):
        return False
    magic: int = struct.unpack_from("=q", buffer.raw)[0]
    return magic & 0xFFFFFFFF == BPF_FS_MAGIC
