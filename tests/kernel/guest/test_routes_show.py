"""`routes show` prints what `route -n` of net-tools prints, byte for byte."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.support.servers import batch, server

from portlight.guest.routes.show import read_rows, read_rows6, render_rows, render_rows6

_WORDS = st.integers(0, 2**32 - 1)
_PROC_HEADER = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
)
_REAL = """
import subprocess, sys
open("/proc/net/route", "w").write({four!r})
open("/proc/net/ipv6_route", "w").write({six!r})
for words in (["route", "-n"], ["route", "-6", "-n"]):
    print(subprocess.run(words, capture_output=True, text=True, check=True).stdout, end="")
"""


@st.composite
def _route(draw: st.DrawFn) -> str:
    """A line of /proc/net/route; of flags those that Linux sets for IPv4."""
    flags = draw(st.sampled_from([0x0, 0x1, 0x3, 0x5, 0x7, 0x201, 0x205, 0x13, 0x2B]))
    length = draw(st.integers(0, 32))
    mask = int.from_bytes(((2**32 - 1) << (32 - length) & (2**32 - 1)).to_bytes(4, "big"), "little")
    name = draw(st.from_regex(r"[a-z][a-z0-9.:@-]{0,14}", fullmatch=True))
    ref, use = draw(st.integers(0, 99)), draw(st.integers(0, 10**9))
    return (
        f"{name}\t{draw(_WORDS):08X}\t{draw(_WORDS):08X}\t{flags:04X}\t{ref}\t{use}"
        f"\t{draw(_WORDS)}\t{mask:08X}\t0\t0\t0\n"
    )


@st.composite
def _route6(draw: st.DrawFn) -> str:
    """A line of /proc/net/ipv6_route, with any flags."""
    address = st.sampled_from(["0" * 32, "20010db8" + "0" * 24, "f" * 31 + "0"]) | st.binary(
        min_size=16, max_size=16
    ).map(bytes.hex)
    words = " ".join(f"{draw(_WORDS):08x}" for _ in range(4))
    length = draw(st.integers(0, 128))
    return f"{draw(address)} {length:02x} {'0' * 32} 00 {draw(address)} {words}     eth0\n"


@pytest.mark.covers("K10")
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.lists(_route(), min_size=40, max_size=40), st.lists(_route6(), min_size=40, max_size=40))
def test_the_layout_is_that_of_the_tool_whatever_the_kernel_lists(
    four: list[str], six: list[str]
) -> None:
    listing, listing6 = _PROC_HEADER + "".join(four), "".join(six)
    program = _REAL.format(four=listing, six=listing6)
    hidden = 'mount -t tmpfs tmpfs /proc; mkdir /proc/net; exec "$@"'

    real = subprocess.run(
        ("unshare", "--mount", "sh", "-c", hidden, "sh", sys.executable, "-I", "-c", program),
        capture_output=True,
        text=True,
        check=True,
    )

    ours = render_rows(read_rows(listing)) + render_rows6(read_rows6(listing6))
    assert ours.splitlines() == real.stdout.splitlines()


@pytest.mark.covers("K7", "K10")
def test_the_table_of_a_server_reads_as_from_the_tool(tmp_path: Path) -> None:
    with server(tmp_path, 2) as host:
        batch(host.namespace, "route add unreachable 10.99.0.0/16", "route add 10.8.0.1 dev eth1")

        assert host.must("routes", "show") == host.run("route", "-n")
        assert host.must("routes", "show", "-6") == host.run("route", "-6", "-n")
        rows = json.loads(host.must("routes", "show", "--json"))["routes"]

    defaults = [row for row in rows if row["destination"] == "0.0.0.0"]  # noqa: S104 -- everywhere
    assert [(row["gateway"], row["flags"], row["metric"], row["iface"]) for row in defaults] == [
        ("10.0.0.1", "UG", 100, "eth0"),
        ("10.1.0.1", "UG", 100, "eth1"),
    ]
