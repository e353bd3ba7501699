"""The interfaces that are in a security group, as a list of its own."""

from collections.abc import Collection

from portlight.api.errors import BadRequestError
from portlight.api.neutron.ports import PORTS, render_port
from portlight.api.query import member_of
from portlight.api.report import Report
from portlight.api.shell import Call
from portlight.api.wire import Json

_GROUP = "security_group_id"
_SHOWN = (
    "id",
    "name",
    "status",
    "admin_state_up",
    "network_id",
    "tenant_id",
    "project_id",
    "device_owner",
    "device_id",
    "mac_address",
    "fixed_ips",
    "security_groups",
)


def _members(call: Call, _identifiers: Collection[str] | None) -> list[Json]:
    if _GROUP not in call.query:
        raise BadRequestError(f"'{_GROUP}' must be given.")
    ports = call.cloud.ports.find(call.caller, {_GROUP: call.query[_GROUP]})
    rendered = [render_port(port, is_admin=False) for port in ports]
    return [{name: one[name] for name in _SHOWN} for one in rendered]


SECURITY_GROUP_PORTS = Report(
    name="security_group_port",
    plural="security_group_ports",
    path="security-group-ports",
    attributes={name: PORTS.attributes[name].shown for name in _SHOWN},
    read=_members,
    matchers={_GROUP: member_of("security_groups")},
)
