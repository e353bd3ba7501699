"""A source mirrored by Open vSwitch into a VXLAN port, with its userspace datapath."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.commands import inside, run
from bench.pair import Pair, attach, namespaces, wired
from bench.peers.mirred import COLLECTOR_MAC
from bench.peers.openvswitch import connect, running_switch, send_checksums

COLLECTOR_ADDRESS, FABRIC_ADDRESS = "192.168.78.12", "192.168.78.1"


@dataclass(frozen=True, slots=True)
class OpenVSwitch:
    """A pair without any rule, and the switch that may mirror its client."""

    pair: Pair
    database: str
    client_link: str

    def mirror(self, *, enabled: bool) -> None:
        """Copy what the client sends and receives to the collector, or stop it."""
        command = ("ovs-vsctl", "--timeout=20", self.database)
        if not enabled:
            run(*command, "clear", "bridge", "br0", "mirrors")
            return
        run(
            *(*command, "--", "--id=@source", "get", "port", self.client_link),
            *("--", "--id=@copies", "get", "port", "copies"),
            *("--", "--id=@mirror", "create", "mirror", "name=copies", "output-port=@copies"),
            *("select-src-port=@source", "select-dst-port=@source"),
            *("--", "set", "bridge", "br0", "mirrors=@mirror"),
        )


@contextmanager
def openvswitch_mirror(prefix: str) -> Iterator[OpenVSwitch]:
    """Yield a pair whose client Open vSwitch can mirror to a third guest."""
    collector = f"{prefix}-collector"
    with (
        wired("openvswitch mirror", prefix) as wiring,
        namespaces((collector,)),
        tempfile.TemporaryDirectory(prefix="bench-ovs-") as folder,
    ):
        fabric = wiring.fabric
        send_checksums(wiring.pair)
        attach(fabric, "collector", collector, f"{COLLECTOR_ADDRESS}/24", COLLECTOR_MAC)
        with running_switch(wiring, Path(folder)):
            connect(wiring, Path(folder))
            run("ovs-ofctl", "add-flow", f"unix:{folder}/br0.mgmt", "actions=normal")
            database = f"--db=unix:{folder}/db.sock"
            _add_collector(database)
            inside(fabric, "ip", "address", "add", f"{FABRIC_ADDRESS}/24", "dev", "br-out")
            inside(fabric, "ip", "link", "set", "br-out", "up")
            # The switch learns the collector's MAC from the answer.
            inside(fabric, "ping", "-c3", "-i0.2", COLLECTOR_ADDRESS)
            pair = replace(wiring.pair, collector=collector)
            yield OpenVSwitch(pair, database, wiring.client_link)


def _add_collector(database: str) -> None:
    run(
        *("ovs-vsctl", "--timeout=20", database),
        *("add-br", "br-out", "--", "set", "bridge", "br-out", "datapath_type=netdev"),
        *("--", "add-port", "br-out", "collector", "--", "add-port", "br0", "copies"),
        *("--", "set", "interface", "copies", "type=vxlan", "options:key=1"),
        f"options:remote_ip={COLLECTOR_ADDRESS}",
    )
