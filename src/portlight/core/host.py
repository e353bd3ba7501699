"""Hosts, as the server knows them: by what their agents ask and say."""

from dataclasses import dataclass, replace
from typing import Final

from portlight.core.changes import Described, next_meta
from portlight.core.drafts import UNSET, Unset
from portlight.core.meta import Meta
from portlight.values.ids import HostId, HostName, ProjectId

NOBODY: Final = ProjectId("")
"""Who owns the hosts: no project."""
DOWN_SECONDS: Final = 75.0
"""After this long without a word from its agent a host counts as down (Neutron's default)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine with an agent."""

    id: HostId
    name: HostName
    meta: Meta
    started_at: float
    """When its agent asked for everything, as it does at its start. Seconds since the epoch."""
    heard_at: float
    """When its agent was last heard of, some seconds coarse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDraft:
    """Describe a host. Hosts are made by their agents, so there is nothing else to say."""

    project_id: ProjectId | Unset = UNSET
    name: str | Unset = UNSET
    description: str | Unset = UNSET
    tags: frozenset[str] | Unset = UNSET


def is_alive(host: Host, now: float) -> bool:
    """Whether the agent was heard of lately."""
    return now - host.heard_at <= DOWN_SECONDS


def describe(host: Host, draft: Described, *, now: float) -> Host:
    """Return the host with the description of the draft."""
    return replace(host, meta=next_meta(host.meta, draft, now))
