"""Routers and public addresses, from the call to the packet: docs/design/routing.md."""

import itertools
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from tests.support.deployment import Deployment, Guest, Json, wait_for
from tests.support.keepalived import Vrrp, write_keepalived
from tests.support.routed_cloud import (
    a_floating_ip,
    a_router,
    a_subnet_of,
    an_external_network,
    an_open_guest,
    associate,
    clear_routing,
    host_reaches,
    set_routes,
)

FAST = ("-D", "-i", "0.02", "-W", "0.2")
"""Not faster: what is printed has to fit into a pipe that nobody reads meanwhile."""
SKEW_SECONDS = 0.7
"""For so long the second of a pair waits after a goodbye (RFC 5798, section 6.1)."""
FAILOVER_SECONDS = 1.0
"""Far less than a neighbour entry lives; how fast it is, the measurements say."""


@pytest.fixture
def routed(cloud: Deployment) -> Iterator[Deployment]:
    """The deployment; routers and floating IPs of a test end before its networks."""
    yield cloud
    for guest in cloud.guests:
        guest.end_background()
        cloud.native("DELETE", f"/instances/{guest.id}")
    cloud.guests.clear()
    clear_routing(cloud)


def own(guest: Guest) -> str:
    """Return the guest's address."""
    return guest.addresses()[0]


def status(cloud: Deployment, kind: str, thing: Json) -> str:
    shown: str = cloud.neutron("GET", f"/{kind}s/{thing['id']}")[kind]["status"]
    return shown


def router_namespaces(cloud: Deployment) -> set[str]:
    tag = json.loads((cloud.state / "settings.json").read_text())["tag"]
    return {name for name in os.listdir("/run/netns") if name.startswith(f"pl-{tag}-r-")}  # noqa: PTH208


class Ping:
    """A ping that runs until it is asked what it saw: in a guest, or in the host itself."""

    def __init__(self, guest: Guest | None, *options: str) -> None:
        command = ("ping", "-n", *options)
        self._guest = guest
        self._process = (
            guest.start(*command)
            if guest is not None
            else subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        )

    def end(self) -> str:
        """End it; return what it said."""
        if self._guest is not None:
            self._guest.must("pkill", "-INT", "-x", "ping")
        else:
            self._process.send_signal(signal.SIGINT)
        said: str = self._process.communicate(timeout=10)[0]
        return said


def lost_of(ping: Ping) -> int:
    """End a ping; return how many answers are missing, that to the last question aside."""
    said = ping.end()
    counted = re.search(r"(\d+) packets transmitted, (\d+) received", said)
    assert counted, said
    sent, received = map(int, counted.groups())
    assert sent > 100, said
    return max(0, sent - received - 1)


@pytest.mark.covers("K3", "H147")
def test_the_host_reaches_a_public_address_that_moves_between_instances(
    routed: Deployment,
) -> None:
    world = an_external_network(routed)
    subnet = a_subnet_of(routed, "lan", "10.80.1.0/24")
    a_router(routed, subnet, gateway=world)
    (one, first), (two, second) = (an_open_guest(routed, subnet, name) for name in ("one", "two"))
    for guest in (one, two):
        guest.must("sh", "-c", f"mkdir -p /run/www && echo {guest.name} > /run/www/index.html")
        guest.start("busybox", "httpd", "-f", "-p", "80", "-h", "/run/www")
    floating = a_floating_ip(routed, world, first["id"])

    def page() -> str:
        url = f"http://{floating['floating_ip_address']}/"
        return subprocess.run(
            ["curl", "-s", "-m", "1", url], capture_output=True, text=True, check=False
        ).stdout

    wait_for("the first guest's page", lambda: "one" in page())
    associate(routed, floating, second["id"])
    wait_for("the second guest's page", lambda: "two" in page())
    wait_for("the report", lambda: status(routed, "floatingip", floating) == "ACTIVE")
    associate(routed, floating, None)
    wait_for("nobody's page", lambda: not page())


@pytest.mark.covers("H69", "H80")
def test_a_public_address_of_a_second_interface_works_without_a_change_in_the_guest(
    routed: Deployment,
) -> None:
    world = an_external_network(routed)
    subnets = [a_subnet_of(routed, f"lan{n}", f"10.80.{n}.0/24") for n in (1, 2)]
    a_router(routed, *subnets, gateway=world)
    group = routed.group("open", {"protocol": None})
    interfaces = (
        {"network_id": one["network_id"], "security_groups": [group["id"]]} for one in subnets
    )
    guest = routed.guest("two", *interfaces)

    for port in routed.ports_of(guest):
        floating = a_floating_ip(routed, world, port["id"])
        wait_for("the way in", partial(host_reaches, floating["floating_ip_address"]))


