"""Interfaces that come and go, outlive their instance, and change their address."""

import time
from functools import partial

import pytest
from tests.support.deployment import Deployment, wait_for


@pytest.mark.covers("N15", "N16", "N20", "H68", "H73")
def test_an_interface_outlives_its_instance_and_serves_in_another(cloud: Deployment) -> None:
    network = cloud.network("outlive")
    cloud.subnet(network, "10.50.0.0/24")
    ping = cloud.group("ping", {"protocol": "icmp"})
    port = cloud.port(network, security_groups=[ping["id"]])
    address = port["fixed_ips"][0]["ip_address"]
    first = cloud.guest("first", {"port_id": port["id"]})
    client = cloud.guest("client", {"network_id": network["id"]})
    assert client.pings(address)

    refused = cloud.call("DELETE", f"/v2.0/ports/{port['id']}")
    cloud.native("DELETE", f"/instances/{first.id}")
    wait_for("it is gone", lambda: not client.pings(address, deadline=0.3), seconds=5)
    second = cloud.guest("second", {"port_id": port["id"]})

    assert refused.status_code == 409
    assert first.id in refused.text
    assert second.addresses() == [address]
    assert client.pings(address)


@pytest.mark.covers("N14")
def test_an_interface_made_with_its_instance_goes_with_it(cloud: Deployment) -> None:
    network = cloud.network("with")
    cloud.subnet(network, "10.51.0.0/24")
    guest = cloud.guest("guest", {"network_id": network["id"]})
    port = cloud.ports_of(guest)[0]

    cloud.native("DELETE", f"/instances/{guest.id}")

    assert cloud.call("GET", f"/v2.0/ports/{port['id']}").status_code == 404


@pytest.mark.covers("H68", "H71", "N16")
def test_an_interface_is_attached_to_a_running_instance_and_taken_away_again(
    cloud: Deployment,
) -> None:
    network = cloud.network("hot")
    cloud.subnet(network, "10.52.0.0/24")
    guest = cloud.guest("guest", {"network_id": network["id"]})
    port = cloud.port(network)
    started = time.monotonic()

    cloud.native(
        "POST", f"/instances/{guest.id}/interfaces", {"interface": {"port_id": port["id"]}}
    )
    wait_for("eth1 is there", lambda: guest.run("ip", "link", "show", "eth1").returncode == 0)
    attached = time.monotonic() - started
    address = port["fixed_ips"][0]["ip_address"]
    wait_for("it has its address", lambda: guest.addresses("eth1") == [address])
    cloud.native("DELETE", f"/instances/{guest.id}/interfaces/{port['id']}")
    wait_for("eth1 is gone", lambda: guest.run("ip", "link", "show", "eth1").returncode != 0)

    assert attached < 2
    assert cloud.neutron("GET", f"/ports/{port['id']}")["port"]["device_id"] == ""


@pytest.mark.covers("N19", "N17")
def test_a_changed_address_reaches_the_guest_and_both_pass_meanwhile(cloud: Deployment) -> None:
    network = cloud.network("change")
    cloud.subnet(network, "10.53.0.0/24")
    ping = cloud.group("ping", {"protocol": "icmp"})
    port = cloud.port(network, security_groups=[ping["id"]])
    old = port["fixed_ips"][0]["ip_address"]
    guest = cloud.guest("guest", {"port_id": port["id"]})
    client = cloud.guest("client", {"network_id": network["id"]})
    assert client.pings(old)

    change = {"port": {"fixed_ips": [{"ip_address": "10.53.0.200"}]}}
    cloud.neutron("PUT", f"/ports/{port['id']}", change)

    assert guest.addresses() == [old]
    assert client.pings(old), "the old address is honoured in the grace window"
    cloud.native("POST", f"/instances/{guest.id}/renew")
    wait_for("the guest has the new address", lambda: "10.53.0.200" in guest.addresses())
    assert client.pings("10.53.0.200")


@pytest.mark.covers("N19")
def test_a_reboot_ends_the_processes_and_brings_the_new_address(cloud: Deployment) -> None:
    network = cloud.network("reboot")
    cloud.subnet(network, "10.54.0.0/24")
    port = cloud.port(network)
    guest = cloud.guest("guest", {"port_id": port["id"]})
    sleeper = guest.start("sleep", "1000")
    first_init = guest.describe()["init_pid"]
    change = {"port": {"fixed_ips": [{"ip_address": "10.54.0.77"}]}}
    cloud.neutron("PUT", f"/ports/{port['id']}", change)

    cloud.native("POST", f"/instances/{guest.id}/reboot")

    wait_for("a new init runs", lambda: guest.describe()["init_pid"] not in (None, first_init))
    wait_for("the process is gone", lambda: sleeper.poll() is not None)
    wait_for("the new address", lambda: guest.addresses() == ["10.54.0.77"])


@pytest.mark.covers("H66", "H67", "N3", "H54", "H87")
def test_an_interface_has_several_addresses_of_both_families(cloud: Deployment) -> None:
    network = cloud.network("dual")
    four = cloud.subnet(network, "10.55.0.0/24")
    modes = {"ipv6_address_mode": "dhcpv6-stateful", "ipv6_ra_mode": "dhcpv6-stateful"}
    six = cloud.subnet(network, "fd55::/64", **modes)
    port = cloud.port(network, fixed_ips=[{"subnet_id": four["id"]}, {"subnet_id": six["id"]}])
    guest = cloud.guest("guest", {"port_id": port["id"]})
    wanted = {f["ip_address"] for f in port["fixed_ips"]}
    other = cloud.guest("other", {"network_id": network["id"]})

    wait_for("both addresses", lambda: wanted <= set(guest.addresses()), seconds=15)
    # The default group lets its own members in.
    for address in wanted:
        wait_for(f"ping {address}", partial(other.pings, address), seconds=15)


def test_a_stopped_instance_is_silent_and_a_started_one_answers_again(cloud: Deployment) -> None:
    network = cloud.network("power")
    cloud.subnet(network, "10.56.0.0/24")
    ping = cloud.group("ping", {"protocol": "icmp"})
    port = cloud.port(network, security_groups=[ping["id"]])
    address = port["fixed_ips"][0]["ip_address"]
    guest = cloud.guest("guest", {"port_id": port["id"]})
    client = cloud.guest("client", {"network_id": network["id"]})
    assert client.pings(address)

    cloud.native("POST", f"/instances/{guest.id}/stop")
    wait_for("it is silent", lambda: not client.pings(address, deadline=0.5), seconds=5)
    wait_for("it says so", lambda: guest.describe()["status"] == "STOPPED", seconds=5)
    show = f"/ports/{port['id']}"
    wait_for("its port says so", lambda: cloud.neutron("GET", show)["port"]["status"] == "DOWN")
    cloud.native("POST", f"/instances/{guest.id}/start")
    cloud.wait_active(guest)

    assert client.pings(address)
    assert cloud.neutron("GET", show)["port"]["status"] == "ACTIVE"


def test_neighbours_learn_at_once_that_an_address_has_a_new_holder(cloud: Deployment) -> None:
    network = cloud.network("again")
    cloud.subnet(network, "10.57.0.0/24")
    ping = cloud.group("ping", {"protocol": "icmp"})
    interface = {"network_id": network["id"], "security_groups": [ping["id"]]}
    client = cloud.guest("client", {"network_id": network["id"]})
    first = cloud.guest("first", interface)
    address = first.addresses()[0]
    assert client.pings(address)

    cloud.native("DELETE", f"/instances/{first.id}")
    second = cloud.guest("second", interface)

    assert second.addresses() == [address]
    wait_for("the client knows the new MAC", lambda: client.pings(address), seconds=3)
