"""A network made with the stock clients, unmodified, and followed to its packets.

The `openstack` command takes its cloud from the `clouds.yaml` that `portlight up` wrote; what it
makes there, guests use.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openstack.config import OpenStackConfig
from openstack.connection import Connection
from tests.support.deployment import Deployment, Guest, Json, wait_for

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

COMMAND = str(Path(sys.executable).with_name("openstack"))


def stock(cloud: Deployment, *arguments: str, parsed: bool = True) -> Any:  # noqa: ANN401 -- JSON
    """Run the `openstack` command; return what it prints as JSON."""
    done = subprocess.run(
        [
            *(COMMAND, "--os-cloud", "portlight"),
            *arguments,
            *(("-f", "json") if parsed else ()),
        ],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("OS_")},
            "OS_CLIENT_CONFIG_FILE": str(cloud.state / "clouds.yaml"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return json.loads(done.stdout) if parsed else {}


@pytest.fixture
def sdk(cloud: Deployment) -> Iterator[Connection]:
    """The SDK, with the project user's cloud."""
    clouds = OpenStackConfig(config_files=[str(cloud.state / "clouds.yaml")], load_envvars=False)
    connection = Connection(config=clouds.get_one(cloud="portlight"))
    yield connection
    connection.close()


def reaches(guest: Guest, address: str) -> bool:
    """Whether a ping comes back soon, and goes on coming back."""
    return guest.pings(address, count=1, deadline=1.0)


@pytest.mark.covers("N3", "N9", "N12", "N13", "N26")
def test_the_openstack_command_makes_a_network_that_carries_packets(cloud: Deployment) -> None:
    pool = stock(cloud, "subnet", "pool", "create", "--pool-prefix", "10.81.0.0/16", "flow-pool")
    network = stock(cloud, "network", "create", "--tag", "edge", "flow")
    subnet = stock(
        cloud, "subnet", "create", "--network", "flow", "--subnet-pool", "flow-pool",
        "--prefix-length", "24", "--tag", "edge", "flow-subnet",
    )  # fmt: skip
    stock(cloud, "security", "group", "create", "peers")
    stock(
        cloud, "security", "group", "rule", "create", "--protocol", "icmp",
        "--remote-group", "peers", "peers",
    )  # fmt: skip
    prefix = subnet["cidr"].removesuffix("0/24")
    stock(
        cloud, "port", "create", "--network", "flow", "--security-group", "peers",
        "--fixed-ip", f"ip-address={prefix}10", "--allowed-address", f"ip-address={prefix}99",
        "flow-a",
    )  # fmt: skip
    second = stock(
        cloud, "port", "create", "--network", "flow", "--security-group", "peers",
        "--fixed-ip", f"ip-address={prefix}20", "flow-b",
    )  # fmt: skip
    first = stock(cloud, "port", "show", "flow-a")
    a = cloud.guest("flow-a", {"port_id": first["id"]})
    b = cloud.guest("flow-b", {"port_id": second["id"]})

    assert b.addresses() == [f"{prefix}20"]
    assert a.pings(f"{prefix}20"), "members of the group reach each other"
    a.must("ip", "addr", "add", f"{prefix}99/24", "dev", "eth0")
    answered = a.run("ping", "-c", "1", "-W", "2", "-I", f"{prefix}99", f"{prefix}20")
    # a pair is no member of a group: the packet leaves, and no rule lets it in
    assert answered.returncode != 0
    cloud.wait_drop(second, "ingress/no_ingress_rule")

    stock(
        cloud, "port", "set", "--no-security-group", "--disable-port-security", "flow-b",
        parsed=False,
    )  # fmt: skip
    wait_for("everything reaches a port without port security", lambda: a.pings(f"{prefix}20"))
    stock(
        cloud, "port", "set", "--enable-port-security", "--security-group", "peers", "flow-b",
        parsed=False,
    )  # fmt: skip
    wait_for("members reach it again", lambda: a.pings(f"{prefix}20"))
    cloud.wait_drop(second, "ingress/no_ingress_rule")

    listed = stock(cloud, "network", "list", "--tags", "edge")
    assert [one["ID"] for one in listed] == [network["id"]]
    for guest in (a, b):
        cloud.native("DELETE", f"/instances/{guest.id}")
    stock(cloud, "port", "delete", "flow-a", "flow-b", parsed=False)
    stock(cloud, "network", "delete", "flow", parsed=False)
    stock(cloud, "subnet", "pool", "delete", pool["id"], parsed=False)
    stock(cloud, "security", "group", "delete", "peers", parsed=False)


