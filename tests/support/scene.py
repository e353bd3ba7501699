"""Two ports of one network with usual rules: the stage of most packet tests."""

from dataclasses import dataclass
from ipaddress import ip_address

from tests.support.frames import End
from tests.support.programs import LabPort, ProgramLab

from portlight.plan.classifier import ClassifierRule, Family
from portlight.plan.host import PortPlan, SourceBinding
from portlight.values.addresses import IpAddress, MacAddress, host_prefix
from portlight.values.ranges import PortRange

NETWORK = 7
ANYTHING = (ClassifierRule(family=Family.IPV4), ClassifierRule(family=Family.IPV6))
WEB = ClassifierRule(family=Family.IPV4, protocol=6, destination_ports=PortRange(first=80, last=80))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A port and what its guest is called by."""

    port: LabPort
    end: End
    end6: End


def guest(  # noqa: PLR0913 a builder: every option has a default
    lab: ProgramLab,
    number: int,
    *,
    egress: tuple[ClassifierRule, ...] = ANYTHING,
    ingress: tuple[ClassifierRule, ...] = (),
    secured: bool = True,
    up: bool = True,
    mtu: int = 1500,
    network: int = NETWORK,
) -> Guest:
    """Make a port with one address of each family and its bindings.

    10.0.0.N and fd00::N in the usual network, 10.0.K.N and fd00:K::N in the one that is K further.
    """
    mac = MacAddress(0x02_00_00_00_00_00 + number)
    further = network - NETWORK
    ip4 = ip_address(f"10.0.{further}.{number}")
    ip6 = ip_address(f"fd00:{further}::{number:x}")
    plan = PortPlan(
        network=network,
        scope=network,
        mac=mac,
        mtu=mtu,
        up=up,
        secured=secured,
        egress=lab.rules(*egress),
        ingress=lab.rules(*ingress),
    )
    lab.bind(*(binding(number, mac, address) for address in (ip4, ip6, mac.link_local)))
    port = lab.port(number, plan)
    return Guest(port=port, end=End(mac=mac, ip=ip4), end6=End(mac=mac, ip=ip6))


def binding(port: int, mac: MacAddress, address: IpAddress) -> SourceBinding:
    """Bind one address."""
    return SourceBinding(port=port, mac=mac, prefix=host_prefix(address))
