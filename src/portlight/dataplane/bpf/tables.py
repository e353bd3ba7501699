"""Every table of the data plane, opened from the folder where its maps are pinned.

Each table is a driver (`read`, `apply`) of one part of the plan. A change of policy is: put
classifiers, members, bindings, ports, virtual IPs; remove in the reverse order; then `bump_epoch`
once, so that established flows are judged again.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from portlight.dataplane.bpf.abi import Settings, decode_record, encode_record
from portlight.dataplane.bpf.binding_table import BindingTable
from portlight.dataplane.bpf.claims import ClaimReader
from portlight.dataplane.bpf.classifier_table import ClassifierTable
from portlight.dataplane.bpf.counters import CounterTable
from portlight.dataplane.bpf.maps import BpfMap
from portlight.dataplane.bpf.member_table import MemberTable
from portlight.dataplane.bpf.port_table import PortTable
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
    "counters",
    "claims",
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
        self.counters = CounterTable(maps["counters"])
        self.claims = ClaimReader(maps["claims"])

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
        raw = self._maps["settings"].lookup(_FIRST)
        return decode_record(Settings, raw).epoch if raw is not None else 0

    def bump_epoch(self) -> int:
        """Have every flow judged again at its next packet; return the new epoch."""
        epoch = (self.epoch + 1) % (1 << 32)
        self._maps["settings"].update(_FIRST, encode_record(Settings(epoch=epoch)))
        return epoch

    def _close_maps(self) -> None:
        for opened in self._maps.values():
            opened.close()
        self._maps.clear()
