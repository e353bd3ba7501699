"""The change stream that agents follow."""

from portlight.core.topology import KIND_OF, Entity
from portlight.service.report import Change, ChangeBatch
from portlight.store.protocol import Reading

KEPT_CHANGES = 20_000
"""An agent that is further behind gets a snapshot."""
_KINDS = {name: kind for kind, name in KIND_OF.items()}


def changes_after(tx: Reading, after: int | None) -> ChangeBatch:
    """Return what changed after a sequence number, or everything.

    Several changes of one entity are one, with its present form.
    """
    oldest, newest = tx.sequence_span()
    # A number from the future is one from another database: start anew.
    if after is None or not oldest <= after <= newest:
        return _snapshot(tx, newest)
    touched = dict.fromkeys((change.kind, change.id) for change in tx.changes(after))
    return ChangeBatch(
        sequence=newest,
        snapshot=False,
        changes=tuple(
            Change(kind=kind, id=identifier, entity=tx.get(_KINDS[kind], identifier))
            for kind, identifier in touched
        ),
    )


def _snapshot(tx: Reading, sequence: int) -> ChangeBatch:
    changes = []
    for kind, name in KIND_OF.items():
        entities: list[Entity] = tx.find(kind)
        changes += [Change(kind=name, id=entity.id, entity=entity) for entity in entities]
    return ChangeBatch(sequence=sequence, snapshot=True, changes=tuple(changes))