@pytest.mark.covers("X14")
def test_the_agent_dies_and_comes_back_without_a_routed_packet_lost(routed: Deployment) -> None:
    world = an_external_network(routed)
    subnets = [a_subnet_of(routed, f"lan{n}", f"10.80.{n}.0/24") for n in (1, 2)]
    a_router(routed, *subnets, gateway=world)
    (one, port), (two, _) = (an_open_guest(routed, sub, f"g{n}") for n, sub in enumerate(subnets))
    floating = a_floating_ip(routed, world, port["id"])
    wait_for("the way in", lambda: host_reaches(floating["floating_ip_address"]))
    wait_for("the way across", lambda: one.pings(own(two)))
    across = Ping(one, "-q", "-i", "0.01", own(two))
    inward = Ping(None, "-q", "-i", "0.01", floating["floating_ip_address"])

    os.kill(int((routed.state / "agent.pid").read_text().split()[0]), signal.SIGKILL)
    time.sleep(1.0)
    routed.up()
    time.sleep(1.0)

    assert lost_of(across) == 0
    assert lost_of(inward) == 0


@pytest.mark.covers("N21", "N22")
def test_a_nat_instance_works_only_without_its_source_and_destination_check(
    routed: Deployment,
) -> None:
    private, public = (a_subnet_of(routed, f"lan{n}", f"10.80.{n}.0/24") for n in (3, 4))
    router = a_router(routed, private, public)
    (inner, _), (nat, port) = (
        an_open_guest(routed, subnet, name) for subnet, name in ((private, "in"), (public, "nat"))
    )
    # The world is a further address of the NAT instance's own neighbour.
    far, _ = an_open_guest(routed, public, "far")
    nat.must("sysctl", "-qw", "net.ipv4.ip_forward=1")
    nat.must("iptables", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
    nat.must("ip", "route", "add", "192.0.2.1/32", "via", own(far))
    far.must("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
    set_routes(routed, router, **{"192.0.2.0/24": own(nat)})
    far_port = routed.ports_of(far)[0]["id"]
    off = {"port": {"source_destination_check": False}}
    routed.neutron("PUT", f"/ports/{far_port}", off)

    # Until the route is there, nothing reaches the NAT instance that it could refuse.
    inner.start("ping", "-n", "-q", "-i", "0.2", "192.0.2.1")
    routed.wait_drop(port, "ingress/destination_not_own")
    assert not inner.pings("192.0.2.1")
    routed.neutron("PUT", f"/ports/{port['id']}", off)
    wait_for("the way through the NAT instance", lambda: inner.pings("192.0.2.1"))


@pytest.mark.parametrize("mode", ["slaac", "dhcpv6-stateful"])
def test_guests_learn_the_router_as_their_ipv6_gateway(routed: Deployment, mode: str) -> None:
    modes = {"ipv6_address_mode": mode, "ipv6_ra_mode": mode}
    subnets = []
    for number in (1, 2):
        network = routed.network(f"six{number}")
        routed.subnet(network, f"10.81.{number}.0/24")
        subnets.append(routed.subnet(network, f"fd81:{number}::/64", **modes))
    a_router(routed, *subnets)
    (one, _), (two, _) = (an_open_guest(routed, sub, f"s{n}") for n, sub in enumerate(subnets))

    def ipv6(guest: Guest) -> list[str]:
        return [one for one in guest.addresses() if one.startswith("fd81")]

    def has_gateway(guest: Guest) -> bool:
        return "default via fe80::" in guest.must("ip", "-6", "route")

    for guest in (one, two):
        wait_for("an address", partial(ipv6, guest), seconds=20)
        wait_for("a gateway", partial(has_gateway, guest), seconds=20)
    wait_for("the way across", lambda: one.pings(ipv6(two)[0]), seconds=20)


class Pair:
    """Two members of a virtual IP that is the way to what lies behind them."""

    def __init__(self, cloud: Deployment, folder: Path, *, has_gateway: bool = True) -> None:
        self.cloud = cloud
        self.world = an_external_network(cloud)
        self.outer = a_subnet_of(cloud, "outer", "10.82.1.0/24")
        inner = a_subnet_of(cloud, "inner", "10.82.2.0/24")
        gateway = self.world if has_gateway else None
        self.router = a_router(cloud, self.outer, inner, gateway=gateway)
        self.client, _ = an_open_guest(cloud, inner, "client")
        body = {"subnet_id": self.outer["id"], "name": "pair"}
        self.vip = cloud.native("POST", "/virtual-ips", {"virtual_ip": body})["virtual_ip"]
        self.members, self.ports = [], []
        for number in (0, 1):
            guest, port = an_open_guest(cloud, self.outer, f"member{number}")
            self._join(guest, port)
            self.members.append(guest)
            self.ports.append(port)
        address = self.vip["ip_address"]
        for number, guest in enumerate(self.members):
            vrrp = Vrrp(address=address, priority=150 - 50 * number)
            guest.start(*write_keepalived(folder / guest.name, vrrp))
            if not number:
                wait_for("the first owner", lambda: self.owner() == self.ports[0]["id"], seconds=15)
        set_routes(cloud, self.router, **{"192.0.2.0/24": address})

    def _join(self, guest: Guest, port: Json) -> None:
        """Make a member that answers, itself, for what lies behind it."""
        member = {"member": {"port_id": port["id"]}}
        self.cloud.native("POST", f"/virtual-ips/{self.vip['id']}/members", member)
        off = {"port": {"source_destination_check": False}}
        self.cloud.neutron("PUT", f"/ports/{port['id']}", off)
        guest.must("ip", "address", "add", "192.0.2.1/32", "dev", "lo")
        # It asks for its gateway as itself: a question as what lies behind it would be spoofed.
        guest.must("sysctl", "-qw", "net.ipv4.conf.all.arp_announce=2")

    def state(self) -> Json:
        answer = self.cloud.native("GET", f"/virtual-ips/{self.vip['id']}/state")
        state: Json = answer["virtual_ip_state"]
        return state

    def owner(self) -> str | None:
        owner: str | None = self.state()["owner_port_id"]
        return owner


def replies(ping: Ping) -> list[float]:
    """End a `ping -D`; return when each reply arrived."""
    lines = [line for line in ping.end().splitlines() if "bytes from" in line]
    return [float(line[1 : line.index("]")]) for line in lines if line.startswith("[")]


def longest_gap(ping: Ping) -> float:
    """End a `ping -D`; return the longest time without a reply, in seconds."""
    arrived = replies(ping)
    return max(after - before for before, after in itertools.pairwise(arrived))


@pytest.mark.covers("N7", "X2", "H60", "H109")
def test_a_pair_that_is_next_hop_and_holds_a_public_address_fails_over_at_once(
    routed: Deployment, tmp_path: Path
) -> None:
    pair = Pair(routed, tmp_path)
    floating = a_floating_ip(routed, pair.world, pair.vip["port_id"])["floating_ip_address"]
    wait_for("the way in", lambda: host_reaches(floating), seconds=20)
    wait_for("the way through", lambda: pair.client.pings("192.0.2.1"), seconds=20)
    pings = Ping(pair.client, *FAST, "192.0.2.1"), Ping(None, *FAST, floating)
    time.sleep(0.5)

    routed.native("POST", f"/instances/{pair.members[0].id}/stop")
    wait_for("the second owner", lambda: pair.owner() == pair.ports[1]["id"], seconds=15)
    time.sleep(1.0)

    moved_at = datetime.fromisoformat(pair.state()["moves"][-1]["at"]).timestamp()
    for ping in pings:
        after = [at for at in replies(ping) if at >= moved_at]
        assert after, "no reply after the move"
        assert after[0] - moved_at <= FAILOVER_SECONDS


@pytest.mark.covers("N7", "X2", "X14")
@pytest.mark.parametrize("has_gateway", [True, False])
def test_a_pair_that_is_next_hop_fails_over_with_the_agent_dead(
    routed: Deployment, tmp_path: Path, *, has_gateway: bool
) -> None:
    pair = Pair(routed, tmp_path, has_gateway=has_gateway)
    questions = [Ping(pair.client, *FAST, "192.0.2.1")]
    wait_for("the way through", lambda: pair.client.pings("192.0.2.1"), seconds=20)
    if has_gateway:
        floating = a_floating_ip(routed, pair.world, pair.vip["port_id"])["floating_ip_address"]
        wait_for("the way in", lambda: host_reaches(floating), seconds=20)
        questions.append(Ping(None, *FAST, floating))
    os.kill(int((routed.state / "agent.pid").read_text().split()[0]), signal.SIGKILL)

    # It says goodbye; the other one takes over after its skew, 0.6 s.
    pair.members[0].end_background()
    wait_for("the way through the second", lambda: pair.client.pings("192.0.2.1"), seconds=20)
    time.sleep(1.0)
    gaps = [longest_gap(ping) for ping in questions]
    routed.up()

    assert all(gap <= SKEW_SECONDS + FAILOVER_SECONDS for gap in gaps), gaps


def test_of_a_router_that_is_deleted_nothing_is_left(routed: Deployment) -> None:
    before = router_namespaces(routed)
    subnet = a_subnet_of(routed, "lan", "10.83.1.0/24")
    a_router(routed, subnet)
    an_open_guest(routed, subnet, "alone")
    mine = wait_for("a router", lambda: router_namespaces(routed) - before)

    clear_routing(routed)

    wait_for("no router", lambda: not router_namespaces(routed) & mine)
