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


Hooks = tuple[tuple[int, LoadedProgram | None], ...]
"""Each hook of a link with its program; None: nothing is there."""


def port_hooks(from_port: LoadedProgram, to_port: LoadedProgram) -> Hooks:
    """Return what every host end of a port carries."""
    return ((_INGRESS, from_port), (_EGRESS, to_port))


def mirror_hooks(mirror: LoadedProgram) -> Hooks:
    """Return what the helper device of mirroring carries."""
    return ((_INGRESS, mirror), (_EGRESS, mirror))


class ProgramHooks:
    """Reads and writes the hooks of links of one kind, and remembers what it has read.

    What was read is trusted until the kernel tells of a change on that link.
    """

    def __init__(self, fabric: Fabric, hooks: Hooks) -> None:
        self._fabric = fabric
        self._hooks = hooks
        self._right: dict[int, object] = {}
        """The edition of a link's filters that was found right."""

    def attached(self, index: int) -> bool:
        """Whether exactly our programs are on the link."""
        edition = self._fabric.filter_edition(index)
        if self._right.get(index) == edition:
            return True
        if not self._look(index):
            self._right.pop(index, None)
            return False
        self._right[index] = edition
        return True

    def attach(self, index: int, *, is_new: bool = False) -> None:
        """Put our programs on the link, in place of whatever is there (nothing if it is new)."""
        netlink = self._fabric.netlink
        try:
            netlink.tc("add", "clsact", index)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise
        for parent, program in self._hooks:
            if program is not None:
                self._put(index, parent, program)
            for other in () if is_new else self._filters(index, parent):
                if program is None or other["info"] != _SLOT:
                    netlink.tc("del-filter", index=index, parent=parent, info=other["info"])

    def _put(self, index: int, parent: int, program: LoadedProgram) -> None:
        self._fabric.netlink.tc(
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

    def _look(self, index: int) -> bool:
        return all(
            [_label(entry) for entry in self._filters(index, parent)]
            == ([program.label] if program is not None else [])
            for parent, program in self._hooks
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
