"""The guests that this host runs."""

import re

from portlight.compiler.view import HostView
from portlight.core.instance import Instance, PowerState
from portlight.plan.host import InstancePlan
from portlight.values.ids import InstanceId

_NO_HOST_NAME = re.compile(r"[^a-z0-9-]+")
_LABEL_LENGTH = 63
"""Of a host name's label (RFC 1035, section 2.3.4)."""


def compile_instances(view: HostView) -> dict[InstanceId, InstancePlan]:
    """Return every instance of this host, running or stopped."""
    return {
        key: InstancePlan(
            hostname=_hostname(instance),
            running=instance.power_state is PowerState.RUNNING,
            boot=instance.boot,
            renewals=instance.renewals,
            policy_routing=instance.policy_routing,
            ports=tuple(port.number for port in view.ports[key]),
        )
        for key, instance in view.instances.items()
    }


def _hostname(instance: Instance) -> str:
    """Return the instance's name as a host name; what has none is called after its id."""
    label = _NO_HOST_NAME.sub("-", instance.meta.name.lower())[:_LABEL_LENGTH].strip("-")
    return label or f"instance-{instance.id[:8]}"
