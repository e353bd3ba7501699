"""The Prometheus text page, and whether we live. Neither asks for a token."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from starlette.routing import Route

from portlight.api.errors import native_body
from portlight.api.operation import operation
from portlight.api.schema import TEXT, shape
from portlight.api.shell import Call, Face, Reply, route
from portlight.core.quotas import QuotaUse
from portlight.core.virtual_ip import VirtualIpState
from portlight.service.cloud import Cloud
from portlight.service.report import Count, MirrorCounters, PortCounters

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One number with its labels."""

    labels: Sequence[tuple[str, str]]
    value: int


def metrics_routes(cloud: Cloud, workers: Executor) -> list[Route]:
    """Return the routes of what a monitoring system asks for."""
    face = Face(cloud=cloud, workers=workers, error_body=native_body, authenticated=False)
    return [route(face, "/metrics", GET=_metrics), route(face, "/healthz", GET=_health)]


def render_metrics(
    counters: Sequence[PortCounters],
    virtual_ips: Sequence[VirtualIpState],
    mirrors: Sequence[MirrorCounters],
    quotas: Sequence[QuotaUse],
) -> str:
    """Render the page."""
    return "".join(
        (
            *_render_quotas(quotas),
            *_render_mirrors(mirrors),
            _render_family(
                "portlight_port_packets_total",
                "counter",
                "Packets let through, by port and direction.",
                (
                    Sample(labels=_way(one, direction), value=count.packets)
                    for one in counters
                    for direction, count in one.allowed.items()
                ),
            ),
            _render_family(
                "portlight_port_drops_total",
                "counter",
                "Packets dropped, by port, direction and reason.",
                (
                    Sample(labels=(*_way(one, direction), ("reason", reason)), value=count.packets)
                    for one in counters
                    for direction, counts in one.dropped.items()
                    for reason, count in counts.items()
                ),
            ),
            _render_family(
                "portlight_virtual_ip_split_brain",
                "gauge",
                "1 while two members claim the virtual IP at once.",
                (
                    Sample(
                        labels=(("virtual_ip", state.virtual_ip_id),),
                        value=int(state.split_brain),
                    )
                    for state in virtual_ips
                ),
            ),
        )
    )


@operation(answer=TEXT, media_type=TEXT_FORMAT)
def _metrics(call: Call) -> Reply:
    """Show counters and alarms for a monitoring system."""
    cloud = call.cloud
    page = render_metrics(
        cloud.all_counters(),
        cloud.all_virtual_ip_states(),
        cloud.all_mirror_counters(),
        cloud.all_quota_uses(),
    )
    return Reply(raw=page.encode(), media_type=TEXT_FORMAT)


@operation(answer=shape({"status": TEXT}))
def _health(_call: Call) -> Reply:
    """Tell that the server lives."""
    return Reply(document={"status": "ok"})


def _render_quotas(quotas: Sequence[QuotaUse]) -> Iterable[str]:
    families = (
        ("portlight_quota_used", "What a project has.", lambda use: use.used),
        ("portlight_quota_limit", "What it may have; -1: any number.", _hard_limit),
        (
            "portlight_quota_warning",
            "1 while a project has reached its soft limit.",
            lambda use: int(use.allowance.warns(use.used)),
        ),
    )
    for name, words, value in families:
        samples = (
            Sample(
                labels=(("project", use.project_id), ("resource", use.resource)), value=value(use)
            )
            for use in quotas
        )
        yield _render_family(name, "gauge", words, samples)


def _render_mirrors(mirrors: Sequence[MirrorCounters]) -> Iterable[str]:
    families: tuple[tuple[str, str, Callable[[Count], int]], ...] = (
        (
            "portlight_mirror_packets_total",
            "Packets that a mirror session chose, by what became of the copy.",
            lambda count: count.packets,
        ),
        (
            "portlight_mirror_bytes_total",
            "Bytes of those copies; of truncated ones, the bytes that were cut.",
            lambda count: count.bytes,
        ),
    )
    for name, words, value in families:
        samples = (
            Sample(
                labels=(
                    ("session", one.session_id),
                    ("port", one.port_id),
                    ("direction", one.direction),
                    ("outcome", outcome),
                ),
                value=value(count),
            )
            for one in mirrors
            for outcome, count in one.outcomes.items()
        )
        yield _render_family(name, "counter", words, samples)


def _hard_limit(use: QuotaUse) -> int:
    return use.allowance.hard


def _way(counters: PortCounters, direction: str) -> tuple[tuple[str, str], ...]:
    return (("port", counters.port_id), ("direction", direction))


def _render_family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
    for sample in samples:
        # ids, directions and reasons hold no character that would need an escape
        labels = ",".join(f'{key}="{value}"' for key, value in sample.labels)
        lines.append(f"{name}{{{labels}}} {sample.value}")
    return "\n".join(lines) + "\n"
