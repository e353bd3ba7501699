"""Traffic mirroring from the call to the copy, and back to the counters that a user sees."""

import pytest
from tests.support.deployment import Deployment, Json, wait_for


def a_session(cloud: Deployment, source: Json, target: Json) -> Json:
    fields = {"name": "pings"}
    chosen = cloud.native("POST", "/mirror-filters", {"mirror_filter": fields})["mirror_filter"]
    for direction in ("egress", "ingress"):
        rule = {
            "mirror_filter_id": chosen["id"],
            "direction": direction,
            "ethertype": "IPv4",
            "protocol": "ICMP",
            "action": "accept",
            "priority": 1,
        }
        cloud.native("POST", "/mirror-filter-rules", {"mirror_filter_rule": rule})
    session = {
        "name": "pings",
        "priority": 1,
        "mirror_filter_ids": [chosen["id"]],
        "source_port_ids": [source["id"]],
        "target_port_id": target["id"],
        "enabled": True,
    }
    body = {"mirror_session": session}
    made: Json = cloud.native("POST", "/mirror-sessions", body)["mirror_session"]
    return made


def copied(cloud: Deployment, session: Json) -> dict[str, int]:
    path = f"/mirror-sessions/{session['id']}/counters"
    ways = cloud.native("GET", path)["mirror_counters"]["counters"]
    return {way["direction"]: way["copied"]["packets"] for way in ways}


@pytest.mark.covers("H1", "H47", "H51")
def test_a_session_copies_until_its_target_is_deleted_and_counts_what_it_did(
    cloud: Deployment,
) -> None:
    network = cloud.network("mirrored")
    cloud.subnet(network, "10.60.0.0/24")
    vxlan = {"protocol": "udp", "port_range_min": 4789, "port_range_max": 4789}
    open_to_copies = cloud.group("collectors", vxlan)
    ping = cloud.group("pings", {"protocol": "icmp"})
    sides = [cloud.port(network, security_groups=[ping["id"]]) for _ in range(2)]
    source, peer = (cloud.guest(f"side{n}", {"port_id": p["id"]}) for n, p in enumerate(sides))
    target = cloud.port(network, security_groups=[open_to_copies["id"]])
    collector = cloud.guest("collector", {"port_id": target["id"]})
    session = a_session(cloud, sides[0], target)
    address = sides[1]["fixed_ips"][0]["ip_address"]
    capture = collector.start("tcpdump", "-n", "-l", "-c", "2", "-i", "eth0", "udp port 4789")

    def has_copies() -> bool:
        assert source.pings(address)
        return capture.poll() is not None

    wait_for("the collector has copies", has_copies, seconds=20)
    assert "vni 1" in capture.communicate()[0]
    wait_for("both directions are counted", lambda: len(copied(cloud, session)) == 2)

    cloud.native("DELETE", f"/instances/{collector.id}")
    cloud.neutron("DELETE", f"/ports/{target['id']}")
    left = cloud.native("GET", f"/mirror-sessions/{session['id']}")["mirror_session"]
    assert left["target_port_id"] is None
    assert source.pings(address)
    assert peer.is_active()
