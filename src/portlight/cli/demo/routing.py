"""The acts about routers: a public address, its release, and an instance that forwards."""

import asyncio

from portlight.cli.demo.acts import address_of
from portlight.cli.demo.scene import make_group, make_guest
from portlight.cli.demo.stage import PREFIX, Stage, wait_until
from portlight.client.resources import HostRoute, Port, Router

_PUBLIC_NETWORK = "public"
_FAR, _FAR_NET = "192.0.2.1", "192.0.2.0/24"
_HTTP = 80


async def public_address_comes_and_goes(stage: Stage) -> None:
    """Reach a guest behind a router from this very machine, until its address is given back."""
    router = await _routed_guests(stage)
    port = stage.port("inner")
    await stage.start("inner", ["busybox", "httpd", "-f", "-p", str(_HTTP), "-h", "/run"])
    public = stage.client.networks.find(_PUBLIC_NETWORK)
    stage.client.routers.update(router.id, {"external_gateway_info": {"network_id": public.id}})
    taken = stage.client.public_ips.create({"network_id": public.id, "name": f"{PREFIX}web"})
    stage.client.associate(taken.id, port.id)

    async def answers() -> bool:
        return await _answers(taken.public_ip)

    async def silent() -> bool:
        return not await _answers(taken.public_ip)

    seconds = await wait_until("this machine reaches the public address", answers)
    stage.client.disassociate(taken.id, port.id, release=True, flows="cut")
    await wait_until("nobody answers for the released address", silent)
    is_gone = not stage.client.public_ips.list(public_ip=taken.public_ip)
    stage.note(
        "this machine reaches a guest by a public address, until that is released",
        f"http://{taken.public_ip} was {address_of(port)} {seconds * 1000:.0f} ms after the call;"
        f" released in one step, it {'belongs to nobody' if is_gone else 'is still held'}",
        held=is_gone,
    )


async def nat_instance_carries_a_subnet(stage: Stage) -> None:
    """Let an instance forward for others: only once its source and destination check is off."""
    router, nat, far = stage.client.routers.find(f"{PREFIX}router"), stage.port("nat"), "far"
    for command in (
        ("nat", "sysctl", "-qw", "net.ipv4.ip_forward=1"),
        ("nat", "iptables", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE"),
        ("nat", "ip", "route", "replace", f"{_FAR}/32", "via", address_of(stage.port(far))),
        (far, "ip", "address", "replace", f"{_FAR}/32", "dev", "lo"),
    ):
        await stage.run(*command)
    stage.client.ports.update(stage.port(far).id, {"source_destination_check": False})
    route = HostRoute(destination=_FAR_NET, nexthop=address_of(nat))
    stage.client.change_routes(router.id, "add_extraroutes", [route])
    before = stage.drops(nat.id, "destination_not_own")
    answered: list[bool] = []

    async def refused() -> bool:
        answered.append(await stage.pings("inner", _FAR))
        return stage.drops(nat.id, "destination_not_own") > before

    await wait_until("the NAT instance's port refuses what is not for it", refused)
    dropped = stage.drops(nat.id, "destination_not_own") - before
    stage.client.ports.update(nat.id, {"source_destination_check": False})

    async def carried() -> bool:
        return await stage.pings("inner", _FAR)

    await wait_until("the NAT instance carries the subnet", carried)
    stage.note(
        "an instance that translates is the way out of a subnet, with its check off",
        f"with it on, {dropped} packets dropped: destination_not_own; off, {_FAR} answers",
        held=not any(answered),
    )


async def _routed_guests(stage: Stage) -> Router:
    """Make two networks behind a router: one guest in the first, two in the second."""
    make_group(stage, "routed", {"protocol": "icmp"}, {"protocol": "tcp"})
    router = stage.client.routers.create({"name": f"{PREFIX}router"})
    places = (("inner", ("inner",)), ("outer", ("nat", "far")))
    ports: list[tuple[str, Port]] = []
    for number, (name, guests) in enumerate(places):
        network = stage.client.networks.create({"name": PREFIX + name})
        subnet = stage.client.subnets.create(
            {
                "name": PREFIX + name,
                "network_id": network.id,
                "cidr": f"10.90.{20 + number}.0/24",
                "ip_version": 4,
            }
        )
        stage.client.add_router_interface(router.id, subnet.id)
        ports += [(guest, _port(stage, network.id, guest)) for guest in guests]
    await asyncio.gather(*(make_guest(stage, guest, port) for guest, port in ports))
    return router


def _port(stage: Stage, network_id: str, name: str) -> Port:
    group = stage.client.security_groups.find(f"{PREFIX}routed")
    return stage.client.ports.create(
        {"name": PREFIX + name, "network_id": network_id, "security_groups": [group.id]}
    )


async def _answers(address: str) -> bool:
    """Whether somebody accepts a connection from this machine."""
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(address, _HTTP)
    except OSError:
        return False
    writer.close()
    return True
