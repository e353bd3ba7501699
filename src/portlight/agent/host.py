"""All families of one host, and the order in which a plan is put in place.

Policy before devices: a link that comes up finds its rules, and a change of rules never waits for a
device. Removal goes backwards. A gate is opened last: programs and the port's entry are there then.
Before all, the ways of mirror copies: whoever asks for a copy by new rules finds its new way.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portlight.agent.family import Driver, Family
from portlight.dataplane.bpf.mirror_tables import way_entries
from portlight.dataplane.bpf.port_table import port_attachments
from portlight.dataplane.bpf.programs import FROM_PORT, MIRROR, TO_PORT, ensure_bpffs, load_programs
from portlight.dataplane.bpf.shortcut_tables import station_entries
from portlight.dataplane.bpf.tables import Tables
from portlight.dataplane.dhcp.driver import DhcpDriver
from portlight.dataplane.dhcp.render import DhcpServer, render_server
from portlight.dataplane.instances.driver import InstanceDriver
from portlight.dataplane.instances.values import guests
from portlight.dataplane.links.bridges import BridgeDriver
from portlight.dataplane.links.fabric import Fabric
from portlight.dataplane.links.links import GateDriver, LinkDriver
from portlight.dataplane.links.mirror_device import (
    MIRROR_DEVICE,
    MirrorDevice,
    MirrorDeviceDriver,
)
from portlight.dataplane.links.programs import (
    LoadedProgram,
    ProgramHooks,
    mirror_hooks,
    port_hooks,
)
from portlight.dataplane.links.values import veth_links
from portlight.dataplane.names import HostNames
from portlight.dataplane.nft.addresses import PublicAddressDriver
from portlight.dataplane.nft.counters import LegCounters
from portlight.dataplane.nft.render import public_address
from portlight.dataplane.routes.advertisers import AdvertiserDriver, render_advertiser
from portlight.dataplane.routes.neighbours import NeighbourDriver
from portlight.dataplane.routes.peerings import PeeringDriver
from portlight.dataplane.routes.rooms import RouterRooms
from portlight.dataplane.routes.routers import RouterDriver
from portlight.dataplane.routes.tables import RouteDriver
from portlight.dataplane.routes.uplinks import UplinkDriver, uplink_of
from portlight.dataplane.routes.values import Router, render_router, virtual_neighbours
from portlight.plan.host import DhcpPlan, HostPlan
from portlight.plan.routers import PublicAddressKey, RouterPlan
from portlight.values.ids import InstanceId

AHEAD = ("mirror_device", "mirror_ways")
"""What the policy leads to; those whose link is yet to come follow with the devices."""
POLICY = (
    "classifiers",
    "members",
    "bindings",
    "mirror_sources",
    "ports",
    "virtual_ips",
    "virtual_macs",
)
DEVICES = (
    "bridges",
    "uplinks",
    "links",
    "routers",
    "peerings",
    "public_addresses",
    "routes",
    "neighbours",
    "advertisers",
    "ports",
    "virtual_ips",
    "stations",
    "shortcuts",
    "router_legs",
    "mirror_device",
    "mirror_ways",
    "dhcp",
    "instances",
    "gates",
)
FAMILIES = tuple(dict.fromkeys(POLICY + DEVICES))
FABRIC_FAMILIES = ("bridges", "links", "gates", "mirror_device", "uplinks")
"""What the kernel's events about the fabric are about."""
LEG_FAMILIES = ("routers", "peerings", "public_addresses", "routes", "neighbours")
"""What is lost with a link that is made anew."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPaths:
    """Where things are on this host."""

    names: HostNames
    bpf_objects: Path
    """Folder with the compiled programs."""


class Host:
    """The drivers of one host. Belongs to one thread."""

    def __init__(self, paths: HostPaths) -> None:
        self._names = paths.names
        self._open = ExitStack()
        try:
            self._families = self._build(paths)
        except BaseException:
            self._open.close()
            raise
        self._servers: dict[int, tuple[DhcpPlan, DhcpServer]] = {}
        self._routers: dict[int, tuple[RouterPlan, Router]] = {}
        self._derived: Mapping[str, Callable[[HostPlan], Mapping[Any, Any]]] = {
            "classifiers": lambda plan: plan.classifiers,
            "members": lambda plan: plan.members,
            "bindings": lambda plan: dict.fromkeys(plan.bindings),
            "ports": lambda plan: port_attachments(plan, self._links.indexes()),
            "virtual_ips": lambda plan: plan.virtual_ips,
            "virtual_macs": lambda plan: plan.virtual_macs,
            "stations": lambda plan: station_entries(plan, self._links.indexes()),
            "shortcuts": lambda plan: plan.shortcuts,
            "router_legs": lambda plan: plan.router_legs,
            "mirror_sources": lambda plan: plan.mirror_sources,
            "mirror_device": lambda plan: (
                {MIRROR_DEVICE: MirrorDevice()} if plan.mirror_sources else {}
            ),
            "mirror_ways": lambda plan: way_entries(plan, self._links.indexes()),
            "bridges": lambda plan: plan.bridges,
            "links": lambda plan: veth_links(plan, self._names),
            "uplinks": lambda plan: {key: uplink_of(one) for key, one in plan.uplinks.items()},
            "routers": lambda plan: {
                key: self._router(key, one) for key, one in plan.routers.items()
            },
            "peerings": lambda plan: plan.peerings,
            "public_addresses": lambda plan: {
                key: public_address(key[1], one) for key, one in plan.public_addresses.items()
            },
            "routes": lambda plan: plan.routes,
            "neighbours": lambda plan: virtual_neighbours(plan, self.tables.virtual_ips.owned()),
            "advertisers": lambda plan: {
                key: said
                for key, one in plan.routers.items()
                if (said := render_advertiser(one.legs)) is not None
            },
            "dhcp": lambda plan: {key: self._server(key, one) for key, one in plan.dhcp.items()},
            "instances": guests,
            "gates": self._gates,
        }

    def _build(self, paths: HostPaths) -> Mapping[str, Family[Any, Any]]:
        pins = paths.names.bpf_folder
        ensure_bpffs(pins)
        loaded = load_programs(paths.bpf_objects, pins)
        programs = {
            name: LoadedProgram(name=name, fd=program.open(), id=program.id)
            for name, program in loaded.items()
        }
        self.tables = self._open.enter_context(Tables(pins))
        self.fabric = Fabric(paths.names)
        self._open.callback(self.fabric.close)
        hooks = ProgramHooks(self.fabric, port_hooks(programs[FROM_PORT], programs[TO_PORT]))
        self._links = LinkDriver(self.fabric, hooks)
        self.instances = InstanceDriver(paths.names)
        dhcp = DhcpDriver(paths.names)
        self._open.callback(dhcp.close)
        uplinks = UplinkDriver(self.fabric)
        self._open.callback(uplinks.close)
        self.rooms = RouterRooms(paths.names)
        self._open.callback(self.rooms.close)
        self.leg_counters = LegCounters(self.rooms)
        drivers: dict[str, Driver[Any, Any]] = {
            "classifiers": self.tables.classifiers,
            "members": self.tables.members,
            "bindings": self.tables.bindings,
            "ports": self.tables.ports,
            "virtual_ips": self.tables.virtual_ips,
            "virtual_macs": self.tables.virtual_macs,
            "stations": self.tables.stations,
            "shortcuts": self.tables.shortcuts,
            "router_legs": self.tables.router_legs,
            "mirror_sources": self.tables.mirror_sources,
            "mirror_device": MirrorDeviceDriver(
                self.fabric,
                ProgramHooks(self.fabric, mirror_hooks(programs[MIRROR])),
                announced=lambda: self.tables.mirror_ifindex,
                announce=self.tables.set_mirror_ifindex,
            ),
            "mirror_ways": self.tables.mirror_ways,
            "bridges": BridgeDriver(self.fabric),
            "links": self._links,
            "uplinks": uplinks,
            "routers": RouterDriver(self.rooms),
            "peerings": PeeringDriver(self.rooms),
            "public_addresses": PublicAddressDriver(self.rooms),
            "routes": RouteDriver(self.rooms),
            "neighbours": NeighbourDriver(self.rooms),
            "advertisers": AdvertiserDriver(paths.names, self.rooms),
            "dhcp": dhcp,
            "instances": self.instances,
            "gates": GateDriver(self.fabric),
        }
        return {name: Family(name, driver) for name, driver in drivers.items()}

    def close(self) -> None:
        """Let go of everything; all of it goes on without us."""
        self._open.close()

    def apply(self, plan: HostPlan, now: float) -> None:
        """Bring the host to the plan: policy first, then devices."""
        for name in AHEAD:
            self._put(name, plan, now)
        changed = [self._put(name, plan, now) for name in POLICY]
        changed += [self._remove(name, plan, now) for name in reversed(POLICY)]
        if any(changed):
            self.tables.bump_epoch()
        later = {name for name in DEVICES if self._put(name, plan, now)}
        later |= {name for name in reversed(DEVICES) if self._remove(name, plan, now)}
        if later & set(POLICY):
            # New links got entries, or old ones lost them.
            self.tables.bump_epoch()

    def look(self, name: str, plan: HostPlan, now: float) -> frozenset[Any]:
        """Read one family from the kernel, and repair what somebody else changed; return that."""
        if name in FABRIC_FAMILIES and self.fabric.ensure():
            _log.warning("the name of the fabric namespace was gone; it is given back")
        if name in LEG_FAMILIES:
            for lost in self.rooms.ensure():
                _log.warning("the name of the namespace %s was gone; it is given back", lost)
        astray = self._families[name].look()
        if not astray:
            return astray
        desired = self._desired(name, plan)
        wrong = {key for key in astray if desired.get(key) != self._families[name].known.get(key)}
        if wrong:
            _log.warning("repairing %s: %s", name, ", ".join(sorted(map(str, wrong))[:10]))
        self.apply(plan, now)
        return frozenset(wrong)

    def differing(self, plan: HostPlan) -> Mapping[str, frozenset[Any]]:
        """Return what is not in the kernel as the plan says, by family; changes nothing."""
        found = {
            name: family.differing(self._desired(name, plan))
            for name, family in self._families.items()
        }
        return {name: keys for name, keys in found.items() if keys}

    def follow_owners(self, plan: HostPlan, now: float) -> None:
        """Lead routers to the virtual IPs beside them that are owned now."""
        self._put("neighbours", plan, now)
        self._remove("neighbours", plan, now)

    def settled_routers(self) -> frozenset[int]:
        """Return the numbers of routers that are in place, with their peerings and routes."""
        families = [self._families[name] for name in ("routers", "routes", "advertisers")]
        known = self._families["routers"].known
        torn = {
            key[0] if isinstance(key, tuple) else key for one in families for key in one.failures
        }
        return frozenset(known.keys() - torn)

    def settled_addresses(self) -> frozenset[PublicAddressKey]:
        """Return the public addresses that lead where they shall."""
        family = self._families["public_addresses"]
        return frozenset(family.known.keys() - family.failures.keys())

    def settled_ports(self) -> frozenset[int]:
        """Return the numbers of ports whose whole data path is in place."""
        links = self._families["links"].known
        ports = self._families["ports"].known
        gates = self._families["gates"].known
        return frozenset(
            number
            for number, is_open in gates.items()
            if is_open and number in ports and number in links and links[number].intact
        )

    def failing_instances(self) -> frozenset[InstanceId]:
        """Return the instances that could not be brought to what is wanted."""
        return frozenset(self._families["instances"].failures)

    def failures(self) -> Mapping[str, str]:
        """Return what could not be put in place, by object."""
        return {
            f"{family.name} {key}": failure.message
            for family in self._families.values()
            for key, failure in family.failures.items()
        }

    def next_retry(self) -> float | None:
        """Return when the first failed key may be tried again."""
        times = [
            failure.retry_at
            for family in self._families.values()
            for failure in family.failures.values()
        ]
        return min(times, default=None)

    def _put(self, name: str, plan: HostPlan, now: float) -> bool:
        changed = self._families[name].put(self._desired(name, plan), now)
        if changed and name == "links":
            # What hung on a link that was made anew is gone with it.
            for lost in ("gates", *LEG_FAMILIES):
                self._families[lost].look()
        return changed

    def _remove(self, name: str, plan: HostPlan, now: float) -> bool:
        return self._families[name].remove(self._desired(name, plan), now)

    def _desired(self, name: str, plan: HostPlan) -> Mapping[Any, Any]:
        wanted: Mapping[Any, Any] = self._derived[name](plan)
        return wanted

    def _gates(self, plan: HostPlan) -> Mapping[int, bool]:
        """Return the gates to open: those of ports that have their entry."""
        ready = self._families["ports"].known.keys()
        return dict.fromkeys(veth_links(plan, self._names).keys() & ready, True)

    def _router(self, number: int, plan: RouterPlan) -> Router:
        """Return what a router must be; rendered once for each plan of it."""
        known = self._routers.get(number)
        if known is None or known[0] != plan:
            known = (plan, render_router(plan))
            self._routers[number] = known
        return known[1]

    def _server(self, number: int, plan: DhcpPlan) -> DhcpServer:
        """Return what a network's server must be; rendered once for each plan of it."""
        known = self._servers.get(number)
        if known is None or known[0] is not plan:
            known = (plan, render_server(plan, self._names.dhcp_folder(number)))
            self._servers[number] = known
        return known[1]
