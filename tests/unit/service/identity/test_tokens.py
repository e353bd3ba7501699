"""Logging in, scopes, and when a token ends."""

# ruff: noqa: S106 -- the passwords of clouds that live for one test

from dataclasses import replace

import pytest
from tests.support.identities import ROOT, WORD, Scene, on_project, user_ref

from portlight.core.drafts_identity import DomainDraft, ProjectDraft, UserDraft
from portlight.core.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from portlight.core.errors_identity import NotInScopeError
from portlight.core.identity import DEFAULT_DOMAIN_ID, TokenRecord, User
from portlight.service.identity.grants import Grant
from portlight.service.identity.logins import (
    DomainScope,
    NoScope,
    PasswordLogin,
    Scope,
    TokenLogin,
)
from portlight.service.identity.lookup import Reference
from portlight.service.identity.tokens import TOKEN_SECONDS


def test_a_password_gives_a_token_and_a_token_tells_who_calls() -> None:
    scene = Scene()

    token = scene.login(scope=on_project("portlight"))
    caller = scene.identity.authenticate_token(token.secret)

    assert scene.identity.token_of(token.secret) == token
    assert caller.user_name == "portlight"
    assert caller.project_id == scene.credentials.user.project_id
    assert caller.roles == {"manager", "member", "reader"}
    assert not caller.is_admin
    assert token.expires_at == scene.world.clock.now + TOKEN_SECONDS


def test_a_user_is_named_by_id_as_well() -> None:
    scene = Scene()
    login = PasswordLogin(user=Reference(id=scene.credentials.user.user_id), password=WORD)

    assert scene.identity.log_in(login, NoScope.DEFAULT).user.name == "portlight"


def test_the_admin_acts_in_both_projects() -> None:
    scene = Scene()

    for project in ("admin", "portlight"):
        token = scene.login("admin", ROOT, on_project(project))
        assert scene.identity.authenticate_token(token.secret).is_admin


@pytest.mark.parametrize(
    ("name", "domain", "password", "scope"),
    [
        ("portlight", "Default", "wrong", NoScope.DEFAULT),
        ("portlight", "Default", "", NoScope.DEFAULT),
        ("nobody", "Default", WORD, NoScope.DEFAULT),
        ("portlight", "Elsewhere", WORD, NoScope.DEFAULT),
        ("portlight", "Default", WORD, on_project("admin")),
        ("portlight", "Default", WORD, on_project("missing")),
        ("portlight", "Default", WORD, DomainScope(domain=Reference(name="Default"))),
        ("portlight", "Default", WORD, DomainScope(domain=Reference(id="missing"))),
    ],
)
def test_every_mismatch_gets_the_same_answer(
    name: str, domain: str, password: str, scope: Scope
) -> None:
    scene = Scene()

    with pytest.raises(UnauthenticatedError) as caught:
        scene.identity.log_in(PasswordLogin(user=user_ref(name, domain), password=password), scope)
    assert str(caught.value) == "The request you have made requires authentication."


def test_without_a_scope_the_default_project_is_taken_and_else_none() -> None:
    scene = Scene()
    scene.someone("eve", "member")

    with_default, without = scene.login(), scene.login("eve", "eve")
    explicit = scene.login(scope=NoScope.UNSCOPED)

    assert with_default.project is not None
    assert (without.project, without.held_roles) == (None, ())
    assert (explicit.project, explicit.held_roles) == (None, ())
    with pytest.raises(NotInScopeError, match="no project"):
        scene.identity.authenticate_token(explicit.secret)


def test_a_domain_is_a_scope_for_who_has_a_role_on_it() -> None:
    scene = Scene()
    grant = Grant(
        user_id=scene.credentials.admin.user_id, role="admin", domain_id=DEFAULT_DOMAIN_ID
    )
    scene.identity.give_role(scene.admin(), grant)

    token = scene.login("admin", ROOT, DomainScope(domain=Reference(name="default")))

    assert token.project is None
    assert token.domain is not None
    assert token.is_admin
    assert [domain.id for domain in scene.identity.domains_of(token)] == ["default"]
    with pytest.raises(NotInScopeError):
        scene.identity.authenticate_token(token.secret)


@pytest.mark.covers("H138")
def test_neither_passwords_nor_tokens_can_be_read_from_the_store_or_a_log() -> None:
    scene = Scene()
    token = scene.login()

    with scene.world.store.reading() as tx:
        users, records = tx.find(User), tx.find(TokenRecord)

    assert all(user.password_hash.startswith("$argon2id$") for user in users)
    assert token.secret not in f"{records}"
    draft, login = UserDraft(password="hush"), PasswordLogin(user=user_ref("x"), password="hush")
    for shown in (f"{token} {users}", repr(scene.credentials), repr(draft), repr(login)):
        assert "$argon2id$" not in shown
        for secret in (token.secret, WORD, ROOT, "hush"):
            assert secret not in shown


