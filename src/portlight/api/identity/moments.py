"""Points of time as Keystone's clients write them."""

import re
from datetime import UTC, datetime

from portlight.api.parser import parser, refuse

_MOMENT = (
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?"
)
_MOMENT_TEXT = re.compile(_MOMENT)


@parser({"type": "string", "pattern": f"^{_MOMENT}$"})
def expiry(field: str, raw: object) -> float:
    """Accept an ISO 8601 point of time, UTC when it names no zone; give seconds since the epoch."""
    try:
        spelling = raw if isinstance(raw, str) and _MOMENT_TEXT.fullmatch(raw) else ""
        moment = datetime.fromisoformat(spelling)
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return zoned.timestamp()
    except (ValueError, OverflowError):
        refuse(field, f"'{raw}' is not a point of time as 2026-12-31T23:59:59Z")
