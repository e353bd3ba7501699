"""The number for the content of a map."""

import os

from portlight.dataplane.bpf.digest import ContentDigest

DIGEST = ContentDigest(20, 260)


def entries(count: int) -> dict[bytes, bytes]:
    return {os.urandom(20): os.urandom(260) for _ in range(count)}


def test_order_and_batches_do_not_matter() -> None:
    some = entries(100)
    backwards = dict(reversed(some.items()))
    halves = dict(list(some.items())[:37]), dict(list(some.items())[37:])

    assert DIGEST.of(backwards) == DIGEST.of(some)
    assert DIGEST.total(*map(DIGEST.of, halves)) == DIGEST.of(some)


def test_a_change_of_one_entry_is_the_difference_of_two_digests() -> None:
    some = entries(10)
    key = next(iter(some))
    changed = some | {key: bytes(260)}

    assert DIGEST.of(changed) != DIGEST.of(some)
    known = DIGEST.total(
        DIGEST.of(some), DIGEST.of({key: bytes(260)}), -DIGEST.of({key: some[key]})
    )
    assert known == DIGEST.of(changed)


def test_two_entries_that_swap_their_values_are_noticed() -> None:
    first, second = entries(2).items()
    swapped = {first[0]: second[1], second[0]: first[1]}

    assert DIGEST.of(swapped) != DIGEST.of(dict((first, second)))
    assert DIGEST.of({}) == 0
