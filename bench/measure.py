"""What one pair carries: a TCP stream, small UDP packets, new connections."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.commands import argv_inside, built_load, inside
from bench.pair import Pair

UDP_PORT = 9100
HTTP_ASK = Path(__file__).parent / "loads" / "http_ask.py"
TCP_PORT = 9000
"""`load tcp-accept` listens on 16 ports from here on."""
IPERF_PORT = 5201


def tcp_bits_per_second(pair: Pair, seconds: float) -> float:
    """Measure one TCP stream with iperf3, as the receiver saw it."""
    server = ("iperf3", "--server", "--one-off", "--forceflush", "--port", str(IPERF_PORT))
    with _serving(pair.server, *server):
        report = inside(
            pair.client,
            *("iperf3", "--client", pair.server_address, "--port", str(IPERF_PORT)),
            *("--time", str(max(1, round(seconds))), "--json"),
        )
    return float(json.loads(report)["end"]["sum_received"]["bits_per_second"])


def udp_packets_per_second(pair: Pair, seconds: float) -> float:
    """Measure received packets of 64 bytes payload (106 bytes with headers), one answered flow."""
    return _udp(pair, "udp-receive", seconds)


def unanswered_udp_packets_per_second(pair: Pair, seconds: float) -> float:
    """Measure the same without an answer: to Linux' conntrack such a flow stays NEW."""
    return _udp(pair, "udp-silent", seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpus:
    """On which CPU a client and its server run; the kernel's work for each is done there, too."""

    client: int | None = None
    server: int | None = None


WHEREVER = Cpus()


def round_trip_microseconds(pair: Pair, seconds: float, cpus: Cpus = WHEREVER) -> float:
    """Measure the median round trip of a request of 64 bytes and its answer, one at a time."""
    load = built_load()
    at = (pair.server_address, str(UDP_PORT))
    with _serving(pair.server, *_on(cpus.server), load, "udp-echo", *at):
        asked = inside(pair.client, *_on(cpus.client), load, "udp-ask", *at, str(seconds))
    return float(asked)


def http_microseconds(pair: Pair, seconds: float, cpus: Cpus = WHEREVER) -> float:
    """Measure the median of a small HTTP request and its answer, over one connection."""
    serve = ("http.server", "--protocol", "HTTP/1.1", "--bind", pair.server_address, str(TCP_PORT))
    served = (*_on(cpus.server), sys.executable, "-u", "-m", *serve)
    with _serving(pair.server, *served):
        at = (pair.server_address, str(TCP_PORT), str(seconds))
        ask = (*_on(cpus.client), sys.executable, str(HTTP_ASK), *at)
        return float(inside(pair.client, *ask))


def _on(cpu: int | None) -> tuple[str, ...]:
    return () if cpu is None else ("taskset", "--cpu-list", str(cpu))


def copies_of(pair: Pair, address: str, packets_per_second: int, seconds: float) -> tuple[int, int]:
    """Send so many packets a second; return how many were sent, and how many copies of them the
    collector, whose address this is, has received and decoded.
    """
    assert pair.collector is not None
    load = built_load()
    at = (pair.server_address, str(UDP_PORT))
    counter = _serving(pair.collector, load, "vxlan-count", address, "4789")
    with _serving(pair.server, load, "udp-silent", *at), counter as collector:
        sent = inside(pair.client, load, "udp-pace", *at, str(seconds), str(packets_per_second))
        decoded, _ = collector.communicate(timeout=15)
    return int(sent), int(decoded)


def tcp_connections_per_second(pair: Pair, seconds: float) -> float:
    """Measure completed handshakes; each connection is a new flow for every firewall."""
    load = built_load()
    at = (pair.server_address, str(TCP_PORT))
    with _serving(pair.server, load, "tcp-accept", *at):
        return float(inside(pair.client, load, "tcp-connect", *at, str(seconds)))


def _udp(pair: Pair, receiver_kind: str, seconds: float) -> float:
    load = built_load()
    at = (pair.server_address, str(UDP_PORT))
    with _serving(pair.server, load, receiver_kind, *at) as receiver:
        inside(pair.client, load, "udp-send", *at, str(seconds))
        counted, _ = receiver.communicate(timeout=15)
    return float(counted)


@contextmanager
def _serving(namespace: str, *command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a server in a guest, from its first printed line (it listens) to the end of the block."""
    argv, nowhere = argv_inside(namespace, *command), subprocess.DEVNULL
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=nowhere, text=True)
    try:
        assert process.stdout
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()
