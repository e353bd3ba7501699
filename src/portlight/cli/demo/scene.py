"""The sample network of the demonstration: made once, taken away before the next time."""

from portlight.cli.demo.stage import PREFIX, Stage, wait_until
from portlight.client.client import Client
from portlight.client.resources import Network, Port, SecurityGroup, Subnet, VirtualIp

FRONT, BACK = "10.90.1.0/24", "10.90.2.0/24"


def clear(stage: Stage) -> None:
    """Delete what an earlier demonstration left."""
    client = stage.client
    for vip in client.virtual_ips.list():
        if vip.name.startswith(PREFIX):
            for member in vip.members:
                client.remove_member(vip.id, member.port_id)
    _clear_routers(client)
    for kind in (
        client.mirror_sessions,
        client.mirror_filters,
        client.instances,
        client.virtual_ips,
        client.ports,
        client.networks,
    ):
        for one in kind.list():
            if one.name.startswith(PREFIX):
                kind.delete(one.id)
    _clear_groups(client)


def _clear_routers(client: Client) -> None:
    """Delete the routers with what they lead to."""
    for address in client.public_ips.list():
        if address.name.startswith(PREFIX):
            if address.related_resource is not None:
                client.disassociate(
                    address.id, address.related_resource.id, release=True, flows="cut"
                )
            else:
                client.public_ips.delete(address.id)
    subnets = [one.id for one in client.subnets.list() if one.name.startswith(PREFIX)]
    for router in client.routers.list():
        if not router.name.startswith(PREFIX):
            continue
        client.routers.update(router.id, {"routes": [], "external_gateway_info": None})
        held = client.ports.list(device_id=router.id)
        for subnet in {fixed.subnet_id for port in held for fixed in port.fixed_ips} & set(subnets):
            client.remove_router_interface(router.id, subnet)
        client.routers.delete(router.id)


def _clear_groups(client: Client) -> None:
    """Delete the groups, rules first: groups that name each other go in no order."""
    groups = {one.id for one in client.security_groups.list() if one.name.startswith(PREFIX)}
    for rule in client.security_group_rules.list():
        if rule.security_group_id in groups:
            client.security_group_rules.delete(rule.id)
    for group in groups:
        client.security_groups.delete(group)


def make_network(stage: Stage) -> Network:
    """Make one network with a front and a back subnet; each reaches the other on the link."""
    network = stage.client.networks.create({"name": f"{PREFIX}net"})
    for name, cidr, other in (("front", FRONT, BACK), ("back", BACK, FRONT)):
        stage.client.subnets.create(
            {
                "name": PREFIX + name,
                "network_id": network.id,
                "cidr": cidr,
                "ip_version": 4,
                "gateway_ip": None,
                "host_routes": [{"destination": other, "nexthop": "0.0.0.0"}],  # noqa: S104 -- DHCP's word for on-link (RFC 3442)
            }
        )
    return network


def subnet_of(stage: Stage, name: str) -> Subnet:
    """Return one of the two subnets."""
    return stage.client.subnets.find(PREFIX + name)


def make_group(stage: Stage, name: str, *rules: dict[str, object]) -> SecurityGroup:
    """Make a group with ingress rules."""
    group = stage.client.security_groups.create({"name": PREFIX + name})
    for rule in rules:
        stage.client.security_group_rules.create(
            {"security_group_id": group.id, "direction": "ingress", "ethertype": "IPv4", **rule}
        )
    return group


def make_port(stage: Stage, network: Network, name: str, subnet: str, group: str) -> Port:
    """Make a port in a subnet with one group."""
    return stage.client.ports.create(
        {
            "name": PREFIX + name,
            "network_id": network.id,
            "fixed_ips": [{"subnet_id": subnet_of(stage, subnet).id}],
            "security_groups": [stage.client.security_groups.find(PREFIX + group).id],
        }
    )


async def make_guest(stage: Stage, name: str, *ports: Port) -> None:
    """Make an instance on ports and wait until it runs and has the address of each."""
    interfaces = [{"port_id": port.id} for port in ports]
    stage.client.instances.create({"name": PREFIX + name, "interfaces": interfaces})

    async def runs() -> bool:
        return stage.guest(name).status == "ACTIVE"

    await wait_until(f"{name} runs", runs)
    wanted = {f" {port.fixed_ips[0].ip_address}/" for port in ports}

    async def configured() -> bool:
        shown = await stage.run(name, "ip", "-4", "-o", "addr", "show")
        return all(address in shown.output for address in wanted)

    await wait_until(f"{name} got{''.join(wanted)} by DHCP", configured)


def make_virtual_ip(stage: Stage, name: str, subnet: str, *members: Port) -> VirtualIp:
    """Reserve a virtual IP and let the ports hold it."""
    return stage.client.virtual_ips.create(
        {
            "name": PREFIX + name,
            "subnet_id": subnet_of(stage, subnet).id,
            "members": [{"port_id": member.id} for member in members],
        }
    )
