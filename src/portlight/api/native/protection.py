"""What a security group protects, on the wire: ports, and the instances behind them (row H161)."""

from portlight.api.operation import operation
from portlight.api.schema import TEXT, array, shape
from portlight.api.shell import Call, Reply
from portlight.api.standard import related
from portlight.api.wire import Json
from portlight.core.instance import Instance
from portlight.core.port import Port
from portlight.values.ids import SecurityGroupId

_INSTANCE = shape({"id": TEXT, "name": TEXT})
_PORT = shape(
    {
        "id": TEXT,
        "name": TEXT,
        "network_id": TEXT,
        "device_id": TEXT,
        "ip_addresses": array(TEXT),
    }
)
_PROTECTION = shape(
    {"security_group_id": TEXT, "instances": array(_INSTANCE), "ports": array(_PORT)}
)


@operation(answer=shape({"protection": _PROTECTION}))
def show_protection(call: Call) -> Reply:
    """Show the ports in a group, as far as the caller may see them, and their instances."""
    cloud, caller = call.cloud, call.caller
    group = cloud.security_groups.get(caller, SecurityGroupId(call.path["id"]))
    ports = cloud.ports.find(caller, {"security_group_id": [group.id]})
    devices = sorted({port.device_id for port in ports if port.device_id})
    instances = [
        one for one in related(cloud.instances, caller, "id", devices) if one.id in devices
    ]
    return Reply(
        document={
            "protection": {
                "security_group_id": group.id,
                "instances": [_render_instance(instance) for instance in instances],
                "ports": [_render_port(port) for port in ports],
            }
        }
    )


def _render_instance(instance: Instance) -> Json:
    return {"id": instance.id, "name": instance.meta.name}


def _render_port(port: Port) -> Json:
    return {
        "id": port.id,
        "name": port.meta.name,
        "network_id": port.network_id,
        "device_id": port.device_id,
        "ip_addresses": [str(fixed_ip.address) for fixed_ip in port.fixed_ips],
    }
