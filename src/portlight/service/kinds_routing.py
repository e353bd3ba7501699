"""The kinds of routing and of public addresses, each with its use cases."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from portlight.core.drafts_routing import (
    FloatingIpDraft,
    Hop,
    InterfaceDraft,
    PortForwardingDraft,
    RouterDraft,
)
from portlight.core.floating_ip import FloatingIp, PortForwarding
from portlight.core.router import Router
from portlight.service import extra_routes, floating_ips, port_forwardings, routers
from portlight.service.caller import Caller
from portlight.service.collection import Collection, Kind, one_by_one
from portlight.service.router_interfaces import Interface
from portlight.values.ids import FloatingIpId, PortForwardingId, RouterId

ROUTERS: Final[Kind[Router, RouterId, RouterDraft, RouterDraft]] = Kind(
    entity=Router,
    name="router",
    create=one_by_one(routers.create),
    update=routers.update,
    delete=routers.delete,
)
FLOATING_IPS: Final[Kind[FloatingIp, FloatingIpId, FloatingIpDraft, FloatingIpDraft]] = Kind(
    entity=FloatingIp,
    name="floatingip",
    create=one_by_one(floating_ips.create),
    update=floating_ips.update,
    delete=floating_ips.delete,
)
PORT_FORWARDINGS: Final[
    Kind[PortForwarding, PortForwardingId, PortForwardingDraft, PortForwardingDraft]
] = Kind(
    entity=PortForwarding,
    name="floatingip_port_forwarding",
    create=one_by_one(port_forwardings.create),
    update=port_forwardings.update,
    delete=port_forwardings.delete,
)


class Routers(Collection[Router, RouterId, RouterDraft, RouterDraft]):
    """Routers; interfaces and routes come and go by verbs too."""

    def add_interface(
        self, caller: Caller, identifier: RouterId, draft: InterfaceDraft
    ) -> Interface:
        """Join a router to a subnet."""
        return self._do.run(caller, lambda work: routers.add_interface(work, identifier, draft))

    def remove_interface(
        self, caller: Caller, identifier: RouterId, draft: InterfaceDraft
    ) -> Interface:
        """Take a router out of a subnet."""
        return self._do.run(caller, lambda work: routers.remove_interface(work, identifier, draft))

    def add_routes(self, caller: Caller, identifier: RouterId, hops: Sequence[Hop]) -> Router:
        """Let a router have more routes by address."""
        return self._do.run(caller, lambda work: extra_routes.add(work, identifier, hops))

    def remove_routes(self, caller: Caller, identifier: RouterId, hops: Sequence[Hop]) -> Router:
        """Let a router have fewer of them."""
        return self._do.run(caller, lambda work: extra_routes.remove(work, identifier, hops))

    def details(self, found: Iterable[Router]) -> Mapping[RouterId, routers.RouterDetails]:
        """Return what belongs to routers that the caller sees and is kept elsewhere."""
        with self._do.read() as tx:
            return routers.details(tx, found)


class FloatingIps(Collection[FloatingIp, FloatingIpId, FloatingIpDraft, FloatingIpDraft]):
    """Floating IPs, and what each leads to."""

    def details(
        self, found: Iterable[FloatingIp]
    ) -> Mapping[FloatingIpId, floating_ips.FloatingIpDetails]:
        """Return what belongs to floating IPs that the caller sees and is kept elsewhere."""
        with self._do.read() as tx:
            return floating_ips.details(tx, found)
