"""What a valid instance is, and how it changes. Pure."""

from dataclasses import replace

from portlight.core.changes import Birth, first_meta, given, next_meta
from portlight.core.drafts import InstanceDraft, InterfaceRequest, Unset
from portlight.core.errors import InvalidRequestError
from portlight.core.errors_port import InstanceStoppedError
from portlight.core.instance import Instance, InstanceStatus, PowerState
from portlight.values.ids import HostName, InstanceId

MAX_INTERFACES = 16


def build_instance(draft: InstanceDraft, *, host: HostName, birth: Birth) -> Instance:
    """Return the new instance; its interfaces are ports of their own."""
    if len(draft.interfaces) > MAX_INTERFACES:
        raise InvalidRequestError("interfaces", f"more than {MAX_INTERFACES} of them")
    for request in draft.interfaces:
        check_interface(request)
    return Instance(
        id=InstanceId(birth.id),
        meta=first_meta(draft, birth),
        host=host,
        kind=draft.kind,
        policy_routing=given(draft.policy_routing, default=True),
    )


def check_interface(request: InterfaceRequest) -> None:
    """Raise InvalidRequestError unless it names one port, or a place for a new one."""
    place = request.network_id is not None or request.subnet_id is not None
    if (request.port_id is None) is not place:
        raise InvalidRequestError(
            "interfaces", "each needs either port_id, or network_id or subnet_id"
        )
    chosen = request.address is not None or not isinstance(request.security_groups, Unset)
    if request.port_id is not None and chosen:
        raise InvalidRequestError(
            "interfaces", "address and security groups of an existing port are set on the port"
        )


def change(instance: Instance, draft: InstanceDraft, *, now: float) -> Instance:
    """Return the instance with another name, description or way of routing."""
    return replace(
        instance,
        meta=next_meta(instance.meta, draft, now),
        policy_routing=given(draft.policy_routing, instance.policy_routing),
    )


def start(instance: Instance, *, now: float) -> Instance:
    """Return the instance as running; it is what it was when it runs already."""
    if instance.power_state is PowerState.RUNNING:
        return instance
    return replace(
        instance,
        meta=next_meta(instance.meta, None, now),
        power_state=PowerState.RUNNING,
        status=InstanceStatus.BUILD,
    )


def stop(instance: Instance, *, now: float) -> Instance:
    """Return the instance as stopped; it is what it was when it is stopped already."""
    if instance.power_state is PowerState.STOPPED:
        return instance
    return replace(
        instance, meta=next_meta(instance.meta, None, now), power_state=PowerState.STOPPED
    )


def reboot(instance: Instance, *, now: float) -> Instance:
    """Return the instance with one more boot; raise InstanceStoppedError when it is stopped."""
    if instance.power_state is PowerState.STOPPED:
        raise InstanceStoppedError(instance.id)
    return replace(
        instance,
        meta=next_meta(instance.meta, None, now),
        boot=instance.boot + 1,
        status=InstanceStatus.BUILD,
    )


def renew(instance: Instance, *, now: float) -> Instance:
    """Return the instance with one more request to renew its addresses (row N19)."""
    if instance.power_state is PowerState.STOPPED:
        raise InstanceStoppedError(instance.id)
    return replace(
        instance, meta=next_meta(instance.meta, None, now), renewals=instance.renewals + 1
    )
