"""The act about mirroring: an engineer looks at traffic without touching the server it is of."""

import asyncio

from portlight.cli.demo.acts import address_of
from portlight.cli.demo.scene import make_group, make_guest, make_port
from portlight.cli.demo.stage import PREFIX, Stage, wait_until
from portlight.client.resources import MirrorSession, Network, Port

VXLAN_PORT = 4789
VNI = 42


async def web_traffic_is_mirrored(stage: Stage, network: Network) -> None:
    """Copy the client's TCP but for port 22 to a collector, which decodes it."""
    client, web = stage.port("client"), stage.port("web")
    admitted = {
        "protocol": "udp",
        "port_range_min": VXLAN_PORT,
        "port_range_max": VXLAN_PORT,
        "remote_ip_prefix": f"{address_of(client)}/32",
    }
    make_group(stage, "collectors", admitted)
    collector = make_port(stage, network, "collector", "front", "collectors")
    await make_guest(stage, "collector", collector)
    session = make_session(stage, client, collector)
    # As another user it would outlive the command that started it.
    capture = await stage.start(
        "collector",
        ["tcpdump", "-Z", "root", "-n", "-l", "-i", "eth0", f"udp port {VXLAN_PORT}"],
    )
    await asyncio.sleep(1)
    await stage.run("client", "nc", "-z", "-w", "1", address_of(web), "22")
    await stage.run("client", "nc", "-z", "-w", "2", address_of(web), "80")

    async def counted() -> bool:
        ways = stage.client.mirror_counters(session.id).counters
        return {way.direction for way in ways if way.copied.packets} == {"egress", "ingress"}

    await wait_until("copies of both directions are counted", counted)
    capture.terminate()
    raw, _ = await capture.communicate()
    decoded = raw.decode()
    copies = sum(way.copied.packets for way in stage.client.mirror_counters(session.id).counters)
    to_web = decoded.count(f"> {address_of(web)}.80:")
    to_ssh = decoded.count(f"> {address_of(web)}.22:")
    stage.note(
        "a collector gets copies of the client's TCP, but of port 22",
        f"{copies} copies in VXLAN {VNI}; tcpdump decodes {to_web} packets to port 80"
        f" and {to_ssh} to port 22",
        held=to_web > 0 and to_ssh == 0 and f"vni {VNI}" in decoded,
    )


def make_session(stage: Stage, source: Port, target: Port) -> MirrorSession:
    """Make a filter with three rules, and an enabled session."""
    chosen = stage.client.mirror_filters.create({"name": f"{PREFIX}web"})
    for priority, rule in enumerate(
        (
            {"direction": "egress", "action": "reject", "destination_ports": "22-22"},
            {"direction": "egress", "action": "accept"},
            {"direction": "ingress", "action": "accept"},
        ),
        start=1,
    ):
        stage.client.mirror_filter_rules.create(
            {
                "mirror_filter_id": chosen.id,
                "ethertype": "IPv4",
                "protocol": "TCP",
                "priority": priority,
                **rule,
            }
        )
    return stage.client.mirror_sessions.create(
        {
            "name": f"{PREFIX}web",
            "priority": 1,
            "mirror_filter_ids": [chosen.id],
            "source_port_ids": [source.id],
            "target_port_id": target.id,
            "vni": VNI,
            "enabled": True,
        }
    )
