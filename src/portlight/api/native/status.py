"""What the hosts said last: whether they follow, and what they could not put in place."""

from portlight.api.operation import operation
from portlight.api.schema import MOMENT, TEXT, WHOLE, array, shape
from portlight.api.shell import Call, Reply
from portlight.api.wire import Json, moment
from portlight.core.observation import HostState

_ERROR = shape({"object": TEXT, "message": TEXT})
_HOST = shape(
    {"host": TEXT, "reported_at": MOMENT, "applied_sequence": WHOLE, "failures": WHOLE},
    optional={"errors": array(_ERROR)},
)


@operation(answer=shape({"status": shape({"hosts": array(_HOST)})}))
def show_status(call: Call) -> Reply:
    """Show the hosts; what fails on them is for administrators, as it names others' things."""
    with_errors = call.caller.is_admin
    hosts = [_render_host(host, with_errors=with_errors) for host in call.cloud.hosts()]
    return Reply(document={"status": {"hosts": hosts}})


def _render_host(host: HostState, *, with_errors: bool) -> Json:
    errors = [{"object": one.object, "message": one.message} for one in host.errors]
    return {
        "host": host.host,
        "reported_at": moment(host.reported_at),
        "applied_sequence": host.applied_sequence,
        "failures": len(errors),
        **({"errors": errors} if with_errors else {}),
    }