def test_a_token_ends_by_time_even_when_it_was_just_used() -> None:
    scene = Scene()
    token = scene.login()

    scene.world.clock.now += TOKEN_SECONDS - 1
    scene.identity.token_of(token.secret)
    scene.world.clock.now += 1

    assert not scene.is_valid(token)
    scene.identity.forget_expired()
    with scene.world.store.reading() as tx:
        assert tx.find(TokenRecord) == []


def test_a_revoked_or_invented_token_is_refused() -> None:
    scene = Scene()
    token = scene.login()
    scene.identity.token_of(token.secret)

    scene.identity.revoke(token, token.secret)

    assert not scene.is_valid(token)
    for invented in ("invented", ""):
        assert not scene.is_valid(replace(token, secret=invented))


def test_only_an_admin_looks_at_tokens_of_others() -> None:
    scene = Scene()
    token, admins = scene.login(), scene.admin()

    assert scene.identity.subject(admins, token.secret, "validate_token") == token
    with pytest.raises(ForbiddenError, match="validate_token"):
        scene.identity.subject(token, admins.secret, "validate_token")
    with pytest.raises(ForbiddenError, match="revoke_token"):
        scene.identity.revoke(token, admins.secret)
    with pytest.raises(NotFoundError):
        scene.identity.subject(admins, "nonsense", "validate_token")


def test_a_token_gives_one_for_another_project_that_lives_no_longer() -> None:
    scene = Scene()
    first = scene.login("admin", ROOT, on_project("admin"))
    scene.world.clock.now += 100

    second = scene.identity.log_in(TokenLogin(token=first.secret), on_project("portlight"))

    assert second.project is not None
    assert second.project.name == "portlight"
    assert second.expires_at == first.expires_at
    assert second.methods == ("password", "token")
    assert second.audit_ids[1:] == first.audit_ids


def test_a_changed_password_ends_the_tokens_of_the_old_one() -> None:
    scene = Scene()
    token = scene.login()
    user = token.user.id

    scene.identity.change_password(user, WORD, "fresh", address="")

    assert not scene.is_valid(token)
    assert scene.is_valid(scene.login(password="fresh"))
    with pytest.raises(UnauthenticatedError):
        scene.identity.change_password(user, WORD, "mine", address="")
    with pytest.raises(ForbiddenError, match="update_user"):
        scene.identity.users.update(
            scene.login(password="fresh"),
            scene.credentials.admin.user_id,
            UserDraft(password="mine"),
        )


@pytest.mark.covers("H139")
def test_what_is_disabled_has_no_tokens_and_gets_none_back_when_it_is_enabled() -> None:
    scene = Scene()
    admin = scene.admin()
    identity, project = scene.identity, scene.credentials.user.project_id
    domain = identity.domains.create(admin, DomainDraft(name="branch"))
    user = identity.users.create(admin, UserDraft(name="bea", password="bea", domain_id=domain.id))
    identity.give_role(admin, Grant(user_id=user.id, role="member", project_id=project))

    login = PasswordLogin(user=user_ref("bea", "branch"), password="bea")

    for switch in (
        lambda on: identity.users.update(admin, user.id, UserDraft(enabled=on)),
        lambda on: identity.projects.update(admin, project, ProjectDraft(enabled=on)),
        lambda on: identity.domains.update(admin, domain.id, DomainDraft(enabled=on)),
    ):
        token = identity.log_in(login, on_project("portlight"))
        switch(on=False)
        assert not scene.is_valid(token)
        with pytest.raises(UnauthenticatedError):
            identity.log_in(login, on_project("portlight"))
        switch(on=True)
        assert not scene.is_valid(token)
    assert scene.is_valid(identity.log_in(login, on_project("portlight")))


def test_taking_a_role_away_ends_the_tokens_that_stood_on_it() -> None:
    scene = Scene()
    eve = scene.someone("eve", "member", "reader")
    token, project = scene.login_of("eve"), scene.credentials.user.project_id

    scene.identity.take_role(
        scene.admin(), Grant(user_id=eve.id, role="member", project_id=project)
    )

    assert not scene.is_valid(token)
    assert scene.login_of("eve").roles == {"reader"}


def test_another_server_process_honours_a_revoked_token_for_a_second_at_most() -> None:
    scene = Scene()
    other, token = scene.another_process(), scene.login()
    other.token_of(token.secret)

    scene.identity.revoke(token, token.secret)

    assert other.token_of(token.secret) == token, "remembered"
    scene.world.clock.now += 1
    with pytest.raises(UnauthenticatedError):
        other.token_of(token.secret)