@pytest.fixture
def flow(cloud: Deployment, sdk: Connection) -> tuple[Guest, Guest, Json]:
    """A sender, a receiver that lets ICMP in, and the receiver's port."""
    network = sdk.network.create_network(name="sdk-flow")
    sdk.network.create_subnet(network_id=network.id, cidr="10.82.0.0/24", ip_version=4)
    group = sdk.network.create_security_group(name="sdk-group")
    sdk.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="icmp"
    )
    receiver = sdk.network.create_port(network_id=network.id, security_groups=[group.id])
    sender = sdk.network.create_port(network_id=network.id)
    guests = [cloud.guest(name, {"port_id": port.id}) for name, port in
              (("sender", sender), ("receiver", receiver))]  # fmt: skip
    return guests[0], guests[1], cloud.neutron("GET", f"/ports/{receiver.id}")["port"]


@pytest.mark.parametrize("what", ["port", "network"])
def test_what_is_administratively_down_carries_no_packet_until_it_is_up_again(
    flow: tuple[Guest, Guest, Json], cloud: Deployment, sdk: Connection, what: str
) -> None:
    sender, receiver, port = flow
    address = port["fixed_ips"][0]["ip_address"]
    one = port["id"] if what == "port" else port["network_id"]
    update = getattr(sdk.network, f"update_{what}")
    assert reaches(sender, address)

    update(one, is_admin_state_up=False)
    wait_for("packets are dropped", lambda: not reaches(sender, address))
    assert not reaches(receiver, sender.addresses()[0])
    cloud.wait_drop(port, "egress/port_down")

    update(one, is_admin_state_up=True)
    wait_for("packets pass again", lambda: reaches(sender, address))


@pytest.mark.extension("security-groups-remote-address-group", "address-group")
def test_an_address_group_and_a_remote_group_decide_who_comes_in(
    flow: tuple[Guest, Guest, Json], sdk: Connection
) -> None:
    sender, _, port = flow
    address, source = port["fixed_ips"][0]["ip_address"], sender.addresses()[0]
    group = port["security_groups"][0]
    (icmp,) = sdk.network.security_group_rules(security_group_id=group, protocol="icmp")
    friends = sdk.network.create_address_group(name="friends", addresses=[f"{source}/32"])
    sdk.network.create_security_group_rule(
        security_group_id=group,
        direction="ingress",
        protocol="icmp",
        remote_address_group_id=friends.id,
    )
    sdk.network.delete_security_group_rule(icmp)
    wait_for("a friend comes in", lambda: reaches(sender, address))

    sdk.network.remove_addresses_from_address_group(friends, addresses=[f"{source}/32"])
    wait_for("a friend no more", lambda: not reaches(sender, address))

    sdk.network.create_security_group_rule(
        security_group_id=group,
        direction="ingress",
        protocol="icmp",
        remote_group_id=sender_group(sdk, source),
    )
    wait_for("a member of the remote group comes in", lambda: reaches(sender, address))


def sender_group(sdk: Connection, source: str) -> str:
    """Return the group of the port with this address."""
    (port,) = sdk.network.ports(fixed_ips=f"ip_address={source}")
    group: str = port.security_group_ids[0]
    return group
