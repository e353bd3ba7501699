"""Inside a guest: send a datagram every half millisecond, or say when something first arrives.

`tick.py send ADDRESS PORT` reads source ports from standard input; each begins a new flow that goes
on until the next. `tick.py receive PORT` prints `SOURCE_PORT SENT_AT` for the first datagram of
each flow; SENT_AT is the sender's CLOCK_REALTIME in seconds. `tick.py watch IFNAME` prints
`SOURCE_MAC SEEN_AT` for the first frame of each sender. Standard library only.
"""

import contextlib
import select
import socket
import struct
import sys
import time

INTERVAL_SECONDS = 0.0005


def send(address: str, port: int) -> None:
    """Send to the address; one flow after the other."""
    flow: socket.socket | None = None
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], 0 if flow else None)
        if readable:
            line = sys.stdin.readline()
            if not line:
                return
            flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            flow.bind(("", int(line)))
            flow.connect((address, port))
        if flow:
            with contextlib.suppress(OSError):
                flow.send(struct.pack("d", time.time()))
            time.sleep(INTERVAL_SECONDS)


def receive(port: int) -> None:
    """Print each new flow once."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("", port))
    seen: set[int] = set()
    while True:
        payload, (_, source_port) = listener.recvfrom(64)
        if source_port not in seen:
            seen.add(source_port)
            print(source_port, *struct.unpack("d", payload), flush=True)


def watch(ifname: str) -> None:
    """Print each new sender once."""
    every_protocol = 0x0003
    frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(every_protocol))
    frames.bind((ifname, every_protocol))
    seen: set[bytes] = set()
    while True:
        frame = frames.recv(64)
        sender = frame[6:12]
        if sender not in seen:
            seen.add(sender)
            print(sender.hex(":"), time.time(), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case "send", address, port:
            send(address, int(port))
        case "receive", port:
            receive(int(port))
        case "watch", ifname:
            watch(ifname)
        case _:
            sys.exit(__doc__)
