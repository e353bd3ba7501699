"""VPCs down to the packet, in NHN's spelling: apart, joined by a peering, out by a NAT gateway."""

import itertools
import socket
import subprocess
import sys
from functools import partial

import pytest
from tests.support.deployment import Deployment, Guest, Json, wait_for

PYTHON = sys.executable
PUBLIC = itertools.count(217)
"""The third byte of external networks: no two tests, and no other deployment, have the same."""


def a_vpc(cloud: Deployment, name: str, cidr: str) -> Json:
    vpc: Json = cloud.neutron("POST", "/vpcs", {"vpc": {"name": name, "cidrv4": cidr}})["vpc"]
    return vpc


def a_subnet(cloud: Deployment, vpc: Json, cidr: str) -> Json:
    body = {"vpcsubnet": {"name": vpc["name"], "vpc_id": vpc["id"], "cidr": cidr}}
    subnet: Json = cloud.neutron("POST", "/vpcsubnets", body)["vpcsubnet"]
    return subnet


def a_guest(cloud: Deployment, subnet: Json, name: str, address: str) -> Guest:
    group = cloud.group(f"open-{name}", {"protocol": None})
    interface = {
        "subnet_id": subnet["id"],
        "ip_address": address,
        "security_groups": [group["id"]],
    }
    return cloud.guest(name, interface)


def a_route(cloud: Deployment, vpc: Json, cidr: str, gateway: str) -> Json:
    (table,) = cloud.neutron("GET", "/routingtables", vpc_id=vpc["id"])["routingtables"]
    body = {"routingtable_id": table["id"], "cidr": cidr, "gateway": gateway}
    route: Json = cloud.neutron("POST", "/routes", body)["route"]
    return route


def remove(cloud: Deployment, *vpcs: Json) -> None:
    """Delete the guests of a test and then its VPCs, each with all that is in it."""
    for guest in cloud.guests:
        guest.end_background()
        cloud.native("DELETE", f"/instances/{guest.id}")
    cloud.guests.clear()
    for vpc in vpcs:
        cloud.neutron("DELETE", f"/vpcs/{vpc['id']}")


@pytest.mark.covers("H52", "H145")
def test_two_vpcs_with_the_same_addresses_never_meet(cloud: Deployment) -> None:
    blue, red = (a_vpc(cloud, name, "10.71.0.0/16") for name in ("blue", "red"))
    first = a_guest(cloud, a_subnet(cloud, blue, "10.71.1.0/24"), "first", "10.71.1.10")
    second = a_guest(cloud, a_subnet(cloud, blue, "10.71.2.0/24"), "second", "10.71.2.10")
    a_guest(cloud, a_subnet(cloud, red, "10.71.3.0/24"), "far", "10.71.3.10")
    a_guest(cloud, a_subnet(cloud, red, "10.71.1.0/24"), "twin", "10.71.1.20")

    wait_for("two subnets of a VPC meet", lambda: first.pings("10.71.2.10"), seconds=20)

    assert second.pings("10.71.1.10")
    assert not first.pings("10.71.3.10")
    assert not second.pings("10.71.1.20")
    remove(cloud, blue, red)


def hold(guest: Guest, address: str) -> None:
    """Let a guest have a virtual IP, and say so."""
    guest.must("ip", "address", "replace", f"{address}/32", "dev", "eth0")
    # Two announcements: the second member says it as often as an ordered take-over does.
    guest.run("arping", "-U", "-c", "2", "-I", "eth0", address)


