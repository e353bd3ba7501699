"""What the driver of instances reads and writes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from portlight.plan.host import HostPlan, InstancePlan
from portlight.values.ids import InstanceId

_CLIENTS = {"dhcpv6-stateful": "dhcp6", "dhcpv6-stateless": "info6"}
"""Which DHCPv6 client the mode of a subnet asks for; one of all is enough for an interface."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestInterface:
    """One interface as the guest sees it."""

    ifname: str
    client6: str = "auto"
    """`dhcp6`: it asks for its IPv6 address; `info6`: only for names; `auto`: for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A guest of kind namespace; its key is the instance id."""

    hostname: str
    running: bool
    boot: int
    """The guest is restarted when it grows."""
    renewals: int = 0
    """The guest's DHCP clients ask again when it grows."""
    policy_routing: bool = True
    """With several interfaces, it routes by source."""
    interfaces: tuple[GuestInterface, ...] = ()
    intact: bool = True
    """False when its namespace lost its name. Never wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestState:
    """What is seen of a guest."""

    namespace: str
    init_pid: int | None
    """Process id of the guest's init on this host; None while it is stopped."""


def guests(plan: HostPlan) -> Mapping[InstanceId, Guest]:
    """Return the guests of a plan."""
    return {instance: _guest(plan, wanted) for instance, wanted in plan.instances.items()}


def _guest(plan: HostPlan, wanted: InstancePlan) -> Guest:
    links = [plan.links[number] for number in wanted.ports if number in plan.links]
    return Guest(
        hostname=wanted.hostname,
        running=wanted.running,
        boot=wanted.boot,
        renewals=wanted.renewals,
        policy_routing=wanted.policy_routing,
        interfaces=tuple(
            GuestInterface(ifname=link.guest_ifname, client6=_client6(plan, link.network))
            for link in links
        ),
    )


def _client6(plan: HostPlan, network: int) -> str:
    server = plan.dhcp.get(network)
    modes = {subnet.ipv6_mode or "" for subnet in server.subnets} if server is not None else set()
    return next((client for mode, client in _CLIENTS.items() if mode in modes), "auto")
