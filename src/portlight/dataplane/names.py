"""What every kernel object of one deployment on this host is called.

Pure. The names are how a fresh agent knows an object as ours, so they are never changed: the tag
tells the deployments of one machine apart, the numbers are unique for ever within a deployment.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from portlight.values.ids import InstanceId

_TAG = re.compile(r"[a-z0-9]{4}")
_INSTANCE = re.compile(r"[0-9a-f]+(-[0-9a-f]+)*")
"""Nothing in it leads elsewhere."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE = len(_DIGITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNames:
    """Names and folders of one deployment."""

    tag: str
    """Four of [a-z0-9]."""
    state: Path
    """Folder of what outlives the machine's power."""
    root: Path = Path("/run/portlight")

    def __post_init__(self) -> None:
        if not _TAG.fullmatch(self.tag):
            raise ValueError(f"{self.tag!r} is no tag: four of a-z and 0-9")

    @property
    def fabric(self) -> str:
        """The namespace of all bridges and of the host ends of all links."""
        return f"pl-{self.tag}-fabric"

    @property
    def folder(self) -> Path:
        """Everything of this deployment that lives as long as the machine is up."""
        return self.root / self.tag

    @property
    def bpf_folder(self) -> Path:
        """Where our own bpffs is mounted."""
        return self.folder / "bpf"

    def dhcp(self, network: int) -> str:
        """Return the namespace of a network's DHCP server."""
        return f"pl-{self.tag}-dhcp-{network}"

    def dhcp_folder(self, network: int) -> Path:
        """Return where a DHCP server has its files."""
        return self.folder / "dhcp" / str(network)

    def instance(self, instance: InstanceId) -> str:
        """Return the namespace of an instance."""
        return f"pl-{self.tag}-i-{instance[:8]}"

    def instance_folder(self, instance: InstanceId) -> Path:
        """Return where the host keeps what it knows of an instance."""
        return self.folder / "instances" / instance[:8]

    @property
    def kept_folders(self) -> Path:
        """Where every instance has a folder of what it keeps across restarts."""
        return self.state / "instances"

    def kept_folder(self, instance: InstanceId) -> Path:
        """Return what an instance keeps; its whole id, so that no two ever share one."""
        if not is_instance_id(instance):
            raise ValueError(f"{instance!r} is no id of an instance")
        return self.kept_folders / instance

    def bridge(self, network: int) -> str:
        """Return the link name of a network's bridge."""
        return f"pl{self.tag}n{base36(network)}"

    def port(self, number: int) -> str:
        """Return the link name of the host end of a port."""
        return f"pl{self.tag}p{base36(number)}"

    @property
    def mirror_device(self) -> tuple[str, str, str]:
        """The helper device of mirroring: the upper link, the lower one, and what that leads to."""
        return f"pl{self.tag}m0", f"pl{self.tag}m1", f"pl{self.tag}m2"

    def router(self, number: int) -> str:
        """Return the namespace of a router."""
        return f"pl-{self.tag}-r-{number}"

    def router_of(self, namespace: str) -> int | None:
        """Return the number of a router of ours; None for any other namespace."""
        prefix = f"pl-{self.tag}-r-"
        digits = namespace.removeprefix(prefix)
        return int(digits) if digits != namespace and digits.isdecimal() else None

    def router_folder(self, number: int) -> Path:
        """Return where what runs in a router has its files."""
        return self.folder / "routers" / str(number)

    def uplink(self, network: int) -> str:
        """Return the link name of both ends of a network's uplink."""
        return f"pl{self.tag}x{base36(network)}"

    def uplink_of(self, link: str) -> int | None:
        """Return the network number of an uplink of ours; None for any other link."""
        return self._number(link, "x")

    def network_of(self, link: str) -> int | None:
        """Return the network number of a bridge of ours; None for any other link."""
        return self._number(link, "n")

    def port_of(self, link: str) -> int | None:
        """Return the port number of a host end of ours; None for any other link."""
        return self._number(link, "p")

    def owns_namespace(self, name: str) -> bool:
        """Whether a namespace is one of this deployment."""
        kinds = ("dhcp", "i", "r")
        return name == self.fabric or name.startswith(
            tuple(f"pl-{self.tag}-{kind}-" for kind in kinds)
        )

    def _number(self, link: str, letter: str) -> int | None:
        prefix = f"pl{self.tag}{letter}"
        digits = link.removeprefix(prefix)
        if digits == link or not digits or not set(digits) <= set(_DIGITS):
            return None
        return int(digits, _BASE)


def is_instance_id(text: str) -> bool:
    """Whether a text can be an instance's id, and so the name of a folder of ours."""
    return _INSTANCE.fullmatch(text) is not None


def base36(number: int) -> str:
    """Return a number >= 0 in digits 0-9a-z: 31 bits fit into six of them."""
    digits = ""
    while True:
        number, rest = divmod(number, _BASE)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits
