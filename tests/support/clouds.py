"""Clouds to test with: real services on a real store, with countable ids and a settable clock."""

import itertools
import threading
from dataclasses import dataclass, field

from portlight.core.drafts import NetworkDraft, PortDraft, SubnetDraft
from portlight.core.network import Network, Subnet
from portlight.core.port import Port
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.store.memory import MemoryStore
from portlight.store.protocol import Store
from portlight.values.addresses import MacAddress, parse_prefix
from portlight.values.ids import HostName, ProjectId, UserId

HOST = HostName("host-1")


class CountingIds:
    """Identifiers in a row; thread-safe, so that parallel tests have unique ones too."""

    def __init__(self, first: int = 1) -> None:
        self._numbers = itertools.count(first)
        self._lock = threading.Lock()

    def _next(self) -> int:
        with self._lock:
            return next(self._numbers)

    def uuid(self) -> str:
        return f"00000000-0000-4000-8000-{self._next():012d}"

    def mac(self) -> MacAddress:
        return MacAddress(0xFA163E000000 + self._next())

    def secret(self) -> str:
        return f"secret-{self._next()}"


@dataclass
class Clock:
    """A time that tests set."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """A cloud with everything around it."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    ids: CountingIds = field(default_factory=CountingIds)

    def __post_init__(self) -> None:
        self.cloud = Cloud(store=self.store, ids=self.ids, clock=self.clock, host=HOST)


def a_world(store: Store | None = None) -> World:
    return World(store=store or MemoryStore())


def a_caller(project: str = "p1", *roles: str) -> Caller:
    return Caller(
        user_id=UserId(f"user-of-{project}"),
        user_name="someone",
        project_id=ProjectId(project),
        project_name=project,
        roles=frozenset(roles or ("member", "reader")),
    )


MEMBER = a_caller()
STRANGER = a_caller("p2")
ADMIN = a_caller("p0", "admin")
READER = a_caller("p1", "reader")


def a_network(world: World, draft: NetworkDraft | None = None, *, by: Caller = MEMBER) -> Network:
    return world.cloud.networks.create(by, draft or NetworkDraft(name="net"))


def an_external_network(world: World, cidr: str = "203.0.113.0/24") -> Network:
    network = a_network(world, NetworkDraft(name="public", external=True), by=ADMIN)
    a_subnet(world, network, cidr, by=ADMIN)
    return network


def a_subnet(
    world: World,
    network: Network,
    cidr: str = "10.0.0.0/24",
    *,
    dhcp: bool = False,
    by: Caller = MEMBER,
) -> Subnet:
    draft = SubnetDraft(network_id=network.id, cidr=parse_prefix(cidr), enable_dhcp=dhcp)
    return world.cloud.subnets.create(by, draft)


def a_port(world: World, network: Network, *, by: Caller = MEMBER) -> Port:
    return world.cloud.ports.create(by, PortDraft(network_id=network.id))


def addresses_of(port: Port) -> list[str]:
    return [str(fixed_ip.address) for fixed_ip in port.fixed_ips]
