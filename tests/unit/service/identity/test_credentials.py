"""Application credentials, access keys, and the first logins."""

# ruff: noqa: S105, S106 -- the passwords of clouds that live for one test

from dataclasses import replace

import pytest
from tests.support.identities import ROOT, WORD, Scene, on_project, user_ref

from portlight.core.drafts_identity import (
    AccessKeyDraft,
    ApplicationCredentialDraft,
    UserDraft,
)
from portlight.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
)
from portlight.core.errors_identity import KeyDoesNotFitError, NameTakenError, NotInScopeError
from portlight.core.identity import AccessKey
from portlight.service.bootstrap import Secrets
from portlight.service.identity.application_credentials import NewApplicationCredential
from portlight.service.identity.grants import Grant
from portlight.service.identity.logins import CredentialLogin, NoScope, Scope, TokenLogin
from portlight.service.identity.sealing import Sealer, new_key
from portlight.service.identity.token import Token


def a_robot(
    scene: Scene, by: Token, draft: ApplicationCredentialDraft | None = None
) -> NewApplicationCredential:
    wanted = draft or ApplicationCredentialDraft(name="robot")
    return scene.identity.create_application_credential(by, by.user.id, wanted)


def log_in(scene: Scene, robot: NewApplicationCredential, scope: Scope = NoScope.DEFAULT) -> Token:
    login = CredentialLogin(id=robot.credential.id, secret=robot.secret)
    return scene.identity.log_in(login, scope)


@pytest.mark.covers("H139")
def test_a_program_logs_in_with_some_of_the_roles_of_its_user() -> None:
    scene = Scene()
    user = scene.login()

    robot = a_robot(scene, user, ApplicationCredentialDraft(name="robot", roles=("reader",)))
    by_id = log_in(scene, robot)
    by_name = scene.identity.log_in(
        CredentialLogin(name="robot", user=user_ref("portlight"), secret=robot.secret),
        NoScope.DEFAULT,
    )

    assert by_id.roles == by_name.roles == {"reader"}
    assert by_id.methods == ("application_credential",)
    assert by_id.project == user.project
    assert "$argon2id$" in robot.credential.secret_hash
    assert robot.secret not in repr(robot)


def test_a_secret_of_ones_own_is_taken_and_a_wrong_one_refused() -> None:
    scene = Scene()
    robot = a_robot(scene, scene.login(), ApplicationCredentialDraft(name="r", secret="mine"))

    assert robot.secret == "mine"
    assert log_in(scene, robot).user.name == "portlight"
    with pytest.raises(UnauthenticatedError):
        log_in(scene, replace(robot, secret="other"))


def test_roles_that_the_token_lacks_other_users_and_twins_are_refused() -> None:
    scene = Scene()
    user, admin = scene.login(), scene.admin()
    a_robot(scene, user)

    with pytest.raises(InvalidRequestError, match="admin"):
        a_robot(scene, user, ApplicationCredentialDraft(name="x", roles=("admin",)))
    with pytest.raises(NameTakenError):
        a_robot(scene, user)
    with pytest.raises(InvalidRequestError, match="past"):
        a_robot(scene, user, ApplicationCredentialDraft(name="x", expires_at=1.0))
    with pytest.raises(ForbiddenError, match="create_application_credential"):
        scene.identity.create_application_credential(
            admin, user.user.id, ApplicationCredentialDraft(name="x")
        )
    with pytest.raises(NotInScopeError):
        a_robot(scene, scene.login(scope=NoScope.UNSCOPED))


def test_it_ends_with_its_time_its_role_or_its_deletion_and_its_tokens_with_it() -> None:
    scene = Scene()
    user, admin = scene.login(), scene.admin()
    project = scene.credentials.user.project_id
    soon = scene.world.clock.now + 60
    timed = a_robot(scene, user, ApplicationCredentialDraft(name="t", expires_at=soon))
    reader = a_robot(scene, user, ApplicationCredentialDraft(name="r", roles=("reader",)))
    deleted = a_robot(scene, user, ApplicationCredentialDraft(name="d"))
    tokens = [log_in(scene, one) for one in (timed, reader, deleted)]
    assert tokens[0].expires_at == soon

    scene.world.clock.now = soon
    scene.identity.delete_application_credential(admin, user.user.id, deleted.credential.id)
    scene.identity.take_role(admin, Grant(user_id=user.user.id, role="reader", project_id=project))

    for token, robot in zip(tokens, (timed, reader, deleted), strict=True):
        assert not scene.is_valid(token)
        with pytest.raises(UnauthenticatedError):
            log_in(scene, robot)


def test_its_token_stays_in_its_project_and_breeds_no_other_secret_unless_it_is_allowed() -> None:
    scene = Scene()
    admin = scene.login("admin", ROOT, on_project("admin"))
    restricted = log_in(scene, a_robot(scene, admin))
    free = log_in(
        scene, a_robot(scene, admin, ApplicationCredentialDraft(name="f", unrestricted=True))
    )
    key = AccessKeyDraft(user_id=admin.user.id, project_id=scene.credentials.admin.project_id)

    with pytest.raises(ForbiddenError, match="rescope_token"):
        scene.identity.log_in(TokenLogin(token=restricted.secret), on_project("portlight"))
    with pytest.raises(ForbiddenError, match="create_application_credential"):
        a_robot(scene, restricted, ApplicationCredentialDraft(name="child"))
    with pytest.raises(ForbiddenError, match="create_credential"):
        scene.identity.create_access_key(restricted, key)
    assert scene.identity.access_keys(restricted) == []
    a_robot(scene, free, ApplicationCredentialDraft(name="child"))
    made = scene.identity.create_access_key(free, key)
    assert made in scene.identity.access_keys(free)


