"""Guessing passwords is slow, and tells nothing."""

# ruff: noqa: S106, S107 -- the passwords of clouds that live for one test

from collections.abc import Callable

import pytest
from tests.support.identities import WORD, Scene, user_ref

from portlight.core.errors import UnauthenticatedError
from portlight.core.errors_identity import TooManyAttemptsError
from portlight.service.identity.logins import CredentialLogin, NoScope, PasswordLogin
from portlight.service.identity.lookup import Reference
from portlight.service.identity.passwords import FREE_FAILURES_PER_ADDRESS, FREE_FAILURES_PER_NAME
from portlight.service.identity.throttle import (
    FORGET_SECONDS,
    LONGEST_SECONDS,
    MAX_KEYS,
    Throttle,
)


def guess(scene: Scene, name: str, password: str = "wrong", address: str = "192.0.2.9") -> str:
    login = PasswordLogin(user=user_ref(name), password=password)
    return outcome(lambda: scene.identity.log_in(login, NoScope.DEFAULT, address=address))


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (UnauthenticatedError, TooManyAttemptsError) as error:
        return str(error)
    return "in"


def test_a_known_and_an_unknown_name_are_answered_alike_all_the_way() -> None:
    scene = Scene()

    answers = [
        [guess(scene, name) for _ in range(FREE_FAILURES_PER_NAME + 3)]
        for name in ("portlight", "nobody")
    ]

    assert answers[0] == answers[1]
    assert "Try again in 1 s" in answers[0][-1]


def test_while_a_name_waits_even_the_right_password_does_not_help_and_later_it_does() -> None:
    scene = Scene()
    for _ in range(FREE_FAILURES_PER_NAME + 1):
        guess(scene, "portlight")

    assert "Too many" in guess(scene, "portlight", WORD)
    scene.world.clock.now += 1
    assert guess(scene, "portlight", WORD) == "in"
    assert "requires authentication" in guess(scene, "portlight"), "counted from the beginning"


def test_calling_a_user_by_name_and_by_id_counts_as_one() -> None:
    scene = Scene()
    user = Reference(id=scene.credentials.user.user_id)
    for _ in range(FREE_FAILURES_PER_NAME + 1):
        outcome(
            lambda: scene.identity.log_in(
                PasswordLogin(user=user, password="wrong"), NoScope.DEFAULT
            )
        )

    assert "Too many" in guess(scene, "portlight", WORD)


def test_an_address_that_tries_many_names_waits_and_others_do_not() -> None:
    scene = Scene()
    for number in range(FREE_FAILURES_PER_ADDRESS + 1):
        guess(scene, f"name-{number}")

    assert "Too many" in guess(scene, "portlight", WORD)
    assert guess(scene, "portlight", WORD, address="192.0.2.10") == "in"


def test_secrets_of_application_credentials_are_guessed_as_slowly() -> None:
    scene = Scene()
    login = CredentialLogin(id="unknown", secret="wrong")

    answers = [
        outcome(lambda: scene.identity.log_in(login, NoScope.DEFAULT))
        for _ in range(FREE_FAILURES_PER_NAME + 2)
    ]

    assert "Too many" in answers[-1]


def wait_of(throttle: Throttle, now: float) -> int:
    try:
        throttle.check("key", now)
    except TooManyAttemptsError as error:
        return error.retry_after_seconds
    return 0


def test_the_wait_grows_up_to_a_limit_and_is_forgotten_in_the_end() -> None:
    throttle, now = Throttle(free=1), 0.0
    waits = []
    for _ in range(9):
        throttle.fail("key", now)
        waits.append(wait_of(throttle, now))
        now += waits[-1]

    assert waits == [0, 1, 2, 4, 8, 16, 32, LONGEST_SECONDS, LONGEST_SECONDS]
    throttle.fail("key", now + FORGET_SECONDS)
    assert wait_of(throttle, now + FORGET_SECONDS) == 0


def test_what_is_remembered_of_failures_is_bounded() -> None:
    throttle = Throttle(free=0)
    for number in range(MAX_KEYS + 1):
        throttle.fail(str(number), 0.0)

    throttle.check("0", 0.0)
    with pytest.raises(TooManyAttemptsError):
        throttle.check("1", 0.0)
