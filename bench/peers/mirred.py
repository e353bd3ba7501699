"""A source mirrored the plain Linux way: tc mirred into a VXLAN device, on a bridge, no rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from bench.commands import inside
from bench.pair import Pair, add_bridge, attach, namespaces, wired

COLLECTOR_ADDRESS, COLLECTOR_MAC = "192.168.77.12", "02:00:00:00:77:12"
FABRIC_ADDRESS = "192.168.77.1"
EVERYTHING = "1,6 0 0 4294967295"
"""A classic BPF program that matches every frame; this machine has no matchall."""


@contextmanager
def mirred_pair(prefix: str) -> Iterator[Pair]:
    """Yield a pair whose client is mirrored, both directions, to a third guest."""
    collector = f"{prefix}-collector"
    with wired("tc mirred", prefix) as wiring, namespaces((collector,)):
        add_bridge(wiring)
        fabric = wiring.fabric
        address = f"{COLLECTOR_ADDRESS}/24"
        attach(fabric, "collector", collector, address, COLLECTOR_MAC)
        inside(fabric, "ip", "link", "set", "collector", "master", "bridge")
        inside(fabric, "ip", "address", "add", f"{FABRIC_ADDRESS}/24", "dev", "bridge")
        inside(
            fabric,
            *("ip", "link", "add", "copies", "type", "vxlan", "id", "1", "dstport", "4789"),
            *("local", FABRIC_ADDRESS, "remote", COLLECTOR_ADDRESS, "nolearning"),
        )
        inside(fabric, "ip", "link", "set", "copies", "up")
        inside(fabric, "tc", "qdisc", "add", "dev", wiring.client_link, "clsact")
        for hook in ("ingress", "egress"):
            inside(
                fabric,
                *("tc", "filter", "add", "dev", wiring.client_link, hook, "bpf"),
                *("bytecode", EVERYTHING, "action", "mirred", "egress", "mirror", "dev", "copies"),
            )
        yield replace(wiring.pair, collector=collector)
