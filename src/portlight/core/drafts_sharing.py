"""What a caller asks for about sharing and quotas. See `core/drafts.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from portlight.core.drafts import UNSET, Unset
from portlight.core.rbac import RbacAction
from portlight.values.ids import ProjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class RbacPolicyDraft:
    """Let a project (or everyone) see and use a thing."""

    object_type: str
    object_id: str
    target: str
    action: RbacAction
    project_id: ProjectId | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class RbacPolicyChange:
    """Let another project do so instead."""

    target: str | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaDraft:
    """Set some limits of a project; the others stay."""

    hard: Mapping[str, int] = field(default_factory=dict)
    soft: Mapping[str, int] = field(default_factory=dict)
    force: bool = False
    """Also below what is used."""
