"""Virtual IPs with real keepalived: who owns the address, and how long a client waits."""

import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from tests.support.deployment import Deployment, Guest, Json, wait_for
from tests.support.keepalived import Vrrp, write_keepalived

VRRP_RULES: tuple[Json, ...] = (
    {"protocol": "vrrp"},
    {"protocol": "vrrp", "ethertype": "IPv6"},
    {"protocol": "icmp"},
    {"protocol": "icmp", "ethertype": "IPv6"},
)


class Pair:
    """Two members of a virtual IP and a client that keeps asking."""

    def __init__(self, cloud: Deployment, folder: Path, cidr: str, **virtual_ip: object) -> None:
        self.cloud = cloud
        self.folder = folder
        network = cloud.network("redundant")
        # Every guest gets an IPv4 address; the IPv6 case adds a second family.
        subnets = [cloud.subnet(network, "10.40.0.0/24")]
        if ":" in cidr:
            modes = {"ipv6_address_mode": "dhcpv6-stateful", "ipv6_ra_mode": "dhcpv6-stateful"}
            subnets.append(cloud.subnet(network, cidr, **modes))
        self.group = cloud.group("members", *VRRP_RULES)
        self.client_group = cloud.group("clients")
        mine = {"network_id": network["id"], "security_groups": [self.client_group["id"]]}
        self.client = cloud.guest("client", mine)
        self.ports = [
            cloud.port(network, name=f"member-{n}", security_groups=[self.group["id"]])
            for n in (1, 2)
        ]
        self.members = [
            cloud.guest(f"member-{n}", {"port_id": port["id"]})
            for n, port in enumerate(self.ports, 1)
        ]
        body = {"subnet_id": subnets[-1]["id"], "name": "vip", **virtual_ip}
        self.vip = cloud.native("POST", "/virtual-ips", {"virtual_ip": body})["virtual_ip"]
        self.address: str = self.vip["ip_address"]

    def join(self, virtual_router_id: int | None = None) -> None:
        """Make both ports members."""
        for port in self.ports:
            body = {"port_id": port["id"], "virtual_router_id": virtual_router_id}
            self.cloud.native("POST", f"/virtual-ips/{self.vip['id']}/members", {"member": body})

    def state(self) -> Json:
        """Return what has been observed of the virtual IP."""
        answer = self.cloud.native("GET", f"/virtual-ips/{self.vip['id']}/state")
        state: Json = answer["virtual_ip_state"]
        return state

    def keepalived(self, member: int, vrrp: Vrrp) -> None:
        """Start keepalived in one member."""
        guest = self.members[member]
        guest.start(*write_keepalived(self.folder / guest.name, vrrp))

    def owner(self) -> str | None:
        """Return the port id of the present owner."""
        owner: str | None = self.state()["owner_port_id"]
        return owner

    def wait_owner(self, member: int, seconds: float = 12.0) -> None:
        """Wait until this member owns the address."""
        wanted = self.ports[member]["id"]
        wait_for(f"member {member + 1} owns it", lambda: self.owner() == wanted, seconds=seconds)


def receive_times(output: str) -> list[float]:
    """Return when each reply of `ping -D` arrived."""
    return [
        float(line[1 : line.index("]")])
        for line in output.splitlines()
        if "bytes from" in line and line.startswith("[")
    ]


def fail_over(pair: Pair, stop: Guest, to: int) -> float:
    """Stop the owner under traffic; return seconds from the new announcement to the next reply."""
    ping = pair.client.start("ping", "-n", "-D", "-i", "0.005", "-W", "0.2", pair.address)
    time.sleep(0.5)
    pair.cloud.native("POST", f"/instances/{stop.id}/stop")
    pair.wait_owner(to)
    time.sleep(1.0)
    ping.terminate()
    replies = receive_times(ping.communicate()[0])
    moved_at = datetime.fromisoformat(pair.state()["moves"][-1]["at"]).timestamp()
    after = [t for t in replies if t >= moved_at]
    assert after, "no reply after the move"
    return after[0] - moved_at


CASES = {
    "v2": Vrrp(address="", priority=150, version=2),
    "v3": Vrrp(address="", priority=150, version=3),
    "v3-virtual-mac": Vrrp(address="", priority=150, version=3, virtual_mac=True),
    "v2-virtual-mac": Vrrp(address="", priority=150, version=2, virtual_mac=True),
    "v3-ipv6": Vrrp(address="6", priority=150, version=3),
    "v3-ipv6-virtual-mac": Vrrp(address="6", priority=150, version=3, virtual_mac=True),
}


