"""What a guest may send as: its own addresses, its pairs, and nothing else."""

import sys

import pytest
from tests.support.deployment import Deployment, Guest, Json, wait_for

PYTHON = sys.executable


def pair_of_guests(cloud: Deployment, **port: object) -> tuple[Guest, Guest, Json, Json]:
    """Return a sender whose port has these fields, and a receiver that admits everything."""
    network = cloud.network("binding")
    cloud.subnet(network, "10.30.0.0/24")
    anything = cloud.group("anything", {"protocol": None}, {"ethertype": "IPv6", "protocol": None})
    first = cloud.port(network, name="sender", **port)
    second = cloud.port(network, name="receiver", security_groups=[anything["id"]])
    sender = cloud.guest("sender", {"port_id": first["id"]})
    receiver = cloud.guest("receiver", {"port_id": second["id"]})
    return sender, receiver, first, second


def send(guest: Guest, packet: str) -> None:
    """Send one packet, written as scapy writes it, from eth0."""
    script = f"from scapy.all import *; sendp({packet}, iface='eth0', verbose=0)"
    guest.must(PYTHON, "-c", script)


SPOOFS = {
    "spoofed_mac": "Ether(src='02:00:00:00:00:01',dst='{mac}')/IP(src='{own}',dst='{to}')/UDP()",
    "spoofed_ipv4": "Ether(dst='{mac}')/IP(src='10.30.0.200',dst='{to}')/UDP()",
    "spoofed_ipv6": "Ether(dst='{mac}')/IPv6(src='fd00::66',dst='fe80::1')/UDP()",
    "spoofed_arp": "Ether(dst='ff:ff:ff:ff:ff:ff')/ARP(op=2,psrc='10.30.0.1',pdst='{to}')",
    "spoofed_nd": (
        "Ether(dst='33:33:00:00:00:01')/IPv6(src=ll,dst='ff02::1',hlim=255)"
        "/ICMPv6ND_NA(tgt='fd00::1',S=0,O=1)"
    ),
    "rogue_dhcp_server": (
        "Ether(dst='ff:ff:ff:ff:ff:ff')/IP(src='{own}',dst='255.255.255.255')"
        "/UDP(sport=67,dport=68)/BOOTP(op=2)"
    ),
    "rogue_router_advertisement": (
        "Ether(dst='33:33:00:00:00:01')/IPv6(src=ll,dst='ff02::1',hlim=255)/ICMPv6ND_RA()"
    ),
    "vlan_tagged": "Ether(dst='{mac}')/Dot1Q(vlan=5)/IP(src='{own}',dst='{to}')/UDP()",
    "ethertype_refused": "Ether(dst='{mac}',type=0x88b5)/b'experimental'",
    "malformed": "Ether(dst='{mac}',type=0x0800)/b'E'",
}


@pytest.mark.covers("N10", "N24")
def test_every_kind_of_spoofing_is_dropped_and_counted_by_its_reason(cloud: Deployment) -> None:
    sender, _, first, second = pair_of_guests(cloud)
    facts = {
        "mac": second["mac_address"],
        "own": first["fixed_ips"][0]["ip_address"],
        "to": second["fixed_ips"][0]["ip_address"],
    }
    for reason, packet in SPOOFS.items():
        text = packet.format(**facts).replace("src=ll", f"src='{link_local(first)}'")
        send(sender, text)
        cloud.wait_drop(first, f"egress/{reason}")


def link_local(port: Json) -> str:
    """Return the EUI-64 link-local address of a port."""
    raw = bytearray.fromhex(port["mac_address"].replace(":", ""))
    raw[0] ^= 2
    tail = bytes(raw[:3]) + b"\xff\xfe" + bytes(raw[3:])
    return "fe80::" + ":".join(tail[i : i + 2].hex() for i in range(0, 8, 2))


