"""How the data plane treats each port of this host, and the classifiers that they point at."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from portlight.compiler.classifiers import compile_classifier
from portlight.compiler.view import HostView
from portlight.core.network import Network
from portlight.core.port import Port
from portlight.core.security_group import Direction
from portlight.plan.classifier import Classifier
from portlight.plan.host import PortPlan
from portlight.values.ids import SecurityGroupId

Classifiers = Mapping[tuple[tuple[SecurityGroupId, ...], Direction], Classifier | None]


def compile_port_classifiers(view: HostView) -> Classifiers:
    """Return a classifier for each distinct set of groups on a port of this host."""
    sets = {port.security_groups for port, _ in view.attached() if port.port_security_enabled}
    return {
        (groups, direction): compile_classifier(view, groups, direction)
        for groups in sets
        for direction in Direction
    }


def compile_classifiers(classifiers: Classifiers) -> dict[int, Classifier]:
    """Return the classifiers by key: equal ones are one."""
    return {one.key: one for one in classifiers.values() if one is not None}


def compile_ports(
    view: HostView, classifiers: Classifiers, mirrored: AbstractSet[int]
) -> dict[int, PortPlan]:
    """Return the data-plane policy of each port of this host; `mirrored`: numbers of sources."""
    plans = {}
    for port, network in view.attached():
        egress, ingress = _keys(port, classifiers)
        plans[port.number] = view.memo.recall(
            ("port", port.id),
            _port_plan,
            port,
            network,
            (egress, ingress),
            port.number in mirrored,
        )
    return plans


def _keys(port: Port, classifiers: Classifiers) -> tuple[int, int]:
    """Return the classifier keys of a port: 0, which matches nothing, where no rule can match."""
    if not port.port_security_enabled:
        return 0, 0
    egress = classifiers[port.security_groups, Direction.EGRESS]
    ingress = classifiers[port.security_groups, Direction.INGRESS]
    return egress.key if egress else 0, ingress.key if ingress else 0


def _port_plan(
    port: Port,
    network: Network,
    classifiers: tuple[int, int],
    mirrored: bool,  # noqa: FBT001 -- an input to remember by
) -> PortPlan:
    return PortPlan(
        network=network.number,
        scope=network.number,
        mac=port.mac,
        mtu=network.mtu,
        up=port.admin_state_up and network.admin_state_up,
        secured=port.port_security_enabled,
        egress=classifiers[0],
        ingress=classifiers[1],
        checked=port.source_destination_check,
        mirrored=mirrored,
    )
