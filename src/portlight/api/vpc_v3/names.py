"""The face's names of what the domain calls otherwise."""

from collections.abc import Mapping
from typing import Final

QUOTA_NAMES: Final[Mapping[str, str]] = {
    "mirror_filter": "traffic_mirror_filter",
    "mirror_session": "traffic_mirror_session",
    "mirror_session_sources": "traffic_mirror_session_contain_sources",
    "mirror_source_sessions": "traffic_mirror_source_referred_by_session",
    "mirror_target_sessions": "traffic_mirror_target_eni_referred_by_session",
    "mirror_filter_sessions": "traffic_mirror_filter_referred_by_session",
    "mirror_filter_rules": "traffic_mirror_filter_contain_rules_each_direction",
}
"""Resource of a quota to its name on this face."""
BALANCER_SESSIONS: Final = "traffic_mirror_target_elb_referred_by_session"
"""Of one load balancer as target; there are none yet."""
NOT_IN_SERVICE: Final = -1
