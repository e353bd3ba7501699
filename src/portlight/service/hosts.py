"""Use cases of hosts: agents make them by asking for their work; administrators describe them."""

import threading
from collections.abc import Sequence
from dataclasses import replace

from portlight.core.errors import InvalidRequestError
from portlight.core.errors_network import HostAliveError
from portlight.core.host import NOBODY, Host, HostDraft, describe, is_alive
from portlight.core.meta import Meta
from portlight.service.work import Work, check_revision, load_own
from portlight.values.ids import HostId, HostName

NOTE_SECONDS = 25.0
"""How old the kept time of a host's last word may get."""


class Attendance:
    """When each host was last noted as heard of, so that not every word is a write. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noted_at: dict[HostName, float] = {}

    def is_due(self, name: HostName, now: float) -> bool:
        """Whether the host is to be noted now; true for one caller only."""
        with self._lock:
            if now - self._noted_at.get(name, -NOTE_SECONDS) < NOTE_SECONDS:
                return False
            self._noted_at[name] = now
            return True


def note(work: Work, name: HostName, *, started: bool) -> None:
    """Keep that a host's agent was heard of; `started`: it asked for everything."""
    found = work.tx.find(Host, {"name": [name]})
    if found:
        host = found[0]
        begun = work.now if started else host.started_at
        work.tx.update(host, replace(host, heard_at=work.now, started_at=begun), logged=False)
        return
    meta = Meta(project_id=NOBODY, created_at=work.now, updated_at=work.now, revision_number=1)
    host_id = HostId(work.ids.uuid())
    work.tx.insert(Host(id=host_id, name=name, meta=meta, started_at=work.now, heard_at=work.now))


def create(_work: Work, _drafts: Sequence[HostDraft]) -> list[Host]:
    """Refuse: an agent makes itself known."""
    raise InvalidRequestError("agent", "an agent is created by starting it, not by the API")


def update(work: Work, host_id: HostId, draft: HostDraft, if_revision: int | None) -> Host:
    """Change a host's description."""
    host = load_own(work, Host, host_id, "update_agent")
    check_revision(host, host_id, if_revision)
    changed = describe(host, draft, now=work.now)
    work.tx.update(host, changed, logged=False)
    return changed


def delete(work: Work, host_id: HostId) -> None:
    """Forget a host that is down; raise HostAliveError otherwise."""
    host = load_own(work, Host, host_id, "delete_agent")
    if is_alive(host, work.now):
        raise HostAliveError(host_id, host.name)
    work.tx.delete(host)
