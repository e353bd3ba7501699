"""Real frames between real guests, straight from link to link, judged by the loaded programs."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.support.programs import build_programs
from tests.support.scene import ANYTHING, NETWORK, WEB, binding

from portlight.dataplane.bpf.port_table import PortAttachment
from portlight.dataplane.bpf.programs import ensure_bpffs, load_programs, remove_bpffs
from portlight.dataplane.bpf.tables import Tables
from portlight.plan.classifier import Classifier, ClassifierRule, Family
from portlight.plan.delta import Delta
from portlight.plan.host import PortPlan
from portlight.values.addresses import MacAddress
from portlight.values.ranges import PortRange
from portlight.values.verdict import DropReason

ECHO = ClassifierRule(family=Family.IPV4, protocol=1, icmp=PortRange(first=8 << 8, last=8 << 8))


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert not check or done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done


def put(table: object, key: object, value: object) -> None:
    failures = table.apply(Delta(put={key: value}, remove=frozenset()))  # type: ignore[attr-defined]
    assert not failures, failures


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A fabric with a bridge and guests 1, 2, ...; each guest is a network namespace."""

    prefix: str
    pins: Path
    tables: Tables

    def inside(self, place: str, *command: str, check: bool = True) -> str:
        path = f"--net=/run/netns/{self.prefix}{place}"
        return run("nsenter", path, *command, check=check).stdout

    def guest(self, number: int, *ingress: ClassifierRule) -> None:
        name, mac = f"{self.prefix}{number}", MacAddress(0x02_00_00_00_00_00 + number)
        run("ip", "netns", "add", name)
        self.inside(
            "f",
            *("ip", "link", "add", f"p{number}", "type", "veth"),
            *("peer", "name", "eth0", "address", str(mac), "netns", name),
        )
        self.write(number, mac, ingress)
        self.inside("f", "tc", "qdisc", "add", "dev", f"p{number}", "clsact")
        for hook, program in (("ingress", "from_port"), ("egress", "to_port")):
            self.inside(
                "f",
                *("tc", "filter", "add", "dev", f"p{number}", hook, "bpf", "direct-action"),
                *("object-pinned", str(self.pins / program)),
            )
        self.inside("f", "ip", "link", "set", f"p{number}", "master", "fabric", "up")
        # IPv6 would send multicasts of its own, at times of its own.
        self.inside(str(number), "sysctl", "-q", "net.ipv6.conf.all.disable_ipv6=1")
        self.inside(str(number), "ip", "address", "add", f"10.0.0.{number}/24", "dev", "eth0")
        self.inside(str(number), "ip", "link", "set", "eth0", "up")

    def write(self, number: int, mac: MacAddress, ingress: tuple[ClassifierRule, ...]) -> None:
        keys = []
        for rules in (ANYTHING, ingress):
            classifier = Classifier(rules=rules)
            put(self.tables.classifiers, classifier.key, classifier)
            keys.append(classifier.key)
        for address in (ip_address(f"10.0.0.{number}"), mac.link_local):
            put(self.tables.bindings, binding(number, mac, address), None)
        plan = PortPlan(
            network=NETWORK,
            scope=NETWORK,
            mac=mac,
            mtu=1500,
            up=True,
            secured=True,
            egress=keys[0],
            ingress=keys[1],
        )
        (link,) = json.loads(self.inside("f", "ip", "-json", "link", "show", f"p{number}"))
        put(self.tables.ports, number, PortAttachment(plan=plan, ifindex=link["ifindex"]))


@contextmanager
def wire(folder: Path) -> Iterator[Wire]:
    prefix, pins = f"plw{os.getpid()}-", folder / "pins"
    ensure_bpffs(pins)
    try:
        load_programs(build_programs(folder / "objects"), pins)
        with Tables(pins) as tables:
            made = Wire(prefix=prefix, pins=pins, tables=tables)
            run("ip", "netns", "add", f"{prefix}f")
            made.inside("f", "ip", "link", "add", "name", "fabric", "type", "bridge")
            made.inside("f", "ip", "link", "set", "fabric", "up")
            yield made
    finally:
        for each in Path("/run/netns").glob(f"{prefix}*"):
            run("ip", "netns", "delete", each.name)
        remove_bpffs(pins)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    with wire(tmp_path_factory.mktemp("wire")) as made:
        made.guest(1)
        made.guest(2, WEB, ECHO)
        yield made


def counted(two: Wire, port: int, direction: str, reason: DropReason | None) -> int:
    return sum(
        each.packets
        for each in two.tables.counters.read()
        if (each.port, each.direction, each.reason) == (port, direction, reason)
    )


@pytest.mark.covers("N11")
def test_a_ping_that_a_rule_allows_is_answered_and_the_other_way_round_is_not(two: Wire) -> None:
    two.inside("1", "ping", "-c", "2", "-i", "0.2", "-W", "2", "10.0.0.2")
    before = counted(two, 1, "ingress", DropReason.NO_INGRESS_RULE)
    said = two.inside("2", "ping", "-c", "1", "-W", "1", "10.0.0.1", check=False)
    assert "0 received" in said
    assert counted(two, 1, "ingress", DropReason.NO_INGRESS_RULE) > before


@pytest.mark.covers("N11")
def test_unicast_goes_past_the_bridge(two: Wire) -> None:
    two.inside("1", "ping", "-c", "1", "-W", "2", "10.0.0.2")
    before = _sent_by(two, "p2")
    two.inside("1", "ping", "-c", "60", "-i", "0.01", "-W", "2", "10.0.0.2")
    # The host end sends some multicasts of its own, at times of its own.
    assert _sent_by(two, "p2") - before < 30


def _sent_by(two: Wire, link: str) -> int:
    """Frames that the host end of a link transmitted, which the straight way does not use."""
    (found,) = json.loads(two.inside("f", "ip", "-json", "-stats", "link", "show", link))
    return int(found["stats64"]["tx"]["packets"])


@pytest.mark.covers("N11")
def test_a_tcp_stream_with_super_packets_arrives_whole(two: Wire) -> None:
    script = (
        "import socket,sys\n"
        "s=socket.create_server(('10.0.0.2',80)); print('up',flush=True)\n"
        "c,_=s.accept(); n=0\n"
        "while d:=c.recv(1<<16): n+=len(d)\n"
        "print(n)\n"
    )
    path = f"--net=/run/netns/{two.prefix}2"
    with subprocess.Popen(
        ["nsenter", path, "python3", "-c", script], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        client = (
            "import socket\n"
            "s=socket.create_connection(('10.0.0.2',80),5)\n"
            "s.sendall(bytes(50_000_000)); s.close()\n"
        )
        two.inside("1", "python3", "-c", client)
        assert server.stdout.readline() == "50000000\n"


@pytest.mark.covers("N10")
def test_a_forged_address_leaves_no_guest(two: Wire) -> None:
    two.inside("1", "ping", "-c", "1", "-W", "2", "10.0.0.2")
    two.inside("1", "ip", "address", "add", "10.0.0.66/32", "dev", "eth0")
    for reason in (DropReason.SPOOFED_IPV4, DropReason.SPOOFED_ARP):
        before = counted(two, 1, "egress", reason)
        forged = ("ping", "-c", "1", "-W", "1", "-I", "10.0.0.66", "10.0.0.2")
        assert "0 received" in two.inside("1", *forged, check=False)
        assert counted(two, 1, "egress", reason) > before
        # Without a neighbour entry the guest has to ask by ARP first.
        two.inside("1", "ip", "neigh", "flush", "all")
    two.inside("1", "ip", "address", "del", "10.0.0.66/32", "dev", "eth0")
