"""Who asks."""

from dataclasses import dataclass

from portlight.core.identity import ADMIN
from portlight.values.ids import ProjectId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated user, acting in one project."""

    user_id: UserId
    user_name: str
    project_id: ProjectId
    project_name: str
    roles: frozenset[str]
    """Of admin, manager, member, reader."""

    @property
    def is_admin(self) -> bool:
        """Whether the caller may act on everyone's things."""
        return ADMIN in self.roles