@pytest.mark.covers("N23", "N24", "P15", "X1", "X2", "H59", "N30")
@pytest.mark.parametrize("case", CASES)
def test_failover_of_real_keepalived_costs_at_most_50_ms_after_the_announcement(
    cloud: Deployment, tmp_path: Path, case: str
) -> None:
    chosen = CASES[case]
    cidr = "fd40::/64" if chosen.address else "10.40.0.0/24"
    pair = Pair(cloud, tmp_path, cidr)
    pair.join(chosen.virtual_router_id if chosen.virtual_mac else None)
    vrrp = replace(chosen, address=pair.address)
    pair.keepalived(0, vrrp)
    pair.wait_owner(0)
    pair.keepalived(1, replace(vrrp, priority=100))
    wait_for("the client reaches it", lambda: pair.client.pings(pair.address))

    cut = fail_over(pair, pair.members[0], to=1)

    assert cut <= 0.05
    moves = pair.state()["moves"]
    assert [m["to_port_id"] for m in moves] == [p["id"] for p in pair.ports]


@pytest.mark.covers("X1", "X2")
def test_an_owner_whose_keepalived_was_killed_does_not_win_the_address_back(
    cloud: Deployment, tmp_path: Path
) -> None:
    pair = Pair(cloud, tmp_path, "10.40.0.0/24")
    pair.join()
    pair.keepalived(0, Vrrp(address=pair.address, priority=150))
    pair.wait_owner(0)
    pair.keepalived(1, Vrrp(address=pair.address, priority=100))
    wait_for("the client reaches it", lambda: pair.client.pings(pair.address))

    # No farewell, and the address stays configured: its kernel goes on answering ARP for it.
    pair.members[0].must("sh", "-c", "pkill -STOP keepalived; pkill -KILL keepalived")
    pair.wait_owner(1)
    assert pair.address in pair.members[0].addresses()
    pair.client.must("ip", "neigh", "flush", "dev", "eth0")
    assert pair.client.pings(pair.address, count=10)

    assert pair.owner() == pair.ports[1]["id"]
    assert not pair.state()["split_brain"]
    assert cloud.drops(pair.ports[0]).get("egress/virtual_ip_not_owner", 0) > 0


@pytest.mark.covers("X3")
def test_two_members_that_claim_it_at_once_raise_a_split_brain_alarm(
    cloud: Deployment, tmp_path: Path
) -> None:
    pair = Pair(cloud, tmp_path, "10.40.0.0/24")
    pair.join()
    # The members do not hear each other's adverts: both become master.
    rules = cloud.neutron("GET", "/security-group-rules", security_group_id=pair.group["id"])
    for rule in rules["security_group_rules"]:
        if rule["protocol"] == "vrrp":
            cloud.neutron("DELETE", f"/security-group-rules/{rule['id']}")
    for member in (0, 1):
        pair.keepalived(member, Vrrp(address=pair.address, priority=100 + member))

    wait_for("the alarm", lambda: pair.state()["split_brain"], seconds=15)
    assert set(pair.state()["contenders"]) == {p["id"] for p in pair.ports}
    metrics = cloud.call("GET", "/metrics").text
    assert f'portlight_virtual_ip_split_brain{{virtual_ip="{pair.vip["id"]}"}} 1' in metrics