@pytest.mark.extension("port-security")
@pytest.mark.covers("N12", "N25")
def test_with_port_security_off_everything_passes(cloud: Deployment) -> None:
    sender, receiver, _, second = pair_of_guests(cloud, port_security_enabled=False)
    to = second["fixed_ips"][0]["ip_address"]
    capture = receiver.start("tcpdump", "-lnni", "eth0", "-c", "1", "src host 10.30.0.200")

    def seen() -> bool:
        send(sender, f"Ether(dst='{second['mac_address']}')/IP(src='10.30.0.200',dst='{to}')/UDP()")
        return capture.poll() is not None

    wait_for("the foreign source arrives", seen, seconds=20, every=0.3)


@pytest.mark.covers("N9", "N12")
def test_security_that_was_switched_off_for_a_while_comes_on_again(cloud: Deployment) -> None:
    sender, _, first, second = pair_of_guests(cloud)
    address = second["fixed_ips"][0]["ip_address"]
    sender.must("ip", "addr", "add", "10.30.0.200/24", "dev", "eth0")

    def pings() -> bool:
        return (
            sender.run("ping", "-c", "1", "-W", "1", "-I", "10.30.0.200", address).returncode == 0
        )

    opening = {
        "port_security_enabled": False,
        "security_groups": [],
        "port_security_reason": "a look at the traffic",
        "port_security_seconds": 5,
    }
    cloud.neutron("PUT", f"/ports/{first['id']}", {"port": opening})

    wait_for("the foreign source passes", pings, seconds=4, every=0.1)
    found = cloud.native("GET", "/port-exposures", port_id=first["id"])
    (exposure,) = found["port_exposures"]
    assert exposure["findings"] == [{"exposure": "security_off", "detail": "a look at the traffic"}]
    wait_for("it is dropped again", lambda: not pings(), seconds=10, every=0.1)
    cloud.wait_drop(first, "egress/spoofed_ipv4")
    log = cloud.native("GET", "/audit-entries", object_id=first["id"])["audit_entries"]
    assert [one["action"] for one in log] == ["port_security_expired", "port_security_off"]


@pytest.mark.extension("allowed-address-pairs")
@pytest.mark.covers("N26")
def test_an_allowed_address_pair_opens_exactly_its_prefix(cloud: Deployment) -> None:
    sender, _, first, second = pair_of_guests(
        cloud, allowed_address_pairs=[{"ip_address": "10.30.0.192/28"}]
    )
    address = second["fixed_ips"][0]["ip_address"]
    sender.must("ip", "addr", "add", "10.30.0.200/24", "dev", "eth0")
    sender.must("ip", "addr", "add", "10.30.0.210/24", "dev", "eth0")

    assert sender.run("ping", "-c", "1", "-W", "2", "-I", "10.30.0.200", address).returncode == 0
    assert sender.run("ping", "-c", "1", "-W", "1", "-I", "10.30.0.210", address).returncode != 0
    cloud.wait_drop(first, "egress/spoofed_ipv4")


@pytest.mark.covers("N26")
def test_a_port_can_have_128_pairs(cloud: Deployment) -> None:
    pairs = [{"ip_address": f"10.77.{i}.0/24"} for i in range(128)]
    sender, receiver, first, second = pair_of_guests(cloud, allowed_address_pairs=pairs)
    del receiver
    before = cloud.drops(first).get("egress/spoofed_ipv4", 0)
    to = second["fixed_ips"][0]["ip_address"]
    mac = second["mac_address"]

    for i in (0, 64, 127):
        send(sender, f"Ether(dst='{mac}')/IP(src='10.77.{i}.9',dst='{to}')/UDP()")
    send(sender, f"Ether(dst='{mac}')/IP(src='10.77.200.9',dst='{to}')/UDP()")

    cloud.wait_drop(first, "egress/spoofed_ipv4", more_than=before)
    assert cloud.drops(first)["egress/spoofed_ipv4"] == before + 1
