"""Use cases of public addresses for managers: allocate, put on an interface, take off, give back.

The addresses are floating IPs; what differs is who may, and that taking off and giving back are one
step when that is asked for (rows K1-K6).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from portlight.core.audit import AuditAction
from portlight.core.drafts import Unset
from portlight.core.drafts_routing import FloatingIpDraft
from portlight.core.errors import Blocker, InvalidRequestError
from portlight.core.errors_port import PortNotAttachedError
from portlight.core.errors_routing import FloatingIpInUseError
from portlight.core.errors_vpc import NotOnInterfaceError
from portlight.core.floating_ip import AddressUse, FloatingIp, PortForwarding
from portlight.core.gateways import NatGateway
from portlight.core.instance import Instance
from portlight.core.network import Network, Subnet
from portlight.core.port import OWNER_INSTANCE, OWNER_VIRTUAL_IP, Port
from portlight.core.public_ips import Flows, PublicIpDraft, PublicIpStatus, status_of
from portlight.core.rbac import RbacAction, RbacPolicy, reaches
from portlight.core.router import Router
from portlight.service import audit, floating_ips
from portlight.service.caller import Caller
from portlight.service.collection import Collection, Kind, one_by_one
from portlight.service.policy import check_action
from portlight.service.work import Work, load_own
from portlight.store.protocol import Reading
from portlight.values.ids import FloatingIpId, InstanceId, NetworkId, PortId

USUAL_NETWORK = "public"
RELEASED_AT_ONCE = 100
"""Idle addresses given back in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicIpDetails:
    """What an address is on."""

    status: PublicIpStatus
    port: Port | None = None
    device_name: str = ""
    device_type: str = ""
    subnet: Subnet | None = None
    router: Router | None = None


def create(work: Work, draft: PublicIpDraft) -> FloatingIp:
    """Take an address."""
    check_action(work.caller, "create_public_ip")
    network_id = draft.network_id
    if isinstance(network_id, Unset):
        network_id = _usual_network(work)
    return floating_ips.create(
        work,
        FloatingIpDraft(
            project_id=draft.project_id,
            name=draft.name,
            description=draft.description,
            tags=draft.tags,
            floating_network_id=network_id,
            address=draft.address,
            label=draft.label,
            delete_protection=draft.delete_protection,
        ),
    )


def update(
    work: Work, public_ip_id: FloatingIpId, draft: PublicIpDraft, if_revision: int | None
) -> FloatingIp:
    """Change what is written about an address."""
    one = load_own(work, FloatingIp, public_ip_id, "update_public_ip")
    for field, asked, present in (
        ("network_id", draft.network_id, one.floating_network_id),
        ("address", draft.address, one.address),
        ("project_id", draft.project_id, one.meta.project_id),
    ):
        if not isinstance(asked, Unset) and asked != present:
            raise InvalidRequestError(field, "it cannot be changed")
    changes = FloatingIpDraft(
        name=draft.name,
        description=draft.description,
        tags=draft.tags,
        label=draft.label,
        delete_protection=draft.delete_protection,
    )
    return floating_ips.update(work, public_ip_id, changes, if_revision)


def delete(work: Work, public_ip_id: FloatingIpId) -> None:
    """Give an address back that leads nowhere."""
    one = load_own(work, FloatingIp, public_ip_id, "delete_public_ip")
    if one.port_id is not None:
        raise FloatingIpInUseError(one.id, [Blocker(kind="Port", id=one.port_id)])
    floating_ips.check_free(work, one)
    floating_ips.delete(work, public_ip_id)


def associate(work: Work, public_ip_id: FloatingIpId, port_id: PortId) -> FloatingIp:
    """Put an address on an interface, in one step also when it is on another one (row H147)."""
    load_own(work, FloatingIp, public_ip_id, "associate_public_ip")
    return floating_ips.update(work, public_ip_id, FloatingIpDraft(port_id=port_id), None)


def allocate_for(work: Work, port_id: PortId, draft: PublicIpDraft) -> FloatingIp:
    """Take an address and put it on an interface, both or neither."""
    made = create(work, draft)
    work.claims.add((FloatingIp, made.meta.project_id))
    return associate(work, made.id, port_id)


def disassociate(
    work: Work, public_ip_id: FloatingIpId, port_id: PortId, flows: Flows, *, release: bool
) -> None:
    """Take an address off an interface; with `release` it is given back at once (row K6)."""
    one = load_own(work, FloatingIp, public_ip_id, "disassociate_public_ip")
    if one.port_id != port_id:
        raise NotOnInterfaceError(public_ip_id, port_id)
    if release:
        check_action(work.caller, "delete_public_ip")
    off = FloatingIpDraft(port_id=None, drains=flows is Flows.DRAIN)
    floating_ips.update(work, public_ip_id, off, None)
    if release:
        floating_ips.delete(work, public_ip_id)


def on_interface(work: Work, port_id: PortId) -> FloatingIpId:
    """Return the address on an interface; raise NotOnInterfaceError when there is none."""
    found = work.tx.find(FloatingIp, {"port_id": [port_id]})
    if not found:
        raise NotOnInterfaceError("", port_id)
    return found[0].id


def check_interface(work: Work, instance_id: InstanceId, port_id: PortId) -> None:
    """Raise PortNotAttachedError when an interface is not one of the instance."""
    load_own(work, Instance, instance_id, "associate_public_ip")
    port = work.tx.get(Port, port_id)
    if port is None or port.device_id != instance_id:
        raise PortNotAttachedError(port_id, instance_id)


