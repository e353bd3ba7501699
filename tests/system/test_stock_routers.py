"""Routers and public addresses made with openstacksdk, unmodified, and followed to their packets.

The host itself is the outside: it has the gateway address of the external network.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from openstack.config import OpenStackConfig
from openstack.connection import Connection
from tests.support.deployment import Deployment, Guest, wait_for

# the SDK warns about its own future while it connects
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

POOL, HOST = "198.18.77.0/24", "198.18.77.1"
SERVED = 80


@dataclass
class Street:
    """Two guests behind a router with a gateway; each says its name at port 80."""

    network: Any
    """The SDK, as the project."""
    public: Any
    router: Any
    guests: dict[str, Guest]
    ports: dict[str, Any] = field(default_factory=dict)

    def take(self, name: str | None = None) -> Any:  # noqa: ANN401 -- a resource of the SDK
        led = {} if name is None else {"port_id": self.ports[name].id}
        return self.network.create_ip(floating_network_id=self.public.id, **led)


def connect(cloud: Deployment, name: str) -> Connection:
    clouds = OpenStackConfig(config_files=[str(cloud.state / "clouds.yaml")], load_envvars=False)
    return Connection(config=clouds.get_one(cloud=name))


def asked(address: str, port: int = SERVED) -> str:
    """Return what is said at a port of an address, asked from the host; empty: nothing."""
    with suppress(OSError), socket.create_connection((address, port), timeout=1) as link:
        return link.recv(64).decode().strip()
    return ""


def wait_for_name(address: str, name: str, port: int = SERVED) -> None:
    wait_for(f"{address}:{port} is {name}", lambda: asked(address, port) == name, seconds=10)


@pytest.fixture(scope="module")
def street(running: Deployment) -> Iterator[Street]:
    admin, user = connect(running, "portlight-admin"), connect(running, "portlight")
    network = user.network
    public = admin.network.create_network(name="outside", is_router_external=True)
    where = {"network_id": public.id, "cidr": POOL, "ip_version": 4, "is_dhcp_enabled": False}
    admin.network.create_subnet(**where)
    inside = network.create_network(name="inside")
    subnet = network.create_subnet(network_id=inside.id, cidr="10.77.0.0/24", ip_version=4)
    gateway = {"network_id": public.id}
    router = network.create_router(name="way out", external_gateway_info=gateway)
    network.add_interface_to_router(router, subnet_id=subnet.id)
    group = network.create_security_group(name="open")
    for protocol in ("tcp", "icmp"):
        network.create_security_group_rule(
            security_group_id=group.id, direction="ingress", protocol=protocol
        )
    interface = {"network_id": inside.id, "security_groups": [group.id]}
    guests = {name: running.guest(name, interface) for name in ("one", "other")}
    made = Street(network, public, router, guests)
    for name, guest in guests.items():
        made.ports[name] = network.get_port(running.ports_of(guest)[0]["id"])
        guest.start("busybox", "nc", "-ll", "-p", str(SERVED), "-e", "echo", name)
    wait_for("the router is there", lambda: network.get_router(router).status == "ACTIVE")

    yield made

    for guest in guests.values():
        guest.end_background()
        running.guests.remove(guest)
        running.call("DELETE", f"/portlight/v1/instances/{guest.id}")
    network.remove_interface_from_router(router, subnet_id=subnet.id)
    network.delete_router(router)
    network.delete_network(inside)
    network.delete_security_group(group)
    admin.network.delete_network(public)
    user.close()
    admin.close()


@pytest.mark.covers("N1", "H140", "H147")
def test_a_public_address_leads_to_a_guest_moves_in_one_call_and_is_given_back(
    street: Street,
) -> None:
    address = street.take("one")
    public = address.floating_ip_address
    wait_for_name(public, "one")
    wait_for("it is ACTIVE", lambda: street.network.get_ip(address).status == "ACTIVE")

    street.network.update_ip(address, port_id=street.ports["other"].id)
    wait_for_name(public, "other")
    street.network.update_ip(address, port_id=None)
    wait_for("it leads nowhere", lambda: not asked(public))
    street.network.delete_ip(address)


@pytest.mark.covers("P12")
def test_one_port_of_a_public_address_leads_to_each_guest(street: Street) -> None:
    address = street.take()
    public = address.floating_ip_address
    made = [
        street.network.create_floating_ip_port_forwarding(
            address,
            protocol="tcp",
            internal_port_id=port.id,
            internal_ip_address=port.fixed_ips[0]["ip_address"],
            internal_port=SERVED,
            external_port=8000 + number,
        )
        for number, port in enumerate(street.ports.values())
    ]

    wait_for_name(public, "one", 8000)
    wait_for_name(public, "other", 8001)
    for one in made:
        street.network.delete_floating_ip_port_forwarding(address, one)
    wait_for("nothing is led on", lambda: not asked(public, 8000) and not asked(public, 8001))
    street.network.delete_ip(address)


@pytest.mark.covers("N1")
def test_guests_without_an_address_of_their_own_leave_with_the_routers(street: Street) -> None:
    guest = street.guests["one"]
    fixed_ips = street.network.get_router(street.router).external_gateway_info["external_fixed_ips"]
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(10)
        port = server.getsockname()[1]
        guest.start("busybox", "nc", HOST, str(port))
        link, (seen, _) = server.accept()
        link.close()

    assert seen == fixed_ips[0]["ip_address"]


@pytest.mark.covers("N1")
def test_what_a_router_loses_is_lost_to_packets(street: Street) -> None:
    guest = street.guests["one"]
    assert guest.pings(HOST)

    street.network.update_router(street.router, external_gateway_info=None)
    wait_for("the way out is closed", lambda: not guest.pings(HOST, deadline=1.0))
    street.network.update_router(
        street.router, external_gateway_info={"network_id": street.public.id}
    )
    wait_for("the way out is open", lambda: guest.pings(HOST, deadline=1.0))
