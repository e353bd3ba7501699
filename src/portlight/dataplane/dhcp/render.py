"""What a network's dnsmasq reads: its configuration, its hosts and their options.

Pure. Hosts, their options and their names may be added while the server runs; every other change
restarts it. A lease hangs on the port, never on the clock: every known MAC has its addresses
written down, and an unknown one gets nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from portlight.dataplane.links.values import DHCP_IFNAME
from portlight.plan.host import DhcpHost, DhcpOption, DhcpPlan, DhcpSubnet
from portlight.values.addresses import IpAddress

LEASE_SECONDS = 86_400
RENEW_SECONDS = 60
"""T1: how soon a guest asks again, so that a changed address reaches it (row N19)."""
ROUTER_ADVERTISEMENT_SECONDS = 60
_MAX_LEASES = 1_000_000
_DUID_ENTERPRISE = 49_152
_RANGE_MODE = {
    "slaac": "ra-only",
    "dhcpv6-stateless": "ra-stateless",
    "dhcpv6-stateful": "static",
}
_SILENT_RANGE_MODE = {"dhcpv6-stateless": "static", "dhcpv6-stateful": "static"}
"""Where a router advertises: any other mode would make dnsmasq advertise as well."""
_MICROSOFT_ROUTES = 249
_IPV6 = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpServer:
    """A DHCP server; its key is the network's number."""

    config: str
    hosts: frozenset[str]
    """One line for each host and subnet."""
    options: frozenset[str]
    """One line for each option of a single host."""
    names: frozenset[str]
    """One line for each address that has a name, as in a hosts file."""
    addresses: frozenset[str]
    """Its own addresses with prefix lengths."""
    intact: bool = True
    """False when its process, namespace or interface is missing. Never wanted."""


def render_server(plan: DhcpPlan, folder: Path) -> DhcpServer:
    """Return everything of one network's server."""
    return DhcpServer(
        config=render_config(plan, folder),
        hosts=frozenset(line for host in plan.hosts for line in _host_lines(plan, host)),
        options=frozenset(line for host in plan.hosts for line in _option_lines(host)),
        names=frozenset(line for host in plan.hosts for line in _name_lines(plan, host)),
        addresses=frozenset(f"{address}/{length}" for address, length in plan.addresses),
    )


def render_config(plan: DhcpPlan, folder: Path) -> str:
    """Return the part that needs a restart when it changes."""
    modes = _RANGE_MODE if plan.advertises else _SILENT_RANGE_MODE
    lines = [
        "no-resolv",
        "no-hosts",
        "no-poll",
        "domain-needed",
        "bogus-priv",
        "bind-dynamic",
        f"interface={DHCP_IFNAME}",
        "except-interface=lo",
        f"pid-file={folder / 'pid'}",
        f"log-facility={folder / 'log'}",
        "leasefile-ro",
        "no-ping",
        "dhcp-authoritative",
        "dhcp-ignore=tag:!known",
        f"dhcp-lease-max={_MAX_LEASES}",
        # The same after every restart, or a client would not renew with us.
        f"dhcp-duid={_DUID_ENTERPRISE},{plan.mac}",
        f"dhcp-hostsdir={folder / 'hosts'}",
        f"dhcp-optsdir={folder / 'options'}",
        # Answered whether or not the guest has asked for its address since the last restart.
        f"hostsdir={folder / 'names'}",
        "quiet-dhcp",
        "quiet-dhcp6",
        "quiet-ra",
        *([f"domain={plan.domain}"] if plan.domain else ()),
        *(f"dhcp-option={line}" for line in _subnet_option_lines(plan)),
        *(
            _range(index, subnet, modes)
            for index, subnet in enumerate(plan.subnets)
            if subnet.cidr.version != _IPV6 or subnet.ipv6_mode in modes
        ),
    ]
    if plan.advertises and any(subnet.ipv6_mode in _RANGE_MODE for subnet in plan.subnets):
        # Lifetime 0: this server is no router, it only says how to get an address.
        lines += [
            "enable-ra",
            f"ra-param={DHCP_IFNAME},mtu:{plan.mtu},{ROUTER_ADVERTISEMENT_SECONDS},0",
        ]
    return "".join(f"{line}\n" for line in lines)


