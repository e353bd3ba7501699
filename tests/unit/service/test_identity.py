"""Passwords, tokens, projects and users."""

# ruff: noqa: S106, S107 -- the passwords of clouds that live for one test

from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from tests.support.clouds import World, a_world

from portlight.core.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
)
from portlight.core.identity import TokenRecord, User
from portlight.service.bootstrap import Credentials, bootstrap
from portlight.service.caller import Caller
from portlight.service.identity import TOKEN_SECONDS, Identity

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Scene:
    """A cloud with its first two users."""

    def __init__(self) -> None:
        self.world: World = a_world()
        self.credentials: Credentials = bootstrap(
            self.world.store,
            ids=self.world.ids,
            admin_password="root",
            user_password="word",
            hasher=CHEAP,
        )
        self.identity = Identity(
            store=self.world.store, ids=self.world.ids, clock=self.world.clock, hasher=CHEAP
        )

    def login(self, name: str = "portlight", password: str = "word") -> str:
        return self.identity.authenticate_password(name, "Default", password, None).secret

    def caller(self, name: str = "portlight", password: str = "word") -> Caller:
        return self.identity.authenticate_token(self.login(name, password))[0]


def test_a_password_gives_a_token_and_a_token_tells_who_calls() -> None:
    scene = Scene()

    token = scene.identity.authenticate_password("portlight", "default", "word", "portlight")
    caller, shown = scene.identity.authenticate_token(token.secret)

    assert shown == token
    assert caller.user_name == "portlight"
    assert caller.project_id == scene.credentials.user.project_id
    assert caller.roles == {"manager", "member", "reader"}
    assert not caller.is_admin
    assert token.expires_at == scene.world.clock.now + TOKEN_SECONDS


def test_the_admin_acts_in_both_projects() -> None:
    scene = Scene()

    for project in ("admin", "portlight"):
        token = scene.identity.authenticate_password("admin", "Default", "root", project)
        assert scene.identity.authenticate_token(token.secret)[0].is_admin


@pytest.mark.parametrize(
    ("name", "domain", "password", "project"),
    [
        ("portlight", "Default", "wrong", None),
        ("portlight", "Default", "", None),
        ("nobody", "Default", "word", None),
        ("portlight", "Elsewhere", "word", None),
        ("portlight", "Default", "word", "admin"),
        ("portlight", "Default", "word", "missing"),
    ],
)
def test_every_mismatch_gets_the_same_answer(
    name: str, domain: str, password: str, project: str | None
) -> None:
    scene = Scene()

    with pytest.raises(UnauthenticatedError) as caught:
        scene.identity.authenticate_password(name, domain, password, project)
    assert str(caught.value) == "The request you have made requires authentication."


def test_neither_passwords_nor_tokens_can_be_read_from_the_store() -> None:
    scene = Scene()
    secret = scene.login()

    with scene.world.store.reading() as tx:
        kept = f"{tx.find(User)} {tx.find(TokenRecord)}"

    assert secret not in kept
    assert "'word'" not in kept
    assert "$argon2id$" in kept


def test_a_token_ends_by_time_even_when_it_was_just_used() -> None:
    scene = Scene()
    secret = scene.login()

    scene.world.clock.now += TOKEN_SECONDS - 1
    scene.identity.authenticate_token(secret)
    scene.world.clock.now += 1

    with pytest.raises(UnauthenticatedError):
        scene.identity.authenticate_token(secret)
    scene.identity.forget_expired()
    with scene.world.store.reading() as tx:
        assert tx.find(TokenRecord) == []


def test_a_revoked_or_invented_token_is_refused() -> None:
    scene = Scene()
    secret = scene.login()
    scene.identity.authenticate_token(secret)

    scene.identity.revoke(secret)

    for refused in (secret, "invented", ""):
        with pytest.raises(UnauthenticatedError):
            scene.identity.authenticate_token(refused)


def test_a_token_gives_one_for_another_project_that_lives_no_longer() -> None:
    scene = Scene()
    first = scene.identity.authenticate_password("admin", "Default", "root", "admin")
    scene.world.clock.now += 100

    second = scene.identity.rescope(first.secret, "portlight")

    assert second.project.name == "portlight"
    assert second.expires_at == first.expires_at
    assert second.methods == ("password", "token")


def test_a_disabled_user_has_neither_login_nor_token() -> None:
    scene = Scene()
    secret = scene.login()
    with scene.world.store.writing() as tx:
        (user,) = tx.find(User, {"name": ["portlight"]})
        tx.update(user, replace(user, enabled=False))

    with pytest.raises(UnauthenticatedError):
        scene.login()
    with pytest.raises(UnauthenticatedError):
        scene.identity.authenticate_token(secret)


def test_running_bootstrap_again_keeps_everybody_and_sets_the_passwords() -> None:
    scene = Scene()
    before = scene.credentials

    after = bootstrap(
        scene.world.store,
        ids=scene.world.ids,
        admin_password="root",
        user_password="new",
        hasher=CHEAP,
    )

    assert after.admin == before.admin
    assert after.user == replace(before.user, password="new")
    assert scene.caller(password="new").user_id == before.user.user_id
    with pytest.raises(UnauthenticatedError):
        scene.login()


def test_users_find_themselves_and_their_projects_admins_find_all() -> None:
    scene = Scene()
    user, admin = scene.caller(), scene.caller("admin", "root")

    assert [project.name for project in scene.identity.list_projects(user)] == ["portlight"]
    assert {project.name for project in scene.identity.list_projects(admin)} == {
        "admin",
        "portlight",
    }
    assert [found.name for found in scene.identity.list_users(user)] == ["portlight"]
    assert len(scene.identity.list_users(admin)) == 2
    assert scene.identity.get_project(user, "portlight").id == user.project_id
    with pytest.raises(NotFoundError):
        scene.identity.get_project(user, "admin")
    with pytest.raises(NotFoundError):
        scene.identity.get_user(user, "admin")


def test_an_admin_makes_projects_users_and_roles_and_takes_them_back() -> None:
    scene = Scene()
    admin = scene.caller("admin", "root")
    project = scene.identity.create_project(admin, "second")
    user = scene.identity.create_user(admin, "eve", "pw")

    scene.identity.assign_role(admin, user.id, project.id, "member")
    caller = scene.caller("eve", "pw")
    assert caller.project_name == "second"
    assert caller.roles == {"member"}

    secret = scene.login("eve", "pw")
    scene.identity.unassign_role(admin, user.id, project.id, "member")
    with pytest.raises(UnauthenticatedError):
        scene.identity.authenticate_token(secret)
    with pytest.raises(ConflictError):
        scene.identity.create_project(admin, "second")
    with pytest.raises(NotFoundError):
        scene.identity.assign_role(admin, user.id, project.id, "king")
    with pytest.raises(ForbiddenError):
        scene.identity.create_project(scene.caller(), "third")


def test_a_changed_password_ends_the_tokens_of_the_old_one() -> None:
    scene = Scene()
    secret = scene.login()
    caller = scene.caller()

    scene.identity.set_password(caller, caller.user_id, "fresh")

    assert scene.login(password="fresh")
    with pytest.raises(UnauthenticatedError):
        scene.identity.authenticate_token(secret)
    with pytest.raises(ForbiddenError):
        scene.identity.set_password(caller, scene.credentials.admin.user_id, "mine")
