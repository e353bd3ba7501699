"""The helper device of mirroring: an order for copies comes to its ingress.

A macvlan over one end of a veth pair, all three in the fabric. It carries nothing: the program on
each redirects or drops what comes there. Only a super-packet whose segments must be cut goes on
from the macvlan, which makes segments of it for the program on the end below: `lib/segments.h`
says what for, `lib/mirror_job.h` why a device is needed at all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.links.fabric import Fabric, FabricLink
from portlight.dataplane.links.programs import ProgramHooks
from portlight.plan.delta import Delta

MIRROR_DEVICE = "device"
"""The key: there is one on each host that mirrors."""
_LONGEST = 1024
"""Bytes from which on Linux segments super-packets for the macvlan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorDevice:
    """The device; `announced`: the programs know its index."""

    intact: bool = True
    announced: bool = True


class MirrorDeviceDriver:
    """Makes the device when the first port is mirrored, and removes it after the last."""

    def __init__(
        self,
        fabric: Fabric,
        hooks: ProgramHooks,
        *,
        announced: Callable[[], int],
        announce: Callable[[int], None],
    ) -> None:
        """`announced` and `announce` read and write the index that the programs use."""
        self._fabric = fabric
        self._hooks = hooks
        self._announced = announced
        self._announce = announce

    def read(self) -> Mapping[str, MirrorDevice]:
        """Return the device when any of it is there."""
        parts = self._parts()
        if not parts:
            return {}
        intact = _is_complete(parts) and all(
            part.up and self._hooks.attached(part.index) for part in parts
        )
        announced = self._announced() == parts[0].index
        return {MIRROR_DEVICE: MirrorDevice(intact=intact, announced=announced)}

    def apply(self, delta: Delta[str, MirrorDevice]) -> Mapping[str, Exception]:
        """Make or remove it; return the failure by its key."""
        return attempt_delta(delta, put=self._put, remove=self._remove)

    def _put(self, key: str, _wanted: MirrorDevice) -> None:
        parts = self._parts()
        if not _is_complete(parts):
            self._remove(key)
            parts = self._make()
        for part in reversed(parts):
            if not self._hooks.attached(part.index):
                self._hooks.attach(part.index)
            self._fabric.netlink.link("set", index=part.index, state="up")
        self._announce(parts[0].index)

    def _make(self) -> Sequence[FabricLink]:
        upper, lower, far = self._fabric.names.mirror_device
        netlink = self._fabric.netlink
        netlink.link("add", ifname=lower, kind="veth", peer={"ifname": far})
        netlink.link(
            "add",
            ifname=upper,
            kind="macvlan",
            macvlan_mode="private",
            link=self._fabric.links()[lower].index,
            gso_max_size=_LONGEST,
        )
        return self._parts()

    def _remove(self, _key: str) -> None:
        self._announce(0)
        for name in self._fabric.names.mirror_device:
            # One may go with the other.
            there = self._fabric.links().get(name)
            if there is not None:
                self._fabric.netlink.link("del", index=there.index)

    def _parts(self) -> Sequence[FabricLink]:
        """Return what is there of the upper link, the lower one and the far end."""
        links = self._fabric.links()
        return [links[name] for name in self._fabric.names.mirror_device if name in links]


def _is_complete(parts: Sequence[FabricLink]) -> bool:
    return [part.kind for part in parts] == ["macvlan", "veth", "veth"]
