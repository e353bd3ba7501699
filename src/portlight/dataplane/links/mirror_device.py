"""The helper device of mirroring: an order for copies comes to its ingress.

A veth pair in the fabric that carries nothing: the program redirects or drops what comes to its
first end. `lib/mirror_job.h` says why a device is needed at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from portlight.dataplane.attempts import attempt_delta
from portlight.dataplane.links.fabric import Fabric, FabricLink
from portlight.dataplane.links.programs import ProgramHooks
from portlight.plan.delta import Delta

MIRROR_DEVICE = "device"
"""The key: there is one on each host that mirrors."""


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
        """Return the device when it is there."""
        there = self._there()
        if there is None:
            return {}
        intact = there.kind == "veth" and there.up and self._hooks.attached(there.index)
        announced = self._announced() == there.index
        return {MIRROR_DEVICE: MirrorDevice(intact=intact, announced=announced)}

    def apply(self, delta: Delta[str, MirrorDevice]) -> Mapping[str, Exception]:
        """Make or remove it; return the failure by its key."""
        return attempt_delta(delta, put=self._put, remove=self._remove)

    def _put(self, key: str, _wanted: MirrorDevice) -> None:
        there = self._there()
        if there is not None and there.kind != "veth":
            self._remove(key)
            there = None
        if there is None:
            there = self._make()
        if not self._hooks.attached(there.index):
            self._hooks.attach(there.index)
        self._fabric.netlink.link("set", index=there.index, state="up")
        self._announce(there.index)

    def _make(self) -> FabricLink:
        near, far = self._fabric.names.mirror_device
        self._fabric.netlink.link("add", ifname=near, kind="veth", peer={"ifname": far})
        return self._fabric.links()[near]

    def _remove(self, _key: str) -> None:
        self._announce(0)
        there = self._there()
        if there is not None:
            self._fabric.netlink.link("del", index=there.index)

    def _there(self) -> FabricLink | None:
        return self._fabric.links().get(self._fabric.names.mirror_device[0])
