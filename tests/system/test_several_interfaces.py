"""An instance with several interfaces answers on each of them, unless it is told not to."""

from dataclasses import dataclass

import pytest
from tests.support.deployment import Deployment, Guest, wait_for

OUTSIDE = {4: "192.0.2.77", 6: "2001:db8:77::77"}
STATEFUL = {"ipv6_address_mode": "dhcpv6-stateful", "ipv6_ra_mode": "dhcpv6-stateful"}


@dataclass(frozen=True, slots=True)
class Town:
    """A server in two networks, each with a gateway that has somebody outside behind it."""

    cloud: Deployment
    server: Guest
    gateways: tuple[Guest, ...]
    addresses: tuple[tuple[str, ...], ...]
    """Of the server, by interface: IPv4, then IPv6."""

    def answers(self, number: int, family: int) -> bool:
        """Whether the server answers who asks it on one of its interfaces from outside."""
        ping = ("ping", f"-{family}", "-n", "-c", "1", "-W", "1", "-I", OUTSIDE[family])
        wanted = next(one for one in self.addresses[number] if (":" in one) == (family == 6))
        return self.gateways[number].run(*ping, wanted).returncode == 0

    def switch(self, *, on: bool) -> None:
        body = {"instance": {"policy_routing": on}}
        self.cloud.native("PUT", f"/instances/{self.server.id}", body)


@pytest.fixture
def town(cloud: Deployment) -> Town:
    echo = cloud.group("echo", {"protocol": "icmp"}, {"protocol": "ipv6-icmp", "ethertype": "IPv6"})
    gateways, ports = [], []
    for number in range(2):
        network = cloud.network(f"several{number}")
        four = cloud.subnet(network, f"10.61.{number}.0/24", gateway_ip=f"10.61.{number}.1")
        cloud.subnet(network, f"fd00:61:{number}::/64", gateway_ip=None, **STATEFUL)
        fixed = [{"subnet_id": four["id"], "ip_address": f"10.61.{number}.1"}]
        gate = cloud.port(network, fixed_ips=fixed, port_security_enabled=False)
        gateways.append(cloud.guest(f"gateway{number}", {"port_id": gate["id"]}))
        ports.append(cloud.port(network, security_groups=[echo["id"]]))
    server = cloud.guest("server", *({"port_id": port["id"]} for port in ports))
    for number, gateway in enumerate(gateways):
        gateway.must("ip", "address", "add", f"{OUTSIDE[4]}/32", "dev", "lo")
        gateway.must("ip", "address", "add", f"{OUTSIDE[6]}/128", "dev", "lo")
        six = f"fd00:61:{number}::ffff"
        gateway.must("ip", "address", "add", f"{six}/64", "dev", "eth0", "nodad")
        # No router announces itself in these networks: as its owner would on a real server.
        server.must(
            *("ip", "-6", "route", "append", "default", "via", six),
            *("dev", f"eth{number}", "metric", str(100 + number), "onlink"),
        )
    addresses = [tuple(one["ip_address"] for one in port["fixed_ips"]) for port in ports]
    return Town(cloud, server, tuple(gateways), tuple(addresses))


@pytest.mark.covers("H81", "X16", "K7")
def test_it_answers_on_both_interfaces_and_in_both_families_until_that_is_switched_off(
    town: Town,
) -> None:
    for number in range(2):
        for family in (4, 6):
            wait_for(
                f"eth{number} answers IPv{family}",
                lambda n=number, f=family: town.answers(n, f),  # type: ignore[misc]  # bound now
                seconds=15,
            )
    shown = town.server.must("route", "-n")
    kill_the_follower(town.server)

    town.switch(on=False)

    wait_for("only the first answers", lambda: not town.answers(1, 4))
    assert town.answers(0, 4)
    assert "74" not in town.server.must("ip", "rule")
    assert shown == town.server.must("route", "-n")
    town.switch(on=True)
    wait_for("both answer again", lambda: town.answers(1, 4))

    kill_the_follower(town.server)
    town.server.must("ip", "rule", "delete", "from", town.addresses[1][0])

    wait_for("another follower brings it back", lambda: town.answers(1, 4), seconds=15)


def kill_the_follower(server: Guest) -> None:
    """Let whatever follows addresses inside the server die at once."""
    server.must("pkill", "-KILL", "-f", "entry routes policy on")


@pytest.mark.covers("H81")
def test_an_instance_is_made_without_it_and_keeps_its_owners_rules(cloud: Deployment) -> None:
    networks = [cloud.network(f"plain{number}") for number in range(2)]
    for number, network in enumerate(networks):
        cloud.subnet(network, f"10.62.{number}.0/24")

    made = cloud.portlight(
        *("instance", "create", "plain", "--no-policy-routing", "--json"),
        *(word for network in networks for word in ("--vpc", network["id"])),
    )

    assert made.returncode == 0, made.stderr
    (found,) = cloud.native("GET", "/instances", name="plain")["instances"]
    assert found["policy_routing"] is False
    guest = Guest(cloud, found["id"], "plain")
    cloud.guests.append(guest)
    cloud.wait_active(guest)
    guest.must("ip", "rule", "add", "from", "10.62.1.0/24", "table", "99")
    assert guest.must("ip", "rule").count("lookup") == 4
