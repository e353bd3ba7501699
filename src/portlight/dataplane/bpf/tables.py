"""Every table of the data plane, opened from the folder where its maps are pinned.

Each table is a driver (`read`, `apply`) of one part of the plan. A change of policy is: put
classifiers, members, bindings, ports, virtual IPs; remove in the reverse order; then `bump_epoch`
once, so that established flows are judged again.
"""

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from portlight.dataplane.bpf.abi import Settings, decode_record, encode_record
from portlight.dataplane.bpf.binding_table import BindingTable
from portlight.dataplane.bpf.claims import ClaimReader
from portlight.dataplane.bpf.classifier_table import ClassifierTable
from portlight.dataplane.bpf.counters import CounterTable
from portlight.dataplane.bpf.entry_table import EntryTable
from portlight.dataplane.bpf.maps import BpfMap
from portlight.dataplane.bpf.member_table import MemberTable
from portlight.dataplane.bpf.mirror_tables import (
    MirrorCounterTable,
    MirrorSourceTable,
    MirrorWayTable,
)
from portlight.dataplane.bpf.port_table import PortTable
from portlight.dataplane.bpf.shortcut_tables import (
    ROUTER_LEGS,
    SHORTCUTS,
    STATIONS,
    VIRTUAL_MACS,
)
from portlight.dataplane.bpf.virtual_ip_table import VirtualIpTable

MAP_NAMES = (
    "settings",
    "classifiers",
    "members",
    "bindings",
    "links",
    "forwarding",
    "virtual_ips",
    "vip_owners",
    "vip_members",
    "virtual_macs",
    "router_legs",
    "routed",
    "stations",
    "counters",
    "claims",
    "mirror_sources",
    "mirror_ways",
    "mirror_counters",
)
_FIRST = bytes(4)


class Tables:
    """Holds the maps open; close it, or use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        """Open the maps pinned in `folder`; raise FileNotFoundError when one is missing."""
        self._maps: dict[str, BpfMap] = {}
        try:
            for name in MAP_NAMES:
                self._maps[name] = BpfMap.open_pinned(folder / name)
        except OSError:
            self._close_maps()
            raise
        maps = self._maps
        self.classifiers = ClassifierTable(maps["classifiers"])
        self.members = MemberTable(maps["members"])
        self.bindings = BindingTable(maps["bindings"])
        self.virtual_ips = VirtualIpTable(
            maps["virtual_ips"], maps["vip_owners"], maps["vip_members"]
        )
        self.ports = PortTable(maps["links"], maps["forwarding"], self.virtual_ips.networks)
        self.virtual_ips.tell(self.ports)
        self.virtual_macs = EntryTable(maps["virtual_macs"], VIRTUAL_MACS)
        self.router_legs = EntryTable(maps["router_legs"], ROUTER_LEGS)
        self.shortcuts = EntryTable(maps["routed"], SHORTCUTS)
        self.stations = EntryTable(maps["stations"], STATIONS)
        self.counters = CounterTable(maps["counters"])
        self.claims = ClaimReader(maps["claims"])
        self.mirror_sources = MirrorSourceTable(maps["mirror_sources"])
        self.mirror_ways = MirrorWayTable(maps["mirror_ways"])
        self.mirror_counters = MirrorCounterTable(maps["mirror_counters"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give everything back; the maps stay pinned."""
        self.claims.close()
        self._close_maps()

    @property
    def epoch(self) -> int:
        """Return the present epoch of the rules."""
        return self._settings().epoch

    def bump_epoch(self) -> int:
        """Have every flow judged again at its next packet; return the new epoch."""
        epoch = (self.epoch + 1) % (1 << 32)
        self._write(replace(self._settings(), epoch=epoch))
        return epoch

    @property
    def mirror_ifindex(self) -> int:
        """Return the index of the helper device of mirroring; 0 when there is none."""
        return self._settings().mirror_ifindex

    def set_mirror_ifindex(self, ifindex: int) -> None:
        """Tell the programs where to send clones; 0 ends mirroring."""
        self._write(replace(self._settings(), mirror_ifindex=ifindex))

    def _settings(self) -> Settings:
        raw = self._maps["settings"].lookup(_FIRST)
        return decode_record(Settings, raw) if raw is not None else Settings()

    def _write(self, settings: Settings) -> None:
        self._maps["settings"].update(_FIRST, encode_record(settings))

    def _close_maps(self) -> None:
        for opened in self._maps.values():
            opened.close()
        self._maps.clear()
