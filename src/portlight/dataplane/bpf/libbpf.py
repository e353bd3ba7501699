"""The few calls of libbpf that load an object file: open, size maps, load, look at programs.

Knows no program of ours. What libbpf and the verifier say is kept and becomes part of the error.
"""

import ctypes
import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LIBRARY = "libbpf.so.1"
_LOG_BYTES = 1 << 16
_DEBUG_LEVEL = 2


class ObjectLoadError(Exception):
    """libbpf or the kernel's verifier refused an object file."""

    def __init__(self, path: Path, code: int, log: str) -> None:
        super().__init__(f"{path.name}: {os.strerror(code)}\n{log}".strip())
        self.path = path
        self.code = code
        self.log = log


class _OpenOptions(ctypes.Structure):
    """struct bpf_object_open_opts of libbpf 1.x, up to the fields that are used."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("object_name", ctypes.c_char_p),
        ("relaxed_maps", ctypes.c_bool),
        ("pin_root_path", ctypes.c_char_p),
    )


@dataclass(slots=True)
class _Log:
    """What libbpf prints while an object is loaded; the newest part is kept."""

    text: bytearray = field(default_factory=bytearray)

    def write(self, line: bytes) -> None:
        self.text += line
        del self.text[:-_LOG_BYTES]


class Libbpf:
    """The loaded library."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL(_LIBRARY, use_errno=True)
        self._libc = ctypes.CDLL(None)
        self._lib.bpf_object__open_file.restype = ctypes.c_void_p
        self._lib.bpf_object__find_map_by_name.restype = ctypes.c_void_p
        self._lib.bpf_object__find_program_by_name.restype = ctypes.c_void_p

    @contextmanager
    def loaded(
        self, path: Path, pins: Path, sizes: Mapping[str, int] | None = None
    ) -> Iterator[Callable[[str], int]]:
        """Load an object whose maps are pinned in (or taken from) the folder `pins`.

        Yields a function from program name to a file descriptor that lives inside the block.
        `sizes` replaces the number of entries of maps before they are made.
        """
        log = _Log()
        with self._logging(log):
            handle = self._open(path, pins, log)
            try:
                self._resize(handle, sizes or {}, path)
                code = self._lib.bpf_object__load(ctypes.c_void_p(handle))
                if code:
                    raise ObjectLoadError(path, -code, log.text.decode(errors="replace"))
                yield lambda name: self._program_fd(handle, name, path)
            finally:
                self._lib.bpf_object__close(ctypes.c_void_p(handle))

    def _open(self, path: Path, pins: Path, log: _Log) -> int:
        options = _OpenOptions(sz=ctypes.sizeof(_OpenOptions), pin_root_path=bytes(pins))
        handle = self._lib.bpf_object__open_file(bytes(path), ctypes.byref(options))
        if not handle:
            raise ObjectLoadError(path, ctypes.get_errno(), log.text.decode(errors="replace"))
        return int(handle)

    def _resize(self, handle: int, sizes: Mapping[str, int], path: Path) -> None:
        for name, entries in sizes.items():
            table = self._lib.bpf_object__find_map_by_name(ctypes.c_void_p(handle), name.encode())
            if not table:
                continue
            code = self._lib.bpf_map__set_max_entries(
                ctypes.c_void_p(table), ctypes.c_uint32(entries)
            )
            if code:
                raise ObjectLoadError(path, -code, f"map {name}: cannot hold {entries} entries")

    def _program_fd(self, handle: int, name: str, path: Path) -> int:
        program = self._lib.bpf_object__find_program_by_name(ctypes.c_void_p(handle), name.encode())
        if not program:
            raise ObjectLoadError(path, errno.ENOENT, f"no program {name}")
        return int(self._lib.bpf_program__fd(ctypes.c_void_p(program)))

    @contextmanager
    def _logging(self, log: _Log) -> Iterator[None]:
        """Send libbpf's messages to `log`: its callback gets a va_list, which vsnprintf reads."""
        printer = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)

        def write(level: int, text: bytes, arguments: Any) -> int:  # noqa: ANN401 a va_list
            if level >= _DEBUG_LEVEL:
                return 0
            line = ctypes.create_string_buffer(_LOG_BYTES)
            self._libc.vsnprintf(
                line, ctypes.c_size_t(_LOG_BYTES), text, ctypes.c_void_p(arguments)
            )
            log.write(line.value)
            return 0

        callback = printer(write)
        self._lib.libbpf_set_print(callback)
        try:
            yield
        finally:
            self._lib.libbpf_set_print(None)
