"""From the topology to the plan of one host.

Total, deterministic and order-free: the same topology gives the same plan whatever the order in
which its entities were made.
"""

from portlight.compiler.bindings import compile_bindings
from portlight.compiler.dhcp import compile_dhcp
from portlight.compiler.instances import compile_instances
from portlight.compiler.links import compile_bridges, compile_links
from portlight.compiler.members import compile_members
from portlight.compiler.memo import Memo
from portlight.compiler.mirrors import compile_mirrors
from portlight.compiler.ports import (
    compile_classifiers,
    compile_port_classifiers,
    compile_ports,
)
from portlight.compiler.routers import compile_routers
from portlight.compiler.shortcuts import compile_shortcuts
from portlight.compiler.view import host_view
from portlight.compiler.virtual_ips import compile_virtual_ips, compile_virtual_macs
from portlight.compiler.ways_out import compile_ways_out
from portlight.core.topology import Topology
from portlight.plan.host import HostPlan
from portlight.values.ids import HostName


def compile_host(topology: Topology, host: HostName, memo: Memo | None = None) -> HostPlan:
    """Return everything that `host` must be.

    A caller that compiles again and again passes the same memo each time; it must never change the
    mappings of a topology that it has passed.
    """
    memo = memo if memo is not None else Memo()
    view = host_view(topology, host, memo)
    classifiers = compile_port_classifiers(view)
    routing = compile_routers(view)
    shortcuts = compile_shortcuts(view, routing)
    mirrors = compile_mirrors(view, compile_ways_out(view, shortcuts, routing))
    plan = HostPlan(
        bridges=compile_bridges(view),
        links=compile_links(view),
        ports=compile_ports(view, classifiers, mirrors.sources.keys()),
        bindings=compile_bindings(view),
        members=compile_members(view),
        classifiers=compile_classifiers(classifiers) | dict(mirrors.classifiers),
        virtual_ips=compile_virtual_ips(view),
        virtual_macs=compile_virtual_macs(view),
        mirror_sources=mirrors.sources,
        mirror_ways=mirrors.ways,
        dhcp=compile_dhcp(view),
        instances=compile_instances(view),
        router_legs=shortcuts.legs,
        shortcuts=shortcuts.shortcuts,
        stations=shortcuts.stations,
        uplinks=routing.uplinks,
        routers=routing.routers,
        router_revisions=routing.revisions,
        peerings=routing.peerings,
        routes=routing.routes,
        public_addresses=routing.addresses,
        floating_ips=routing.floating_ips,
    )
    memo.settle()
    return plan
