"""Security groups as a client behind a port meets them: real packets, real drops."""

import subprocess
import sys
import time

import pytest
from tests.support.deployment import Deployment, Guest, Json, wait_for


def web_and_client(cloud: Deployment, *rules: Json, **group: object) -> tuple[Guest, Guest, Json]:
    """Return a server behind a group with these rules, a client, and the server's port."""
    network = cloud.network("groups")
    cloud.subnet(network, "10.20.0.0/24")
    web = cloud.group("web", *rules, **group)
    port = cloud.port(network, name="server", security_groups=[web["id"]])
    server = cloud.guest("server", {"port_id": port["id"]})
    client = cloud.guest("client", {"network_id": network["id"]})
    return server, client, port


def serve(guest: Guest, tcp: int) -> None:
    """Answer on a TCP port until the test ends."""
    guest.start("busybox", "nc", "-ll", "-p", str(tcp), "-e", "cat")
    wait_for("the server listens", lambda: f":{tcp}" in guest.must("ss", "-ltn"))


def connects(guest: Guest, address: str, tcp: int, *, seconds: int = 1) -> bool:
    """Whether a TCP connection opens."""
    return guest.run("nc", "-z", "-w", str(seconds), address, str(tcp)).returncode == 0


@pytest.mark.extension("security-group")
@pytest.mark.covers("N11", "H88")
def test_an_allowed_port_is_reached_and_another_is_dropped_with_its_reason(
    cloud: Deployment,
) -> None:
    http = {"protocol": "tcp", "port_range_min": 80, "port_range_max": 80}
    server, client, port = web_and_client(cloud, http)
    address = port["fixed_ips"][0]["ip_address"]
    serve(server, 80)
    serve(server, 22)

    assert connects(client, address, 80)
    assert not connects(client, address, 22)
    cloud.wait_drop(port, "ingress/no_ingress_rule")


@pytest.mark.covers("N11", "H91", "H98")
def test_a_rule_opens_within_100_ms_and_its_removal_cuts_the_running_flow(
    cloud: Deployment,
) -> None:
    _, client, port = web_and_client(cloud)
    address = port["fixed_ips"][0]["ip_address"]
    group = {"id": port["security_groups"][0]}
    ping = client.start("ping", "-n", "-D", "-O", "-i", "0.01", address)
    cloud.wait_drop(port, "ingress/no_ingress_rule")

    rule = cloud.rule(group, protocol="icmp")
    answered = time.time()
    time.sleep(0.5)
    cloud.neutron("DELETE", f"/security-group-rules/{rule['id']}")
    removed = time.time()
    cloud.wait_drop(port, "ingress/flow_revoked")
    time.sleep(0.3)
    ping.terminate()
    replies = [
        float(line[1 : line.index("]")])
        for line in ping.communicate()[0].splitlines()
        if "bytes from" in line
    ]

    assert replies
    assert min(replies) - answered < 0.1
    assert max(replies) - removed < 0.1


@pytest.mark.covers("P25")
def test_a_group_can_keep_flows_that_no_rule_allows_any_more(cloud: Deployment) -> None:
    _, client, port = web_and_client(cloud, established_flows="keep")
    address = port["fixed_ips"][0]["ip_address"]
    rule = cloud.rule({"id": port["security_groups"][0]}, protocol="icmp")
    wait_for("the rule is there", lambda: client.pings(address))
    ping = client.start("ping", "-n", "-D", "-i", "0.05", address)
    time.sleep(0.5)

    cloud.neutron("DELETE", f"/security-group-rules/{rule['id']}")
    wait_for("new flows are refused", lambda: not client.pings(address, deadline=0.5))
    refused = time.time()
    time.sleep(0.5)
    ping.terminate()
    replies = [line for line in ping.communicate()[0].splitlines() if "bytes from" in line]

    assert float(replies[-1][1 : replies[-1].index("]")]) > refused
    assert int(replies[-1].split("icmp_seq=")[1].split()[0]) == len(replies), "none was lost"


