"""What guests see on their interfaces, and how an independent reader takes copies of it apart."""

import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scapy.utils import RawPcapReader
from tests.support.plan_host import PlanHost

OUTER = 50
"""Bytes of a copy before its inner frame: Ethernet, IPv4, UDP, VXLAN."""


@contextmanager
def captured(host: PlanHost, number: int, what: str) -> Iterator[list[bytes]]:
    """Collect the frames at a guest's eth0 that tcpdump's filter lets through."""
    file = host.names.folder / f"capture-{number}"
    command = ("tcpdump", "-i", "eth0", "-s0", "-U", "--immediate-mode", "-w", str(file), what)
    process = host.start(number, *command, "-B", "65536")
    assert process.stderr is not None
    while "listening" not in process.stderr.readline():
        assert process.poll() is None, "tcpdump ended"
    frames: list[bytes] = []
    try:
        yield frames
        size = -1
        while size != file.stat().st_size:
            size = file.stat().st_size
            time.sleep(0.2)
    finally:
        process.terminate()
        process.communicate()
    with RawPcapReader(str(file)) as reader:
        frames += [bytes(raw) for raw, _ in reader]


def number_at(frame: bytes, offset: int) -> int:
    return int.from_bytes(frame[offset : offset + 2], "big")


def inner(copy: bytes) -> bytes:
    """Return the frame in a copy, by the length that its outer IP header says."""
    return copy[OUTER : 14 + number_at(copy, 16)]


def checksum(header: bytes) -> int:
    total = sum(number_at(header, at) for at in range(0, len(header), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def decoded(file: Path, *fields: str) -> list[list[str]]:
    """Let tshark, which knows nothing of us, read a capture."""
    options = [part for field in fields for part in ("-e", field)]
    done = subprocess.run(
        ["tshark", "-r", str(file), "-T", "fields", *options],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


def segments(frame: bytes, keep: int, mtu: int) -> Iterator[bytes]:
    """Yield what must be in the copies of a frame that the source's stack sent.

    A super-packet of which no segment needs a cut travels whole.
    """
    is_ipv4 = frame[12:14] == b"\x08\x00"
    header = 14 + (frame[14] & 15) * 4 if is_ipv4 else 54
    headers = header + (frame[header + 12] >> 4) * 4
    size = mtu + 14 - headers
    payload = frame[headers:]
    if len(frame) <= keep or (len(payload) > size and headers + size <= keep):
        yield frame
        return
    if len(payload) <= size:
        yield frame[:keep]
        return
    identification, sequence = frame[18:20], frame[header + 4 : header + 8]
    for number, start in enumerate(range(0, len(payload), size)):
        piece = payload[start : start + size]
        last = start + size >= len(payload)
        raw = bytearray(frame[:headers])
        if is_ipv4:
            fresh = (int.from_bytes(identification, "big") + number) & 0xFFFF
            raw[16:20] = struct.pack("!HH", headers - 14 + len(piece), fresh)
            raw[24:26] = bytes(2)
            raw[24:26] = struct.pack("!H", checksum(bytes(raw[14:header])))
        else:
            raw[18:20] = struct.pack("!H", headers - 54 + len(piece))
        value = (int.from_bytes(sequence, "big") + start) & 0xFFFFFFFF
        raw[header + 4 : header + 8] = value.to_bytes(4, "big")
        raw[header + 13] = frame[header + 13] & (0xFF if last else ~0x09 & 0xFF)
        yield bytes(raw + piece)[:keep]
