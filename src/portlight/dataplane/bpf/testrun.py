"""Run a loaded program on a frame, without links: BPF_PROG_TEST_RUN.

For tests, `trace` and measurements. Counters, flows and claims change as with a real frame; the
frame itself goes nowhere.
"""

import ctypes
import struct
from dataclasses import dataclass

from portlight.dataplane.bpf.syscall import Command, address_of, bpf

TC_ACT_OK = 0
TC_ACT_SHOT = 2
TC_ACT_REDIRECT = 7
_CONTEXT_BYTES = 192
_IFINDEX = 40
_CB = 48
_GSO_SEGMENTS = 164
_GSO_SIZE = 176
_ROOM = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """What a program said about a frame."""

    __test__ = False
    action: int
    cb: tuple[int, int, int]
    """For a drop: reason, port number, direction."""
    frame: bytes
    nanoseconds: int
    """Mean per run."""


def run_program(
    fd: int, frame: bytes, *, ifindex: int, gso_size: int = 0, repeat: int = 1
) -> TestRun:
    """Judge a frame as if it came by the link `ifindex` of the caller's network namespace."""
    context = ctypes.create_string_buffer(_CONTEXT_BYTES)
    struct.pack_into("=I", context, _IFINDEX, ifindex)
    struct.pack_into("=I", context, _GSO_SIZE, gso_size)
    if gso_size:
        struct.pack_into("=I", context, _GSO_SEGMENTS, -(-len(frame) // gso_size))
    data = ctypes.create_string_buffer(frame, len(frame))
    found = ctypes.create_string_buffer(len(frame) + _ROOM)
    left = ctypes.create_string_buffer(_CONTEXT_BYTES)
    attributes = struct.pack(
        "=IIIIQQIIIIQQIII4x",
        fd,
        0,
        len(frame),
        len(found),
        address_of(data),
        address_of(found),
        repeat,
        0,
        _CONTEXT_BYTES,
        _CONTEXT_BYTES,
        address_of(context),
        address_of(left),
        0,
        0,
        0,
    )
    _, after = bpf(Command.PROG_TEST_RUN, attributes)
    _, action, _, size = struct.unpack_from("=IIII", after)
    (duration,) = struct.unpack_from("=I", after, 36)
    reason, port, direction = struct.unpack_from("=III", left, _CB)
    return TestRun(
        action=action,
        cb=(reason, port, direction),
        frame=found.raw[:size],
        nanoseconds=duration,
    )
