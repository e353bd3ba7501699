"""The quotas of the caller's project, as far as this face has a name for them."""

from typing import Final

from portlight.api.operation import operation
from portlight.api.schema import WHOLE, shape
from portlight.api.shell import Call, Reply
from portlight.api.vpc_v3.names import BALANCER_SESSIONS, NOT_IN_SERVICE, QUOTA_NAMES
from portlight.api.vpc_v3.resource import answer_schema

OTHERS: Final = {
    "address_group": "address_group",
    "security_group": "security_group",
    "security_group_rule": "security_group_rule",
    "network": "vpc",
    "subnet": "virsubnet",
    "virtual_ip": "vip",
}
"""Further resources of ours with a name on this face."""
_NAMES: Final = {**QUOTA_NAMES, **OTHERS}


@operation(
    answer=answer_schema(quota=shape(dict.fromkeys((*_NAMES.values(), BALANCER_SESSIONS), WHOLE)))
)
def show_quotas(call: Call) -> Reply:
    """Show how much the project may have; -1: any number, or none of that kind at all."""
    uses = call.cloud.quota(call.caller, call.caller.project_id)
    limits = {_NAMES[use.resource]: use.allowance.hard for use in uses if use.resource in _NAMES}
    return Reply(document={"quota": {**limits, BALANCER_SESSIONS: NOT_IN_SERVICE}})
