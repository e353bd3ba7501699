"""The stock `openstack` command and openstacksdk on routers, floating IPs and forwardings."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import openstack
import pytest
from openstack.connection import Connection
from openstack.exceptions import ConflictException
from tests.support.api_server import HOST, PASSWORD, ApiServer
from tests.support.clouds import ADMIN
from tests.support.openstack_session import OpenStackSession, openstack_session

from portlight.service.report import AgentReport, WayReport
from portlight.values.ids import HostName

# the SDK warns about its own future while it connects
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


def a_name(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def command(
    server: ApiServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenStackSession]:
    clouds = {
        user: {
            "auth": {
                "auth_url": f"{server.url}/identity/v3",
                "username": user,
                "password": PASSWORD,
                "project_name": user,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "region_name": "RegionOne",
            "identity_api_version": "3",
        }
        for user in ("portlight", "admin")
    }
    folder = tmp_path_factory.mktemp("openstack")
    with openstack_session(folder, clouds, "portlight") as session:
        yield session


@pytest.fixture(scope="module")
def sdk(server: ApiServer) -> Iterator[Connection]:
    connection = openstack.connect(
        auth_url=f"{server.url}/identity/v3",
        username="portlight",
        password=PASSWORD,
        project_name="portlight",
        user_domain_name="Default",
        project_domain_name="Default",
        region_name="RegionOne",
        load_envvars=False,
        load_yaml_config=False,
    )
    yield connection
    connection.close()


@dataclass
class Street:
    """An external network, and a network of the project behind a router."""

    public: str
    router: str
    network: str
    subnet: str
    port: str


@pytest.fixture(scope="module")
def street(command: OpenStackSession) -> Iterator[Street]:
    """Made as the guides make it: `network set --external`, gateway, subnet, port."""
    names = Street(*(a_name(kind) for kind in ("public", "router", "net", "sub", "port")))
    command("network", "create", names.public, cloud="admin")
    command("network", "set", "--external", names.public, form=None, cloud="admin")
    pool = ("--network", names.public, "--subnet-range", "192.0.2.0/24", "--no-dhcp")
    command("subnet", "create", names.public, *pool, cloud="admin")
    command("network", "create", names.network)
    inside = ("--network", names.network, "--subnet-range", "10.6.0.0/24")
    command("subnet", "create", names.subnet, *inside)
    command("router", "create", names.router, "--external-gateway", names.public)
    command("router", "add", "subnet", names.router, names.subnet, form=None)
    command("port", "create", names.port, "--network", names.network)
    yield names
    command("port", "delete", names.port, form=None)
    command("router", "remove", "subnet", names.router, names.subnet, form=None)
    command("router", "delete", names.router, form=None)
    command("network", "delete", names.public, form=None, cloud="admin")


@pytest.mark.covers("N1", "H140", "H147")
@pytest.mark.extension("external-net", "fip-port-details")
def test_a_floating_ip_is_taken_led_shown_and_given_back(
    command: OpenStackSession, street: Street
) -> None:
    taken = command("floating", "ip", "create", street.public, "--description", "web")
    address = taken["floating_ip_address"]
    command("floating", "ip", "set", address, "--port", street.port, form=None)
    led = command("floating", "ip", "show", address)
    listed = command("floating", "ip", "list", "--port", street.port)
    refused = command.refused("port", "delete", street.port)
    command("floating", "ip", "unset", address, "--port", form=None)
    command("floating", "ip", "delete", address, form=None)

    assert led["fixed_ip_address"].startswith("10.6.0.")
    assert led["port_details"]["name"] == street.port
    assert [one["Floating IP Address"] for one in listed] == [address]
    assert "still has an associated floating IP" in refused


@pytest.mark.covers("N1")
@pytest.mark.extension("router", "extraroute", "extraroute-atomic")
def test_a_router_shows_its_legs_and_takes_routes_one_by_one(
    command: OpenStackSession, street: Street
) -> None:
    route = ("--route", "destination=10.99.0.0/16,gateway=10.6.0.99")
    shown = command("router", "show", street.router)
    command("router", "add", "route", street.router, *route)
    routes = command("router", "show", street.router)["routes"]
    refused = command.refused("router", "remove", "subnet", street.router, street.subnet)
    command("router", "remove", "route", street.router, *route)
    command("router", "set", street.router, *route, form=None)
    command("router", "unset", street.router, *route, form=None)

    assert [leg["ip_address"] for leg in shown["interfaces_info"]] == ["10.6.0.1"]
    assert shown["external_gateway_info"]["enable_snat"] is True
    assert [one["destination"] for one in routes] == ["10.99.0.0/16"]
    assert command("router", "show", street.router)["routes"] == []
    assert "required by one or more routes" in refused


@pytest.mark.extension("ext-gw-mode")
def test_a_gateway_is_unset_and_set_again_with_or_without_translation(
    command: OpenStackSession, street: Street, server: ApiServer
) -> None:
    command("router", "unset", street.router, "--external-gateway", form=None)
    without = command("router", "show", street.router)["external_gateway_info"]
    command("router", "set", street.router, "--external-gateway", street.public, form=None)

    off = {"network_id": public_id(command, street), "enable_snat": False}
    router = {"router": {"external_gateway_info": off}}
    path = f"/v2.0/routers/{command('router', 'show', street.router)['id']}"
    shut = server.must("PUT", path, router, "admin")["router"]["external_gateway_info"]
    refused, _ = server.refused("PUT", path, router)

    assert (shut["enable_snat"], refused) == (False, 403)
    assert without is None
    assert command("router", "show", street.router)["external_gateway_info"] is not None


@pytest.mark.extension("router_availability_zone")
def test_a_router_is_in_the_zone_of_its_host_once_it_is_there(server: ApiServer) -> None:
    wanted = {"name": a_name("router"), "availability_zone_hints": ["nova"]}
    router = server.must("POST", "/v2.0/routers", {"router": wanted})["router"]
    number = server.cloud.routers.get(ADMIN, router["id"]).number
    server.cloud.report(
        HostName(HOST),
        AgentReport(host=HostName(HOST), routers=(WayReport(number=number, revision=1),)),
    )
    path = f"/v2.0/routers/{router['id']}"
    there = server.must("GET", path)["router"]
    server.must("DELETE", path)

    assert (router["status"], router["availability_zones"]) == ("BUILD", [])
    assert (there["status"], there["availability_zones"]) == ("ACTIVE", ["nova"])
    assert there["availability_zone_hints"] == ["nova"]


@pytest.mark.covers("P12")
@pytest.mark.extension(
    "floating-ip-port-forwarding",
    "floating-ip-port-forwarding-description",
    "floating-ip-port-forwarding-detail",
    "expose-port-forwarding-in-fip",
)
def test_ports_of_a_floating_ip_are_forwarded(command: OpenStackSession, street: Street) -> None:
    address = command("floating", "ip", "create", street.public)["floating_ip_address"]
    verb = ("floating", "ip", "port", "forwarding")
    inside = ("--port", street.port, "--internal-protocol-port", "80", "--protocol", "tcp")
    fixed = command("port", "show", street.port)["fixed_ips"][0]["ip_address"]
    made = command(
        *verb, "create", address, *inside, "--internal-ip-address", fixed,
        "--external-protocol-port", "8080",
    )  # fmt: skip
    changed = ("--external-protocol-port", "8081", "--description", "moved")
    command(*verb, "set", address, made["id"], *changed, form=None)
    listed = command(*verb, "list", address)
    shown = command("floating", "ip", "show", address)["port_forwardings"]
    refused = command.refused("floating", "ip", "delete", address)
    command(*verb, "delete", address, made["id"], form=None)
    command("floating", "ip", "delete", address, form=None)

    assert [(one["External Port"], one["Description"]) for one in listed] == [(8081, "moved")]
    assert [(one["external_port"], one["internal_ip_address"]) for one in shown] == [(8081, fixed)]
    assert "is used by" in refused


@pytest.mark.covers("P12")
@pytest.mark.extension("floating-ip-port-forwarding-port-ranges")
def test_the_sdk_makes_and_changes_the_same_things(sdk: Connection, street: Street) -> None:
    network = sdk.network
    public = network.find_network(street.public)
    port = network.find_port(street.port)
    address = network.create_ip(floating_network_id=public.id)
    several = network.create_floating_ip_port_forwarding(
        address,
        protocol="udp",
        internal_port_id=port.id,
        internal_ip_address=port.fixed_ips[0]["ip_address"],
        internal_port_range="53:60",
        external_port_range="5053:5060",
    )

    with pytest.raises(ConflictException):
        network.update_ip(address, port_id=port.id)
    network.delete_floating_ip_port_forwarding(address, several)
    led = network.update_ip(address, port_id=port.id)
    router = network.find_router(street.router)

    assert led.router_id == router.id
    assert [one.id for one in network.ips(router_id=router.id)] == [address.id]
    network.delete_ip(address)


def public_id(command: OpenStackSession, street: Street) -> str:
    return str(command("network", "show", street.public)["id"])