def release_idle(work: Work, idle_seconds: float) -> int:
    """Give back what has been idle for so long and is not protected; return how many."""
    released = 0
    for use in work.tx.find(AddressUse, {"idle": ["yes"]}):
        if work.now - use.since < idle_seconds or released == RELEASED_AT_ONCE:
            continue
        one = work.tx.get(FloatingIp, use.floating_ip_id)
        if one is None or one.delete_protection:
            continue
        floating_ips.release(work, one)
        audit.record(
            work,
            AuditAction.PUBLIC_IP_RELEASED,
            ("public_ip", one.id),
            one.meta.project_id,
            detail=f"{one.address} was idle for {(work.now - use.since) / 3600:.1f} hours",
        )
        released += 1
    return released


def details(tx: Reading, found: Sequence[FloatingIp]) -> Mapping[FloatingIpId, PublicIpDetails]:
    """Return what addresses are on, whoever owns that."""
    nats = _by_address(tx, NatGateway, found)
    forwarded = _by_address(tx, PortForwarding, found)
    return {one.id: _detail(tx, one, nats.get(one.id), forwarded.get(one.id)) for one in found}


def _detail(
    tx: Reading, one: FloatingIp, nat: NatGateway | None, forwarding: PortForwarding | None
) -> PublicIpDetails:
    port_id = one.port_id or (nat and nat.port_id) or (forwarding and forwarding.internal_port_id)
    port = tx.get(Port, port_id) if port_id else None
    status = status_of(one, has_nat_gateway=nat is not None)
    if port is None:
        return PublicIpDetails(status=status)
    device_type, device_name = "", ""
    if port.device_owner == OWNER_INSTANCE:
        instance = tx.get(Instance, port.device_id)
        device_type, device_name = "instance", instance.meta.name if instance else ""
    elif nat is not None:
        device_type, device_name = "nat-gateway", nat.meta.name
    elif port.device_owner == OWNER_VIRTUAL_IP:
        device_type, device_name = "virtual-ip", port.meta.name
    router_id = one.router_id or (nat and nat.router_id)
    return PublicIpDetails(
        status=status,
        port=port,
        device_name=device_name,
        device_type=device_type,
        subnet=tx.get(Subnet, port.fixed_ips[0].subnet_id) if port.fixed_ips else None,
        router=tx.get(Router, router_id) if router_id else None,
    )


B = TypeVar("B", NatGateway, PortForwarding)


def _by_address(tx: Reading, kind: type[B], found: Sequence[FloatingIp]) -> dict[FloatingIpId, B]:
    ids = [one.id for one in found]
    users = tx.find(kind, {"floating_ip_id": ids}) if ids else []
    return {user.floating_ip_id: user for user in users}


def _usual_network(work: Work) -> NetworkId:
    """Return the external network that is meant when none is named."""
    keys = reaches(RbacAction.ACCESS_AS_EXTERNAL, "network", work.caller.project_id)
    ids = sorted({policy.object_id for policy in work.tx.find(RbacPolicy, {"reach": keys})})
    networks = work.tx.find(Network, {"id": ids}) if ids else []
    named = [one for one in networks if one.meta.name == USUAL_NETWORK]
    chosen = networks if len(networks) == 1 else named
    if len(chosen) != 1:
        raise InvalidRequestError("network_id", f"name one of {len(networks)} external networks")
    return chosen[0].id


class PublicIps(Collection[FloatingIp, FloatingIpId, PublicIpDraft, PublicIpDraft]):
    """Public addresses, and the verbs that put them on interfaces."""

    def associate(
        self,
        caller: Caller,
        identifier: FloatingIpId,
        port_id: PortId,
        instance_id: InstanceId | None = None,
    ) -> FloatingIp:
        """Put an address on an interface (of this instance)."""

        def act(work: Work) -> FloatingIp:
            if instance_id is not None:
                check_interface(work, instance_id, port_id)
            return associate(work, identifier, port_id)

        return self._do.run(caller, act)

    def allocate_for(
        self, caller: Caller, instance_id: InstanceId, port_id: PortId, draft: PublicIpDraft
    ) -> FloatingIp:
        """Take an address and put it on an interface of an instance."""

        def act(work: Work) -> FloatingIp:
            check_interface(work, instance_id, port_id)
            return allocate_for(work, port_id, draft)

        return self._do.run(caller, act)

    def disassociate(
        self,
        caller: Caller,
        identifier: FloatingIpId,
        port_id: PortId,
        flows: Flows = Flows.CUT,
        *,
        release: bool = False,
    ) -> None:
        """Take an address off an interface."""
        self._do.run(
            caller,
            lambda work: disassociate(work, identifier, port_id, flows, release=release),
        )

    def clear(
        self,
        caller: Caller,
        instance_id: InstanceId,
        port_id: PortId,
        flows: Flows = Flows.CUT,
        *,
        release: bool = False,
    ) -> None:
        """Take the address of an interface of an instance off, whichever it is."""

        def act(work: Work) -> None:
            check_interface(work, instance_id, port_id)
            identifier = on_interface(work, port_id)
            disassociate(work, identifier, port_id, flows, release=release)

        self._do.run(caller, act)

    def details(self, found: Sequence[FloatingIp]) -> Mapping[FloatingIpId, PublicIpDetails]:
        """Return what addresses that the caller sees are on."""
        with self._do.read() as tx:
            return details(tx, found)


PUBLIC_IPS: Final[Kind[FloatingIp, FloatingIpId, PublicIpDraft, PublicIpDraft]] = Kind(
    entity=FloatingIp,
    name="public_ip",
    create=one_by_one(create),
    update=update,
    delete=delete,
)
