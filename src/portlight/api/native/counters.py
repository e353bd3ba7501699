"""What the data path counted for a port, on the wire."""

from portlight.api.operation import operation
from portlight.api.schema import TEXT, WHOLE, array, one_word, or_null, shape
from portlight.api.shell import Call, Reply
from portlight.api.wire import Json
from portlight.core.security_group import Direction
from portlight.service.report import PortCounters
from portlight.values.ids import PortId

_COUNTER = shape(
    {
        "direction": one_word(*(one.value for one in Direction)),
        "reason": or_null(TEXT),
        "packets": WHOLE,
        "bytes": WHOLE,
    }
)


@operation(answer=shape({"port_counters": shape({"port_id": TEXT, "counters": array(_COUNTER)})}))
def show_counters(call: Call) -> Reply:
    """Show the packets of a port: allowed, and dropped by reason."""
    counters = call.cloud.port_counters(call.caller, PortId(call.path["id"]))
    return Reply(
        document={
            "port_counters": {
                "port_id": counters.port_id,
                "counters": [*_allowed(counters), *_dropped(counters)],
            }
        }
    )


def _allowed(counters: PortCounters) -> list[Json]:
    return [
        {"direction": way, "reason": None, "packets": count.packets, "bytes": count.bytes}
        for way, count in counters.allowed.items()
    ]


def _dropped(counters: PortCounters) -> list[Json]:
    return [
        {"direction": way, "reason": reason, "packets": count.packets, "bytes": count.bytes}
        for way, counts in counters.dropped.items()
        for reason, count in counts.items()
    ]