@pytest.mark.covers("H57", "H64", "H106", "H109")
def test_peers_meet_once_both_sides_have_routes(cloud: Deployment) -> None:
    blue, red = a_vpc(cloud, "blue", "10.72.0.0/16"), a_vpc(cloud, "red", "10.73.0.0/16")
    near = a_guest(cloud, a_subnet(cloud, blue, "10.72.1.0/24"), "near", "10.72.1.10")
    far_subnet = a_subnet(cloud, red, "10.73.1.0/24")
    far = a_guest(cloud, far_subnet, "far", "10.73.1.10")
    body = {"peering": {"vpc_id": blue["id"], "peer_vpc_id": red["id"]}}
    peering = cloud.native("POST", "/peerings", body)["peering"]
    there = a_route(cloud, blue, "10.73.0.0/16", peering["id"])
    assert not near.pings("10.73.1.10")

    back = a_route(cloud, red, "10.72.0.0/16", peering["id"])

    wait_for("peers meet", lambda: near.pings("10.73.1.10"), seconds=20)
    assert far.pings("10.72.1.10")
    reaches_a_virtual_ip_and_its_next_owner(cloud, near, far_subnet, far)
    counts_what_leads_nowhere(cloud, near, far)
    for route in (there, back):
        cloud.neutron("DELETE", f"/routes/{route['id']}")
    cloud.native("DELETE", f"/peerings/{peering['id']}")
    wait_for("and no more", lambda: not near.pings("10.73.1.10", deadline=0.5), seconds=20)
    remove(cloud, blue, red)


def reaches_a_virtual_ip_and_its_next_owner(
    cloud: Deployment, near: Guest, subnet: Json, first: Guest
) -> None:
    """Assert that a virtual IP on the other side is reached, and that it follows its owner."""
    second = a_guest(cloud, subnet, "second", "10.73.1.11")
    body = {"virtual_ip": {"subnet_id": subnet["id"], "ip_address": "10.73.1.100"}}
    path = f"/virtual-ips/{cloud.native('POST', '/virtual-ips', body)['virtual_ip']['id']}"
    for guest in (first, second):
        member = {"member": {"port_id": cloud.ports_of(guest)[0]["id"]}}
        cloud.native("POST", f"{path}/members", member)
        hold(guest, "10.73.1.100")
        wait_for("an owner", partial(is_owner, cloud, path, guest), seconds=20)
        wait_for("the virtual IP", lambda: near.pings("10.73.1.100"), seconds=20)
        if guest is first:
            first.must("ip", "address", "del", "10.73.1.100/32", "dev", "eth0")
    for guest in (first, second):
        cloud.native("DELETE", f"{path}/members/{cloud.ports_of(guest)[0]['id']}")
    cloud.native("DELETE", path)


def is_owner(cloud: Deployment, path: str, guest: Guest) -> bool:
    state = cloud.native("GET", f"{path}/state")["virtual_ip_state"]
    return bool(state["owner_port_id"] == cloud.ports_of(guest)[0]["id"])


def counts_what_leads_nowhere(cloud: Deployment, near: Guest, far: Guest) -> None:
    """Assert that a drop by the other side's router has its name in the API and in /metrics."""
    (leg,) = cloud.neutron(
        "GET",
        "/ports",
        network_id=cloud.ports_of(far)[0]["network_id"],
        device_owner="network:router_interface",
    )["ports"]
    near.run("ping", "-n", "-c", "1", "-W", "1", "10.73.99.1")
    wait_for("the count", lambda: cloud.drops(leg).get("ingress/no_route"), seconds=20)
    shown = cloud.call("GET", "/metrics").text.splitlines()
    assert any(leg["id"] in line and "no_route" in line for line in shown)


def a_public_ip(cloud: Deployment, project_id: str) -> tuple[Json, str]:
    """Take an address of a new external network; return it, and the host's own there."""
    number = next(PUBLIC)
    cloud.login("admin-credentials.json")
    network = cloud.network("out", **{"router:external": True})
    cloud.subnet(network, f"198.18.{number}.0/24", enable_dhcp=False)
    body = {"public_ip": {"network_id": network["id"], "project_id": project_id}}
    taken = cloud.native("POST", "/public-ips", body)["public_ip"]
    cloud.login()
    return taken, f"198.18.{number}.1"


def give_back(cloud: Deployment, address: Json) -> None:
    """Release the address and remove its network, as the administrator."""
    cloud.login("admin-credentials.json")
    cloud.native("DELETE", f"/public-ips/{address['id']}")
    cloud.neutron("DELETE", f"/networks/{address['network_id']}")
    cloud.login()


def host_reaches(address: str) -> bool:
    """Whether a ping from the host itself comes back."""
    done = subprocess.run(["ping", "-n", "-c", "1", "-W", "1", address], check=False)
    return done.returncode == 0


