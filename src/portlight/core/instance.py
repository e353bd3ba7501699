"""Instances: the guests that Portlight itself runs."""

from dataclasses import dataclass
from enum import StrEnum

from portlight.core.meta import Meta
from portlight.values.ids import HostName, InstanceId


class InstanceKind(StrEnum):
    """What an instance is made of."""

    NAMESPACE = "namespace"
    """A network namespace with its own processes and a real DHCP client."""


class PowerState(StrEnum):
    """What the user wants of an instance."""

    RUNNING = "running"
    STOPPED = "stopped"


class InstanceStatus(StrEnum):
    """What the host reports of an instance."""

    BUILD = "BUILD"
    ACTIVE = "ACTIVE"
    STOPPED = "STOPPED"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A guest. Its interfaces are the ports whose `device_id` it is, by `device_index`."""

    id: InstanceId
    meta: Meta
    host: HostName
    kind: InstanceKind = InstanceKind.NAMESPACE
    power_state: PowerState = PowerState.RUNNING
    boot: int = 1
    """Grows by one with every reboot; the host restarts the guest when it changes."""
    renewals: int = 0
    """Grows by one with every request to renew; the guest's DHCP clients renew when it changes."""
    policy_routing: bool = True
    """With several interfaces, each reply leaves by the one its request came in by (row X16)."""
    status: InstanceStatus = InstanceStatus.BUILD
    namespace: str = ""
    """The network namespace, as reported by the host."""
    init_pid: int | None = None
    """Process id of the guest's init on its host, as reported by the host."""