@pytest.mark.covers("N13", "X18", "P16")
def test_a_member_that_joins_a_remote_group_is_let_in_and_one_that_leaves_is_not(
    cloud: Deployment,
) -> None:
    friends = cloud.group("friends")
    _, client, port = web_and_client(cloud, {"protocol": "icmp", "remote_group_id": friends["id"]})
    address = port["fixed_ips"][0]["ip_address"]
    mine = cloud.ports_of(client)[0]
    assert not client.pings(address, deadline=0.3)

    both = [*mine["security_groups"], friends["id"]]
    cloud.neutron("PUT", f"/ports/{mine['id']}", {"port": {"security_groups": both}})
    wait_for("the member is let in", lambda: client.pings(address, deadline=0.2), seconds=1)
    cloud.neutron(
        "PUT", f"/ports/{mine['id']}", {"port": {"security_groups": mine["security_groups"]}}
    )
    wait_for("it is out again", lambda: not client.pings(address, deadline=0.2), seconds=1)


@pytest.mark.covers("N11")
def test_large_datagrams_pass_in_fragments(cloud: Deployment) -> None:
    _, client, port = web_and_client(cloud, {"protocol": "icmp"})
    address = port["fixed_ips"][0]["ip_address"]

    assert client.run("ping", "-n", "-c", "2", "-s", "6000", "-W", "2", address).returncode == 0


@pytest.mark.covers("N11")
def test_an_icmp_error_about_a_running_flow_needs_no_rule(cloud: Deployment) -> None:
    server, client, port = web_and_client(cloud)
    mine = cloud.ports_of(client)[0]
    open_to_udp = cloud.group("udp", {"protocol": "udp"})
    body = {"port": {"security_groups": [open_to_udp["id"]]}}
    cloud.neutron("PUT", f"/ports/{mine['id']}", body)
    peer = mine["fixed_ips"][0]["ip_address"]
    script = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1);"
        f"s.connect(('{peer}', 9)); s.send(b'x'); s.recv(1)"
    )

    # Nobody listens at the peer; its kernel answers "port unreachable".
    def refused() -> bool:
        return "ConnectionRefusedError" in server.run(sys.executable, "-c", script).stderr

    wait_for("the error comes back", refused)
    assert not client.pings(port["fixed_ips"][0]["ip_address"], deadline=0.5)


@pytest.mark.covers("N13")
def test_two_groups_on_one_port_add_up(cloud: Deployment) -> None:
    server, client, port = web_and_client(
        cloud, {"protocol": "tcp", "port_range_min": 80, "port_range_max": 80}
    )
    ssh = cloud.group("ssh", {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22})
    address = port["fixed_ips"][0]["ip_address"]
    serve(server, 80)
    serve(server, 22)
    assert not connects(client, address, 22)

    groups = [*port["security_groups"], ssh["id"]]
    cloud.neutron("PUT", f"/ports/{port['id']}", {"port": {"security_groups": groups}})

    wait_for("port 22 opens", lambda: connects(client, address, 22), seconds=3)
    assert connects(client, address, 80)


@pytest.mark.covers("N11")
def test_an_sctp_rule_lets_sctp_through_and_not_udp(cloud: Deployment) -> None:
    server, client, port = web_and_client(
        cloud, {"protocol": "sctp", "port_range_min": 5000, "port_range_max": 5000}
    )
    address = port["fixed_ips"][0]["ip_address"]
    script = (
        "from scapy.all import IP, SCTP, SCTPChunkInit, UDP, send;"
        f"send(IP(dst='{address}')/SCTP(sport=4000,dport=5000)/SCTPChunkInit(), verbose=0);"
        f"send(IP(dst='{address}')/UDP(sport=4000,dport=5000)/b'x', verbose=0)"
    )
    capture = subprocess.Popen(
        server.command(["tcpdump", "-lnni", "eth0", "-c", "1", "sctp or udp port 5000"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    time.sleep(0.7)
    before = cloud.drops(port).get("ingress/no_ingress_rule", 0)

    client.must(sys.executable, "-c", script)

    assert "sctp" in capture.communicate(timeout=10)[0].lower()
    cloud.wait_drop(port, "ingress/no_ingress_rule", more_than=before)