@pytest.mark.covers("K3", "K6", "H147")
def test_a_public_address_is_reached_from_the_host_moves_and_is_given_back(
    cloud: Deployment,
) -> None:
    vpc = a_vpc(cloud, "blue", "10.75.0.0/16")
    address, _ = a_public_ip(cloud, vpc["tenant_id"])
    subnet = a_subnet(cloud, vpc, "10.75.1.0/24")
    body = {"name": "out", "external_network_id": address["network_id"]}
    gateway = cloud.neutron("POST", "/internetgateways", {"internetgateway": body})
    (table,) = cloud.neutron("GET", "/routingtables", vpc_id=vpc["id"])["routingtables"]
    attached = {"gateway_id": gateway["internetgateway"]["id"]}
    cloud.neutron("PUT", f"/routingtables/{table['id']}/attach_gateway", attached)
    guests = [a_guest(cloud, subnet, f"web{n}", f"10.75.1.1{n}") for n in (1, 2)]
    ports = [cloud.ports_of(guest)[0] for guest in guests]
    path = f"/public-ips/{address['id']}"

    cloud.login("admin-credentials.json")
    cloud.native("PUT", f"{path}/network-interfaces/{ports[0]['id']}")
    wait_for("the first guest", lambda: host_reaches(address["public_ip"]), seconds=20)
    wait_for("in use", lambda: cloud.native("GET", path)["public_ip"]["status"] == "in_use")
    cloud.native("PUT", f"{path}/network-interfaces/{ports[1]['id']}")
    cloud.native("POST", f"/instances/{guests[0].id}/stop")
    wait_for("the second guest", lambda: host_reaches(address["public_ip"]), seconds=20)
    cloud.native("DELETE", f"{path}/network-interfaces/{ports[1]['id']}", release="true")
    wait_for("nobody", lambda: not host_reaches(address["public_ip"]), seconds=20)

    assert cloud.call("GET", f"/portlight/v1{path}").status_code == 404
    cloud.login()
    remove(cloud, vpc)
    cloud.login("admin-credentials.json")
    cloud.neutron("DELETE", f"/networks/{address['network_id']}")
    cloud.login()


@pytest.mark.covers("H57")
def test_a_nat_gateway_carries_a_private_subnet_out_under_its_own_address(
    cloud: Deployment,
) -> None:
    vpc = a_vpc(cloud, "blue", "10.74.0.0/16")
    subnet = a_subnet(cloud, vpc, "10.74.1.0/24")
    guest = a_guest(cloud, subnet, "private", "10.74.1.10")
    address, host = a_public_ip(cloud, vpc["tenant_id"])
    body = {
        "name": "nat",
        "vpc_id": vpc["id"],
        "subnet_id": subnet["id"],
        "floatingips_id": address["id"],
    }
    nat = cloud.neutron("POST", "/natgateways", {"natgateway": body})["natgateway"]
    route = a_route(cloud, vpc, "0.0.0.0/0", nat["id"])
    assert nat["status"] == "BUILD"

    def shown() -> tuple[str, str]:
        now = cloud.neutron("GET", f"/natgateways/{nat['id']}")["natgateway"]
        return now["status"], now["status_detail"]

    wait_for("the report", lambda: shown() == ("ACTIVE", ""), seconds=20)
    for is_up, seen in ((False, ("ERROR", "the router is down")), (True, ("ACTIVE", ""))):
        body = {"router": {"admin_state_up": is_up}}
        cloud.neutron("PUT", f"/routers/{vpc['id']}", body)
        wait_for("what it says", partial(lambda seen: shown() == seen, seen), seconds=20)

    wait_for("the way out", lambda: guest.pings(host), seconds=20)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((host, 0))
        listener.settimeout(10)
        port = listener.getsockname()[1]
        script = f"import socket; socket.socket(2, 2).sendto(b'x', ('{host}', {port}))"
        guest.must(PYTHON, "-c", script)
        _, (source, _) = listener.recvfrom(16)

    assert source == nat["floating_ip"] == address["public_ip"]
    cloud.neutron("DELETE", f"/routes/{route['id']}")
    cloud.neutron("DELETE", f"/natgateways/{nat['id']}")
    give_back(cloud, address)
    remove(cloud, vpc)
