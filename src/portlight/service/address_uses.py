"""Who held which public address when: written with every allocation, association and release.

Whoever changes a floating IP says so here, in the same transaction.
"""

from dataclasses import replace

from portlight.core.address_uses import begin_use, is_over, next_use
from portlight.core.floating_ip import AddressUse, FloatingIp
from portlight.service.work import Work
from portlight.values.ids import AddressUseId


def allocated(work: Work, floating_ip: FloatingIp) -> None:
    """Note that a project got the address."""
    work.tx.insert(begin_use(AddressUseId(work.ids.uuid()), floating_ip, work.now))


def noted(work: Work, floating_ip: FloatingIp, *, in_use: bool) -> None:
    """Note whether the address leads somewhere; that it does as before changes nothing."""
    present = _present(work, floating_ip)
    if present is None or present.in_use is in_use:
        return
    following = next_use(present, AddressUseId(work.ids.uuid()), work.now)
    work.tx.update(present, replace(present, until=work.now))
    work.tx.insert(following)


def released(work: Work, floating_ip: FloatingIp) -> None:
    """Note that the project gave the address back."""
    present = _present(work, floating_ip)
    if present is not None:
        work.tx.update(present, replace(present, until=work.now))


def forget_old(work: Work, *, turn: int) -> None:
    """Throw away the records of one project that ended long ago: another project each turn."""
    projects = sorted(work.tx.values(AddressUse, "project_id"))
    if not projects:
        return
    mine = {"project_id": [projects[turn % len(projects)]]}
    for use in work.tx.find(AddressUse, mine):
        if is_over(use, work.now):
            work.tx.delete(use)


def _present(work: Work, floating_ip: FloatingIp) -> AddressUse | None:
    found = work.tx.find(AddressUse, {"held": [floating_ip.id]})
    return found[0] if found else None