@pytest.mark.covers("N5", "H58")
def test_the_address_of_a_virtual_ip_is_given_to_no_other_port(cloud: Deployment) -> None:
    network = cloud.network("reserve")
    subnet = cloud.subnet(network, "10.41.0.0/24")
    body = {"virtual_ip": {"subnet_id": subnet["id"], "ip_address": "10.41.0.50"}}
    vip = cloud.native("POST", "/virtual-ips", body)["virtual_ip"]

    port = {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.41.0.50"}]}
    answer = cloud.call("POST", "/v2.0/ports", {"port": port})

    assert vip["ip_address"] == "10.41.0.50"
    assert answer.status_code == 409
    assert answer.json()["NeutronError"]["type"] == "IpAddressAlreadyAllocated"


@pytest.mark.covers("N8")
def test_a_virtual_ip_port_cannot_be_an_interface_of_a_new_instance(cloud: Deployment) -> None:
    network = cloud.network("reserve")
    subnet = cloud.subnet(network, "10.42.0.0/24")
    body = {"virtual_ip": {"subnet_id": subnet["id"]}}
    vip = cloud.native("POST", "/virtual-ips", body)["virtual_ip"]

    instance = {"name": "wrong", "interfaces": [{"port_id": vip["port_id"]}]}
    answer = cloud.call("POST", "/portlight/v1/instances", {"instance": instance})

    assert answer.status_code == 409
    assert "members" in answer.text


@pytest.mark.covers("N24", "N27", "N28", "H61")
def test_membership_opens_exactly_the_address_and_leaving_closes_it(
    cloud: Deployment, tmp_path: Path
) -> None:
    pair = Pair(cloud, tmp_path, "10.40.0.0/24")
    member, port = pair.members[0], pair.ports[0]
    member.must("ip", "addr", "add", f"{pair.address}/24", "dev", "eth0")
    peer = pair.cloud.ports_of(pair.client)[0]["fixed_ips"][0]["ip_address"]
    cloud.rule({"id": pair.cloud.ports_of(pair.client)[0]["security_groups"][0]}, protocol="icmp")

    def from_the_virtual_ip() -> bool:
        done = member.run("ping", "-c", "1", "-W", "0.5", "-I", pair.address, peer)
        return done.returncode == 0

    assert not from_the_virtual_ip()
    # It does not even get to ask for the peer's MAC from an address that is not its own.
    cloud.wait_drop(port, "egress/spoofed_arp")
    pair.join()
    wait_for("a member may send from it", from_the_virtual_ip, seconds=5)
    cloud.native("DELETE", f"/virtual-ips/{pair.vip['id']}/members/{port['id']}")
    wait_for("a former member may not", lambda: not from_the_virtual_ip(), seconds=5)


@pytest.mark.covers("N31", "N32")
def test_a_virtual_ip_is_no_member_of_its_members_groups(cloud: Deployment, tmp_path: Path) -> None:
    pair = Pair(cloud, tmp_path, "10.40.0.0/24")
    pair.join()
    member = pair.members[0]
    mine = cloud.ports_of(pair.client)[0]
    cloud.rule(pair.client_group, protocol="icmp", remote_group_id=pair.group["id"])
    member.must("ip", "addr", "add", f"{pair.address}/24", "dev", "eth0")
    peer = mine["fixed_ips"][0]["ip_address"]
    wait_for("its own address is a member", lambda: member.pings(peer, deadline=0.5), seconds=5)

    done = member.run("ping", "-c", "1", "-W", "0.5", "-I", pair.address, peer)

    assert done.returncode != 0
    cloud.wait_drop(mine, "ingress/no_ingress_rule")

    # What receivers must do: allow the address itself.
    prefix = f"{pair.address}/32"
    cloud.rule(pair.client_group, protocol="icmp", remote_ip_prefix=prefix)
    wait_for(
        "the rule for the address lets it in",
        lambda: (
            member.run("ping", "-c", "1", "-W", "0.5", "-I", pair.address, peer).returncode == 0
        ),
        seconds=5,
    )


@pytest.mark.covers("H70")
def test_a_port_can_become_a_member_before_it_has_an_instance(cloud: Deployment) -> None:
    network = cloud.network("early")
    subnet = cloud.subnet(network, "10.44.0.0/24")
    everything = cloud.group("everything", {"protocol": "icmp"})
    port = cloud.port(network, security_groups=[everything["id"]])
    body = {"virtual_ip": {"subnet_id": subnet["id"], "members": [{"port_id": port["id"]}]}}
    vip = cloud.native("POST", "/virtual-ips", body)["virtual_ip"]
    member = cloud.guest("member", {"port_id": port["id"]})
    client = cloud.guest("client", {"network_id": network["id"]})

    member.must("ip", "addr", "add", f"{vip['ip_address']}/24", "dev", "eth0")

    wait_for("the virtual IP answers", lambda: client.pings(vip["ip_address"]), seconds=5)


@pytest.mark.covers("N30", "N32")
def test_a_virtual_ip_takes_no_security_groups(cloud: Deployment) -> None:
    network = cloud.network("groupless")
    subnet = cloud.subnet(network, "10.45.0.0/24")
    group = cloud.group("group")
    body = {"virtual_ip": {"subnet_id": subnet["id"]}}
    vip = cloud.native("POST", "/virtual-ips", body)["virtual_ip"]

    change = {"port": {"security_groups": [group["id"]]}}
    answer = cloud.call("PUT", f"/v2.0/ports/{vip['port_id']}", change)

    assert answer.status_code == 409
    assert answer.json()["NeutronError"]["type"] == "VirtualIpHasNoGroups"
    assert cloud.neutron("GET", f"/ports/{vip['port_id']}")["port"]["security_groups"] == []


@pytest.mark.covers("N29")
def test_a_member_of_another_network_is_refused(cloud: Deployment) -> None:
    network, other = cloud.network("one"), cloud.network("other")
    subnet = cloud.subnet(network, "10.43.0.0/24")
    cloud.subnet(other, "10.43.0.0/24")
    vip = cloud.native("POST", "/virtual-ips", {"virtual_ip": {"subnet_id": subnet["id"]}})
    stranger = cloud.port(other)

    path = f"/portlight/v1/virtual-ips/{vip['virtual_ip']['id']}/members"
    answer = cloud.call("POST", path, {"member": {"port_id": stranger["id"]}})

    assert answer.status_code == 400
    assert "subnet" in answer.text
