"""The act about a server with two interfaces, each with a gateway."""

import asyncio

from portlight.cli.demo.acts import address_of
from portlight.cli.demo.scene import make_group, make_guest
from portlight.cli.demo.stage import PREFIX, Stage, wait_until
from portlight.client.resources import Port

_OUTSIDE = "192.0.2.77"


async def second_interface_answers(stage: Stage) -> None:
    """Ask a server on its second interface, with its routing by source and without."""
    make_group(stage, "echo", {"protocol": "icmp"})
    both = [_uplink(stage, number) for number in range(2)]
    await asyncio.gather(
        make_guest(stage, "gate", *(gate for gate, _ in both)),
        make_guest(stage, "double", *(port for _, port in both)),
    )
    await stage.run("gate", "ip", "address", "add", f"{_OUTSIDE}/32", "dev", "lo")
    second = both[1][1]

    async def answered() -> bool:
        ping = ("ping", "-n", "-c", "1", "-W", "1", "-I", _OUTSIDE, address_of(second))
        return (await stage.run("gate", *ping)).status == 0

    async def silent() -> bool:
        return not await answered()

    await wait_until("the second interface answers", answered)
    before = stage.drops(both[0][1].id, "spoofed_arp")
    _switch(stage, on=False)
    await wait_until("without routing by source it is silent", silent)
    dropped = await stage.dropped_more(both[0][1].id, "spoofed_arp", before)
    _switch(stage, on=True)
    await wait_until("the second interface answers again", answered)
    stage.note(
        "a server with two interfaces and two gateways answers on the second one",
        f"ping {address_of(second)} from {_OUTSIDE}: answered; without routing by source the reply"
        f" tried the first interface, whose port dropped {dropped} packets: spoofed_arp",
        held=dropped > 0,
    )


def _uplink(stage: Stage, number: int) -> tuple[Port, Port]:
    """Make a network with a gateway; return the gateway's port and the server's."""
    name, net = f"{PREFIX}uplink{number}", f"10.90.{10 + number}"
    network = stage.client.networks.create({"name": name})
    subnet = stage.client.subnets.create(
        {
            "name": name,
            "network_id": network.id,
            "cidr": f"{net}.0/24",
            "ip_version": 4,
            "gateway_ip": f"{net}.1",
        }
    )
    gate = stage.client.ports.create(
        {
            "name": f"{PREFIX}gate{number}",
            "network_id": network.id,
            "fixed_ips": [{"subnet_id": subnet.id, "ip_address": f"{net}.1"}],
            "port_security_enabled": False,
        }
    )
    port = stage.client.ports.create(
        {
            "name": f"{PREFIX}double{number}",
            "network_id": network.id,
            "fixed_ips": [{"subnet_id": subnet.id}],
            "security_groups": [stage.client.security_groups.find(f"{PREFIX}echo").id],
        }
    )
    return gate, port


def _switch(stage: Stage, *, on: bool) -> None:
    stage.client.instances.update(stage.guest("double").id, {"policy_routing": on})
