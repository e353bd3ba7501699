"""Points of time as Keystone's clients write them."""

from datetime import UTC, datetime

from portlight.api.parser import parser, refuse


@parser({"type": "string", "format": "date-time"})
def expiry(field: str, raw: object) -> float:
    """Accept an ISO 8601 point of time, UTC when it names no zone; give seconds since the epoch."""
    try:
        moment = datetime.fromisoformat(raw if isinstance(raw, str) else "")
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return zoned.timestamp()
    except (ValueError, OverflowError):
        refuse(field, f"'{raw}' is not a point of time as 2026-12-31T23:59:59Z")
