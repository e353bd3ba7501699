"""IPv6 from the API to the guest: every mode gives the address that was promised, and it works."""

import json
import re
from collections.abc import Callable, Iterable
from functools import partial

import pytest
from tests.support.deployment import Deployment, Guest, Json, wait_for

NAMES = "2001:db8:53::53"
MODES: dict[str, Json] = {
    "slaac": {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"},
    "stateless": {
        "ipv6_address_mode": "dhcpv6-stateless",
        "ipv6_ra_mode": "dhcpv6-stateless",
    },
    "stateful": {"ipv6_address_mode": "dhcpv6-stateful", "ipv6_ra_mode": "dhcpv6-stateful"},
    "half": {"ipv6_address_mode": "slaac"},
    "none": {},
}


def promised(cloud: Deployment, guest: Guest) -> str:
    """Return the IPv6 address that the API shows for a guest's first port."""
    found = cloud.ports_of(guest)[0]["fixed_ips"]
    (address,) = (one["ip_address"] for one in found if ":" in one["ip_address"])
    return str(address)


def has(guest: Guest, address: str) -> Callable[[], bool]:
    """Whether the guest uses the address: configured, and found to be nobody else's."""

    def usable() -> bool:
        shown = guest.run("ip", "-6", "-o", "address", "show", "dev", "eth0", "-tentative").stdout
        return f"inet6 {address}/" in shown

    return usable


def knows_names(guest: Guest) -> bool:
    return NAMES in guest.must("cat", "/etc/resolv.conf")


def ping_group(cloud: Deployment) -> Json:
    return cloud.group("ping6", {"protocol": "ipv6-icmp", "ethertype": "IPv6"})


def two_guests(cloud: Deployment, name: str, group: Json, **subnet: object) -> list[Guest]:
    """Create a network with one IPv6 subnet and two guests on it."""
    network = cloud.network(name)
    cloud.subnet(network, f"{subnet.pop('cidr')}", dns_nameservers=[NAMES], **subnet)
    ports = [cloud.port(network, security_groups=[group["id"]]) for _ in range(2)]
    return [cloud.guest(f"{name}{n}", {"port_id": port["id"]}) for n, port in enumerate(ports)]


def wait_until_usable(cloud: Deployment, guests: Iterable[Guest]) -> None:
    for guest in guests:
        address = promised(cloud, guest)
        wait_for(f"{guest.name} has {address}", has(guest, address), seconds=20, every=0.1)


def test_in_every_mode_guests_get_the_addresses_that_the_api_shows_and_reach_each_other(
    cloud: Deployment,
) -> None:
    group = ping_group(cloud)
    pairs = {
        mode: two_guests(cloud, mode, group, cidr=f"fd00:51:{index}::/64", **fields)
        for index, (mode, fields) in enumerate(MODES.items())
    }

    for mode, (one, two) in pairs.items():
        wait_until_usable(cloud, (one, two))
        assert one.pings(promised(cloud, two)), mode
        assert "default" not in one.must("ip", "-6", "route"), "there is no router to go to"
        if mode not in ("slaac", "half"):
            wait_for(f"names in {mode}", partial(knows_names, one), seconds=10, every=0.1)


def test_neither_another_address_nor_another_router_gets_past_a_port(cloud: Deployment) -> None:
    one, two = two_guests(cloud, "rogue", ping_group(cloud), cidr="fd00:52::/64", **MODES["slaac"])
    wait_until_usable(cloud, (one, two))
    (port,) = cloud.ports_of(one)

    one.must("ip", "-6", "address", "add", "fd00:52::1234/64", "dev", "eth0", "nodad")
    spoofed = one.run("ping", "-c1", "-W1", "-I", "fd00:52::1234", promised(cloud, two))
    one.must("python3", "-c", _ROGUE)

    assert spoofed.returncode != 0
    assert cloud.wait_drop(port, "egress/spoofed_nd") or cloud.drops(port)["egress/spoofed_ipv6"]
    assert cloud.wait_drop(port, "egress/rogue_router_advertisement")
    assert not [address for address in two.addresses() if address.startswith("fd00:bad")]


def test_guests_that_run_join_and_leave_an_automatic_subnet(cloud: Deployment) -> None:
    network = cloud.network("six")
    cloud.subnet(network, "10.66.0.0/24")
    group = ping_group(cloud)
    ports = [cloud.port(network, security_groups=[group["id"]]) for _ in range(2)]
    one, two = (cloud.guest(f"g{n}", {"port_id": port["id"]}) for n, port in enumerate(ports))

    subnet = cloud.subnet(network, "fd00:54::/64", **MODES["slaac"])

    target = promised(cloud, two)
    wait_for("joined", has(one, promised(cloud, one)), seconds=20, every=0.1)
    wait_for("talks", lambda: one.pings(target, deadline=0.5), seconds=20)
    cloud.neutron("DELETE", f"/subnets/{subnet['id']}")
    assert [len(port["fixed_ips"]) for port in cloud.ports_of(one)] == [1]
    wait_for("silent", lambda: not one.pings(target, deadline=0.5), seconds=10)


@pytest.mark.covers("N19")
def test_an_address_by_dhcp_reaches_a_guest_that_runs_and_so_does_another_one(
    cloud: Deployment,
) -> None:
    network = cloud.network("late")
    four = cloud.subnet(network, "10.69.0.0/24")
    guest = cloud.guest("g", {"network_id": network["id"]})
    (port,) = cloud.ports_of(guest)
    six = cloud.subnet(network, "fd00:55::/64", **MODES["stateful"])

    def readdress(**wanted: str) -> None:
        asked = [{"subnet_id": four["id"]}, {"subnet_id": six["id"], **wanted}]
        cloud.neutron("PUT", f"/ports/{port['id']}", {"port": {"fixed_ips": asked}})

    readdress()
    first = promised(cloud, guest)
    wait_for("the first", has(guest, first), seconds=20, every=0.1)
    readdress(ip_address="fd00:55::99")
    cloud.native("POST", f"/instances/{guest.id}/renew")
    wait_for("the other", has(guest, "fd00:55::99"), seconds=20, every=0.1)

    assert not has(guest, first)()


def test_the_domain_of_a_network_completes_names_in_its_guests(cloud: Deployment) -> None:
    network = cloud.network("named", dns_domain="cloud.example.")
    cloud.subnet(network, "10.67.0.0/24")
    guest = cloud.guest("g", {"network_id": network["id"]})
    wait_for(
        "search",
        lambda: re.search(r"search .*cloud\.example", guest.must("cat", "/etc/resolv.conf")),
        seconds=10,
    )
    (port,) = cloud.ports_of(guest)
    name = "host-" + port["fixed_ips"][0]["ip_address"].replace(".", "-")

    assert resolved(guest, name) == port["fixed_ips"][0]["ip_address"]


@pytest.mark.extension("dns-integration")
def test_the_server_of_a_network_answers_for_the_names_of_ports_that_nobody_uses(
    cloud: Deployment,
) -> None:
    network = cloud.network("called", dns_domain="cloud.example.")
    cloud.subnet(network, "10.69.0.0/24")
    guest = cloud.guest("g", {"network_id": network["id"]})
    port = cloud.port(network, dns_name="db")
    (named,) = port["dns_assignment"]
    assert (named["hostname"], named["fqdn"]) == ("db", "db.cloud.example.")

    for name in ("db", "db.cloud.example"):
        wait_for(name, partial(is_called, guest, name, named["ip_address"]), seconds=10)
    cloud.neutron("PUT", f"/ports/{port['id']}", {"port": {"dns_name": "store"}})
    wait_for("new", partial(is_called, guest, "store", named["ip_address"]), seconds=10)

    assert resolved(guest, "db") == "unknown"


def resolved(guest: Guest, name: str) -> str:
    """Return the address that a guest finds under a name."""
    return guest.must("python3", "-c", _RESOLVE, name).strip()


def is_called(guest: Guest, name: str, address: str) -> bool:
    return resolved(guest, name) == address


@pytest.mark.extension("subnet_allocation")
def test_a_prefix_from_a_pool_is_where_the_guest_is(cloud: Deployment) -> None:
    body = {"name": "pool", "prefixes": ["10.68.0.0/16"], "default_prefixlen": "26"}
    pool = cloud.neutron("POST", "/subnetpools", {"subnetpool": body})["subnetpool"]
    network = cloud.network("pooled")
    wanted = {"network_id": network["id"], "subnetpool_id": pool["id"], "ip_version": 4}
    subnet = cloud.neutron("POST", "/subnets", {"subnet": wanted})["subnet"]

    guest = cloud.guest("g", {"network_id": network["id"]})

    assert subnet["cidr"] == "10.68.0.0/26"
    shown = json.loads(guest.must("ip", "-json", "-4", "address", "show", "dev", "eth0"))
    assert [(a["local"], a["prefixlen"]) for a in shown[0]["addr_info"]] == [("10.68.0.3", 26)]


_RESOLVE = """
import socket, sys
try:
    print(socket.gethostbyname(sys.argv[1]))
except socket.gaierror:
    print("unknown")
"""
_ROGUE = """
import socket, struct
frame = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)
frame.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
index = socket.if_nametoindex("eth0")
frame.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0)
prefix += socket.inet_pton(socket.AF_INET6, "fd00:bad::")
head = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
frame.sendto(head + prefix, ("ff02::1", 0, 0, index))
"""
