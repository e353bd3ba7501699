"""Routers and public addresses of a deployment, as its users make them."""

import itertools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.deployment import Deployment, Guest, Json

_WORLDS = itertools.count(1)
ADMIN = "admin-credentials.json"


@contextmanager
def as_administrator(cloud: Deployment) -> Iterator[None]:
    """Do something that a project may not."""
    cloud.login(ADMIN)
    try:
        yield
    finally:
        cloud.login()


def an_external_network(cloud: Deployment) -> Json:
    """Make an external network with addresses that no other one has; it has `host`, our own."""
    first = f"198.19.{next(_WORLDS)}"
    with as_administrator(cloud):
        network = cloud.network("world", **{"router:external": True})
        cloud.subnet(network, f"{first}.0/24", enable_dhcp=False)
    return network | {"host": f"{first}.1"}


def a_router(cloud: Deployment, *subnets: Json, gateway: Json | None = None) -> Json:
    """Make a router with these subnets, and with a gateway on an external network."""
    body: Json = {"name": "router"}
    if gateway is not None:
        body["external_gateway_info"] = {"network_id": gateway["id"]}
    router: Json = cloud.neutron("POST", "/routers", {"router": body})["router"]
    for subnet in subnets:
        path = f"/routers/{router['id']}/add_router_interface"
        cloud.neutron("PUT", path, {"subnet_id": subnet["id"]})
    return router


def a_floating_ip(cloud: Deployment, network: Json, port_id: str | None = None) -> Json:
    """Take a public address, and let it stand for a port."""
    body = {"floating_network_id": network["id"], "port_id": port_id}
    taken: Json = cloud.neutron("POST", "/floatingips", {"floatingip": body})["floatingip"]
    return taken


def associate(cloud: Deployment, floating_ip: Json, port_id: str | None) -> None:
    """Let a public address stand for another port, or for none."""
    body = {"floatingip": {"port_id": port_id}}
    cloud.neutron("PUT", f"/floatingips/{floating_ip['id']}", body)


def set_routes(cloud: Deployment, router: Json, **routes: str) -> None:
    """Give a router exactly these routes: next hop by destination."""
    wanted = [{"destination": to, "nexthop": hop} for to, hop in routes.items()]
    cloud.neutron("PUT", f"/routers/{router['id']}", {"router": {"routes": wanted}})


def a_subnet_of(cloud: Deployment, name: str, cidr: str, **fields: object) -> Json:
    """Make a network with one subnet; return the subnet."""
    return cloud.subnet(cloud.network(name), cidr, **fields)


def an_open_guest(cloud: Deployment, subnet: Json, name: str) -> tuple[Guest, Json]:
    """Start an instance that everybody may reach; return it with its port."""
    group = cloud.group(f"open-{name}", {"protocol": None}, {"protocol": None, "ethertype": "IPv6"})
    interface = {"network_id": subnet["network_id"], "security_groups": [group["id"]]}
    guest = cloud.guest(name, interface)
    return guest, cloud.ports_of(guest)[0]


def host_reaches(address: str) -> bool:
    """Whether a ping from the host itself comes back."""
    done = subprocess.run(
        ["ping", "-n", "-c", "1", "-W", "1", address], check=False, capture_output=True
    )
    return done.returncode == 0


def clear_routing(cloud: Deployment) -> None:
    """Remove every floating IP and every router that the project has."""
    for one in cloud.neutron("GET", "/floatingips")["floatingips"]:
        cloud.call("DELETE", f"/v2.0/floatingips/{one['id']}")
    for router in cloud.neutron("GET", "/routers")["routers"]:
        path = f"/v2.0/routers/{router['id']}"
        cloud.call("PUT", path, {"router": {"routes": [], "external_gateway_info": None}})
        for port in cloud.neutron("GET", "/ports", device_id=router["id"])["ports"]:
            cloud.call("PUT", f"{path}/remove_router_interface", {"port_id": port["id"]})
        cloud.call("DELETE", path)
