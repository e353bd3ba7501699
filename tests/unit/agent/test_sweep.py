"""What is applied now and what is tried again later."""

from portlight.agent.sweep import (
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    Failure,
    due,
    note_failures,
    settle,
    still_wanted,
    strayed,
)
from portlight.plan.delta import Delta, delta

BROKEN = RuntimeError("the kernel said no")


def a_delta(
    put: dict[int, str] | None = None, remove: frozenset[int] = frozenset()
) -> Delta[int, str]:
    return Delta(put=put or {}, remove=remove)


def a_failure(retry_at: float, attempts: int = 1) -> Failure:
    return Failure(attempts=attempts, retry_at=retry_at, message="no")


def test_a_failed_key_waits_and_the_others_go_on() -> None:
    change = a_delta({1: "a", 2: "b"}, frozenset({3, 4}))

    ready = due(change, {1: a_failure(10.0), 3: a_failure(10.0)}, now=9.0)

    assert ready == a_delta({2: "b"}, frozenset({4}))


def test_a_failed_key_is_tried_again_when_its_time_has_come() -> None:
    change = a_delta({1: "a"})

    assert due(change, {1: a_failure(10.0)}, now=10.0) == change


def test_each_failure_waits_longer_up_to_a_limit() -> None:
    failures: dict[int, Failure] = {}
    waits = []
    for _ in range(10):
        failures = dict(note_failures(failures, a_delta({1: "a"}), {1: BROKEN}, now=100.0))
        waits.append(failures[1].retry_at - 100.0)

    assert abs(waits[0] - FIRST_RETRY_SECONDS) < 1e-6
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_RETRY_SECONDS


def test_a_success_ends_a_failure() -> None:
    failures = note_failures({1: a_failure(5.0)}, a_delta({1: "a"}), {}, now=6.0)

    assert failures == {}


def test_a_failure_of_another_key_stays() -> None:
    failures = note_failures({1: a_failure(50.0)}, a_delta({2: "b"}), {2: BROKEN}, now=6.0)

    assert set(failures) == {1, 2}


def test_what_was_applied_is_known_to_be_there() -> None:
    known = settle({1: "a", 2: "b"}, a_delta({1: "new", 3: "c"}, frozenset({2})), {})

    assert known == {1: "new", 3: "c"}
    assert not delta(known, known)


def test_of_a_key_that_could_not_be_put_nothing_is_known() -> None:
    known = settle({1: "a"}, a_delta({1: "new"}), {1: BROKEN})

    assert 1 not in known


def test_a_key_that_could_not_be_removed_is_still_there() -> None:
    known = settle({1: "a"}, a_delta(remove=frozenset({1})), {1: BROKEN})

    assert known == {1: "a"}


def test_a_failure_of_what_nobody_wants_any_more_is_forgotten() -> None:
    failures = {1: a_failure(5.0), 2: a_failure(5.0), 3: a_failure(5.0)}

    assert set(still_wanted(failures, {1: "a"}, {2: "b"})) == {1, 2}


def test_what_somebody_else_changed_added_or_removed_is_found() -> None:
    known = {1: "a", 2: "b", 3: "c"}

    assert strayed(known, {1: "a", 2: "other", 4: "d"}) == {2, 3, 4}