def test_others_see_no_application_credential() -> None:
    scene = Scene()
    scene.someone("eve", "member")
    user, eve = scene.login(), scene.login_of("eve")
    robot = a_robot(scene, user)

    assert scene.identity.application_credentials(eve, user.user.id) == []
    assert scene.identity.application_credentials(user, user.user.id) == [robot.credential]
    with pytest.raises(NotFoundError):
        scene.identity.get_application_credential(eve, user.user.id, robot.credential.id)


def test_an_access_key_names_its_secret_and_its_caller_and_is_kept_encrypted() -> None:
    scene = Scene()
    user = scene.login()
    project = scene.credentials.user.project_id
    made = scene.identity.create_access_key(
        user, AccessKeyDraft(user_id=user.user.id, project_id=project)
    )

    secret, caller = scene.identity.secret_of_access_key(made.key.access)

    assert secret == made.secret
    assert caller == scene.identity.authenticate_token(user.secret)
    with scene.world.store.reading() as tx:
        assert made.secret not in f"{tx.find(AccessKey)}"
    assert scene.identity.get_access_key(user, made.key.id) == made
    scene.identity.delete_access_key(user, made.key.id)
    with pytest.raises(UnauthenticatedError):
        scene.identity.secret_of_access_key(made.key.access)


def test_an_access_key_stops_with_its_user_and_with_his_role() -> None:
    scene = Scene()
    eve, admin = scene.someone("eve", "member"), scene.admin()
    project = scene.credentials.user.project_id
    draft = AccessKeyDraft(user_id=eve.id, project_id=project)
    access = scene.identity.create_access_key(admin, draft).key.access

    scene.identity.users.update(admin, eve.id, UserDraft(enabled=False))
    with pytest.raises(UnauthenticatedError):
        scene.identity.secret_of_access_key(access)
    scene.identity.users.update(admin, eve.id, UserDraft(enabled=True))
    assert scene.identity.secret_of_access_key(access)
    scene.identity.take_role(admin, Grant(user_id=eve.id, role="member", project_id=project))
    with pytest.raises(UnauthenticatedError):
        scene.identity.secret_of_access_key(access)


def test_access_keys_are_made_for_oneself_where_one_has_a_role() -> None:
    scene = Scene()
    user, admin_login = scene.login(), scene.credentials.admin
    own = scene.credentials.user.project_id

    with pytest.raises(ForbiddenError, match="create_credential"):
        scene.identity.create_access_key(
            user, AccessKeyDraft(user_id=admin_login.user_id, project_id=own)
        )
    with pytest.raises(NotFoundError):
        scene.identity.create_access_key(
            user, AccessKeyDraft(user_id=user.user.id, project_id=admin_login.project_id)
        )
    for one in scene.identity.access_keys(scene.admin()):
        if one.key.user_id != user.user.id:
            with pytest.raises(NotFoundError):
                scene.identity.get_access_key(user, one.key.id)


def test_a_key_of_encryption_can_be_changed_and_a_wrong_one_is_said() -> None:
    old, new = new_key(), new_key()
    sealed = Sealer([old]).seal("secret")

    assert Sealer([new, old]).unseal(sealed) == "secret"
    with pytest.raises(KeyDoesNotFitError):
        Sealer([new]).unseal(sealed)


def test_a_restart_leaves_passwords_roles_and_keys_as_their_users_changed_them() -> None:
    scene = Scene()
    before, user = scene.credentials, scene.login()
    (key,) = scene.identity.access_keys(user)
    scene.identity.delete_access_key(user, key.key.id)
    scene.identity.change_password(user.user.id, WORD, "changed", address="")
    scene.identity.take_role(
        scene.admin(),
        Grant(user_id=user.user.id, role="manager", project_id=before.user.project_id),
    )
    known = [
        Secrets(password=one.password, access_key=one.access_key, secret_key=one.secret_key)
        for one in (before.admin, before.user)
    ]

    after = scene.bootstrap(*known)

    assert after == before
    assert scene.login(password="changed").roles == {"member", "reader"}
    with pytest.raises(UnauthenticatedError):
        scene.identity.secret_of_access_key(before.user.access_key)


def test_a_first_project_that_was_deleted_is_made_again_with_its_user_in_it() -> None:
    scene = Scene()
    scene.identity.projects.delete(scene.admin(), scene.credentials.user.project_id)
    kept = [
        Secrets(password=one.password, access_key=one.access_key, secret_key=one.secret_key)
        for one in (scene.credentials.admin, scene.credentials.user)
    ]

    scene.bootstrap(*kept)

    assert scene.login().roles == {"manager", "member", "reader"}
    assert scene.login("admin", ROOT, on_project("portlight")).is_admin


def test_a_lost_file_brings_its_user_back_with_a_new_password_and_all_roles() -> None:
    scene = Scene()
    admin, user = scene.admin(), scene.credentials.user
    old = scene.login()
    scene.identity.users.update(admin, user.user_id, UserDraft(enabled=False))
    scene.identity.take_role(
        admin, Grant(user_id=user.user_id, role="manager", project_id=user.project_id)
    )

    kept = scene.credentials.admin
    after = scene.bootstrap(
        Secrets(password=ROOT, access_key=kept.access_key, secret_key=kept.secret_key),
        Secrets(password="new", is_new=True),
    )

    assert after.admin == kept
    assert after.user.user_id == user.user_id
    assert scene.login(password="new").roles == {"manager", "member", "reader"}
    assert not scene.is_valid(old)
    assert scene.identity.secret_of_access_key(after.user.access_key)[0] == after.user.secret_key
