"""Which programs are on the tc hooks of a link, and putting ours there.

`from_port` sits on ingress of the host end (what the guest sent), `to_port` on its egress.
"""

import errno
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from portlight.dataplane.links.fabric import Fabric

_INGRESS = 0xFFFFFFF2
_EGRESS = 0xFFFFFFF3
_ALL_PROTOCOLS = 0x0003
_PRIORITY = 1
_HANDLE = 1
_SLOT = _PRIORITY << 16 | 0x0300
"""Priority and protocol of our filter, as a tc message carries them (its `info`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedProgram:
    """A program that is in the kernel."""

    name: str
    fd: int
    id: int
    """The kernel's number of the program."""

    @property
    def label(self) -> str:
        """The name of the filter, by which a fresh agent sees which program is on a hook."""
        return f"{self.name}:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortPrograms:
    """The two programs that every host end carries."""

    from_port: LoadedProgram
    to_port: LoadedProgram


class ProgramHooks:
    """Reads and writes the hooks of host ends, and remembers what it has read.

    What was read is trusted until the kernel tells of a change on that link.
    """

    def __init__(self, fabric: Fabric, programs: PortPrograms) -> None:
        self._fabric = fabric
        self._programs = programs
        self._right: set[int] = set()

    def attached(self, index: int) -> bool:
        """Whether exactly our two programs are on the link."""
        self._forget_stale()
        if index not in self._right and self._look(index):
            self._right.add(index)
        return index in self._right

    def attach(self, index: int, *, is_new: bool = False) -> None:
        """Put both programs on the link, in place of whatever is there (nothing if it is new)."""
        self._right.discard(index)
        netlink = self._fabric.netlink
        try:
            netlink.tc("add", "clsact", index)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise
        for parent, program in self._hooks():
            netlink.tc(
                "replace-filter",
                "bpf",
                index,
                handle=_HANDLE,
                fd=program.fd,
                name=program.label,
                parent=parent,
                prio=_PRIORITY,
                protocol=_ALL_PROTOCOLS,
                direct_action=True,
            )
            for other in () if is_new else self._filters(index, parent):
                if other["info"] != _SLOT:
                    netlink.tc("del-filter", index=index, parent=parent, info=other["info"])

    def _hooks(self) -> tuple[tuple[int, LoadedProgram], ...]:
        return ((_INGRESS, self._programs.from_port), (_EGRESS, self._programs.to_port))

    def _forget_stale(self) -> None:
        stale = self._fabric.stale_filters
        if stale is None:
            self._right.clear()
        else:
            self._right -= stale
        self._fabric.stale_filters = set()

    def _look(self, index: int) -> bool:
        return all(
            [_label(entry) for entry in self._filters(index, parent)] == [program.label]
            for parent, program in self._hooks()
        )

    def _filters(self, index: int, parent: int) -> list[Any]:
        """Return the filters of a hook, without the empty heads of their priorities."""
        return [
            entry
            for entry in self._fabric.netlink.get_filters(index=index, parent=parent)
            if entry["handle"] or entry["info"] != _SLOT
        ]


def _label(entry: Any) -> str:  # noqa: ANN401 -- pyroute2 has no types
    options = entry.get_attr("TCA_OPTIONS")
    return (options.get_attr("TCA_BPF_NAME") if options else None) or ""
