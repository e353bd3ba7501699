"""openstacksdk, unmodified, against a server of ours."""

import uuid
from collections.abc import Iterator

import openstack
import pytest
from openstack.connection import Connection
from openstack.exceptions import ConflictException, NotFoundException
from openstack.network.v2.network import Network
from tests.support.api_server import PASSWORD, ApiServer

# the SDK warns about its own future while it connects
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


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


def a_network(sdk: Connection) -> Network:
    return sdk.network.create_network(name=f"sdk-{uuid.uuid4().hex[:8]}")


@pytest.mark.covers("N2", "N3")
def test_many_ports_are_created_at_once(sdk: Connection) -> None:
    network = a_network(sdk)
    sdk.network.create_subnet(network_id=network.id, cidr="10.3.0.0/24", ip_version=4)

    ports = sdk.network.create_ports(
        [{"network_id": network.id, "name": f"p{n}"} for n in range(5)]
    )
    listed = list(sdk.network.ports(network_id=network.id, name="p3"))

    assert len({port.id for port in ports}) == 5
    assert [port.name for port in listed] == ["p3"]


def test_lists_are_paged_by_the_client(sdk: Connection) -> None:
    network = a_network(sdk)
    for number in range(5):
        sdk.network.create_port(network_id=network.id, name=f"page-{number}")

    found = list(sdk.network.ports(network_id=network.id, limit=2))

    assert sorted(port.name for port in found) == [f"page-{number}" for number in range(5)]


@pytest.mark.covers("N17")
def test_a_stale_revision_is_refused_to_the_client(sdk: Connection) -> None:
    network = a_network(sdk)
    sdk.network.update_network(network.id, description="newer")

    with pytest.raises(Exception, match="revision"):
        sdk.network.update_network(network, if_revision=network.revision_number, name="x")


@pytest.mark.covers("N1")
def test_tags_are_set_and_filtered(sdk: Connection) -> None:
    network = a_network(sdk)

    sdk.network.set_tags(network, ["green", "edge"])

    found = list(sdk.network.networks(tags="edge,green"))
    assert [one.id for one in found] == [network.id]


def test_errors_arrive_as_the_clients_own_exceptions(sdk: Connection) -> None:
    network = a_network(sdk)
    port = sdk.network.create_port(network_id=network.id)

    with pytest.raises(NotFoundException):
        sdk.network.get_port(str(uuid.uuid4()))
    with pytest.raises(ConflictException, match=port.id):
        sdk.network.delete_network(network, ignore_missing=False)


def test_the_cloud_layer_works_too(sdk: Connection) -> None:
    name = f"layer-{uuid.uuid4().hex[:8]}"
    group = sdk.create_security_group(name, "made by the cloud layer")
    sdk.create_security_group_rule(
        group.id, port_range_min=22, port_range_max=22, protocol="tcp", direction="ingress"
    )

    found = sdk.get_security_group(name)

    assert 22 in [rule["port_range_min"] for rule in found.security_group_rules]
