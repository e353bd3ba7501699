"""Open vSwitch with its userspace datapath: connection tracking and the rules as OpenFlow.

Database and switch are processes of our own, in a folder of our own and in the fabric's namespace;
an Open vSwitch of the machine is not touched.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.commands import argv_inside, inside, run
from bench.pair import (
    CLIENT_ADDRESS,
    CLIENT_MAC,
    SERVER_ADDRESS,
    SERVER_MAC,
    Pair,
    Wiring,
    wired,
)
from bench.rule_sets import AllowRule, allow_rules

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
CLIENT_PORT, SERVER_PORT = 1, 2
"""OpenFlow numbers of the two links."""


@contextmanager
def openvswitch_pair(prefix: str, rules: int) -> Iterator[Pair]:
    """Yield a pair between which only Open vSwitch forwards; both ports have the same rules."""
    with (
        wired("openvswitch", prefix) as wiring,
        tempfile.TemporaryDirectory(prefix="bench-ovs-") as folder,
    ):
        send_checksums(wiring.pair)
        with running_switch(wiring, Path(folder)):
            connect(wiring, Path(folder))
            flows = "\n".join(render_flows(allow_rules(rules)))
            run("ovs-ofctl", "add-flows", f"unix:{folder}/br0.mgmt", "-", stdin=flows + "\n")
            yield wiring.pair


def send_checksums(pair: Pair) -> None:
    """Let guests compute them: packet sockets see what the sender left to a card otherwise."""
    for guest in (pair.client, pair.server):
        inside(guest, "ethtool", "-K", "eth0", "tx", "off")


def render_flows(rules: tuple[AllowRule, ...]) -> Iterator[str]:
    """Yield the flows: source binding, connection state, then the rules for what is new."""
    ports = (
        (CLIENT_PORT, CLIENT_ADDRESS, CLIENT_MAC),
        (SERVER_PORT, SERVER_ADDRESS, SERVER_MAC),
    )
    for number, address, mac in ports:
        port = f"in_port={number},dl_src={mac}"
        yield f"table=0,priority=100,arp,{port},arp_spa={address},actions=normal"
        yield f"table=0,priority=90,ip,{port},nw_src={address},actions=ct(table=1)"
    yield "table=0,priority=0,actions=drop"
    yield "table=1,priority=100,ct_state=+trk+est-inv,ip,actions=normal"
    yield "table=1,priority=100,ct_state=+trk+rel-inv,ip,actions=normal"
    for _, address, _ in ports:
        yield from _ingress(address, rules)
    yield "table=1,priority=0,actions=drop"


def _ingress(address: str, rules: Iterable[AllowRule]) -> Iterator[str]:
    for rule in rules:
        match = f"ct_state=+trk+new-inv,{rule.protocol},nw_dst={address},nw_src={rule.prefix}"
        for value, mask in port_masks(rule.first_port, rule.last_port):
            yield (
                f"table=1,priority=50,{match},tp_dst={value:#x}/{mask:#x},actions=ct(commit),normal"
            )


def port_masks(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the fewest (value, mask) pairs that together are exactly first..last."""
    while first <= last:
        size = first & -first or 1 << 16
        while size > last - first + 1:
            size >>= 1
        yield first, 0x10000 - size & 0xFFFF
        first += size


@contextmanager
def running_switch(wiring: Wiring, folder: Path) -> Iterator[None]:
    """Run the database and the switch in the foreground of ours; end both with the block."""
    database = f"{folder}/conf.db"
    run("ovsdb-tool", "create", database, SCHEMA)
    server = ("ovsdb-server", database, f"--remote=punix:{folder}/db.sock")
    switch = ("ovs-vswitchd", f"unix:{folder}/db.sock")
    with _daemon(folder, *server), _daemon(folder, *argv_inside(wiring.fabric, *switch)):
        yield


@contextmanager
def _daemon(folder: Path, *command: str) -> Iterator[None]:
    own = {"OVS_RUNDIR": str(folder), "OVS_LOGDIR": str(folder), "OVS_DBDIR": str(folder)}
    with (folder / "daemons.log").open("a") as log:
        process = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def connect(wiring: Wiring, folder: Path) -> None:
    """Make a bridge of both links, which forwards nothing until it has flows."""
    database = f"--db=unix:{folder}/db.sock"
    run("ovs-vsctl", "--retry", "--timeout=10", database, "--no-wait", "init")
    run(
        *("ovs-vsctl", "--timeout=20", database),
        *("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev"),
        *("fail_mode=secure", "--", "add-port", "br0", wiring.client_link),
        *("--", "set", "interface", wiring.client_link, f"ofport_request={CLIENT_PORT}"),
        *("--", "add-port", "br0", wiring.server_link),
        *("--", "set", "interface", wiring.server_link, f"ofport_request={SERVER_PORT}"),
    )