def _range(index: int, subnet: DhcpSubnet, modes: Mapping[str, str]) -> str:
    first = subnet.cidr.network_address
    if isinstance(subnet.cidr, IPv4Network):
        return f"dhcp-range=set:s{index},{first},static,{subnet.cidr.netmask},{LEASE_SECONDS}"
    mode = modes[subnet.ipv6_mode or ""]
    return f"dhcp-range=set:s{index},{first},{mode},{subnet.cidr.prefixlen},{LEASE_SECONDS}"


def _host_lines(plan: DhcpPlan, host: DhcpHost) -> Iterator[str]:
    """Yield one line for each subnet that the host has an address in: its first address there."""
    seen: set[int] = set()
    for address in host.addresses:
        index = _subnet_of(plan, address)
        if index is None or index in seen:
            continue
        seen.add(index)
        text = f"[{address}]" if address.version == _IPV6 else str(address)
        name = f",{host.hostname}" if len(seen) == 1 else ""
        yield f"{host.mac},set:p{host.port_number},{text}{name}"
    if not seen:
        # Known all the same: options and stateless answers are for it.
        yield f"{host.mac},set:p{host.port_number}"


def _name_lines(plan: DhcpPlan, host: DhcpHost) -> Iterator[str]:
    """Yield one line for each address: the whole name, and the short one within the domain."""
    for address, name in host.names:
        if name.endswith("."):
            yield f"{address} {name.removesuffix('.')}"
        elif plan.domain:
            yield f"{address} {name}.{plan.domain} {name}"
        else:
            yield f"{address} {name}"


def _subnet_of(plan: DhcpPlan, address: IpAddress) -> int | None:
    """Return the place of the subnet in which the server hands out this address."""
    for index, subnet in enumerate(plan.subnets):
        if address.version == subnet.cidr.version and address in subnet.cidr:
            handed_out = address.version != _IPV6 or subnet.ipv6_mode == "dhcpv6-stateful"
            return index if handed_out else None
    return None


def _subnet_option_lines(plan: DhcpPlan) -> Iterator[str]:
    for index, subnet in enumerate(plan.subnets):
        if isinstance(subnet.cidr, IPv4Network):
            yield from _ipv4_options(f"tag:s{index}", subnet, plan.mtu)
        elif subnet.dns_nameservers:
            servers = ",".join(f"[{address}]" for address in subnet.dns_nameservers)
            yield f"tag:s{index},option6:dns-server,{servers}"


def _option_lines(host: DhcpHost) -> Iterator[str]:
    """Yield the host's own options: read after the subnet's, they win over them."""
    for option in host.options:
        yield f"tag:p{host.port_number},{_option_name(option)},{_one_line(option.value)}"


def _ipv4_options(tag: str, subnet: DhcpSubnet, mtu: int) -> Iterator[str]:
    # Without a value the option is not sent; otherwise the server would name itself as router.
    yield f"{tag},option:router" + (f",{subnet.gateway_ip}" if subnet.gateway_ip else "")
    yield f"{tag},option:mtu,{mtu}"
    yield f"{tag},option:T1,{RENEW_SECONDS}"
    if subnet.dns_nameservers:
        yield f"{tag},option:dns-server," + ",".join(map(str, subnet.dns_nameservers))
    if subnet.host_routes:
        routes = [f"{destination},{nexthop}" for destination, nexthop in subnet.host_routes]
        if subnet.gateway_ip:
            # A client that gets these ignores option router (RFC 3442).
            routes.append(f"0.0.0.0/0,{subnet.gateway_ip}")
        yield f"{tag},option:classless-static-route," + ",".join(routes)
        yield f"{tag},{_MICROSOFT_ROUTES}," + ",".join(routes)


def _option_name(option: DhcpOption) -> str:
    name = _one_line(option.name)
    family = "option6" if option.ip_version == _IPV6 else "option"
    if name.isdecimal():
        return f"option6:{name}" if option.ip_version == _IPV6 else name
    return f"{family}:{name}"


def _one_line(text: str) -> str:
    """Return the text without anything that would end its line and begin another directive."""
    return "".join(letter for letter in text if letter.isprintable())
