"""What the data path counted for a port, on the wire."""

from portlight.api.shell import Call, Reply
from portlight.api.wire import Json
from portlight.service.report import PortCounters
from portlight.values.ids import PortId


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
