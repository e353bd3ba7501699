"""Domains, projects, users and roles: who may make them, who sees them, what ends with them."""

from typing import Any

import pytest
from tests.support.identities import ROOT, WORD, Scene, on_project

from portlight.core.drafts import NetworkDraft
from portlight.core.drafts_identity import (
    AccessKeyDraft,
    ApplicationCredentialDraft,
    DomainDraft,
    ProjectDraft,
    RoleDraft,
    UserDraft,
)
from portlight.core.errors import ConflictError, ForbiddenError, InvalidRequestError, NotFoundError
from portlight.core.errors_identity import NameTakenError, ProjectInUseError, ProtectedError
from portlight.core.identity import (
    AccessKey,
    ApplicationCredential,
    RoleAssignment,
    TokenRecord,
)
from portlight.core.quotas import QuotaLimits
from portlight.core.security_group import SecurityGroup, SecurityGroupRule
from portlight.service.identity.grants import Grant


@pytest.mark.covers("H138")
def test_users_find_themselves_and_their_projects_admins_find_all() -> None:
    scene = Scene()
    identity = scene.identity
    user, admin = scene.login(), scene.admin()
    eve = scene.someone("eve", "reader")
    reader = scene.login_of("eve")

    def names(by: object, what: str) -> set[str]:
        return {one.name for one in getattr(identity, what).find(by)}

    assert names(reader, "projects") == {"portlight"}
    assert names(admin, "projects") == {"admin", "portlight"}
    assert names(reader, "users") == {"eve"}
    scene.someone("stranger")
    assert names(user, "users") == {"admin", "eve", "portlight"}, "who is in his project"
    assert names(admin, "users") == {"admin", "eve", "portlight", "stranger"}
    assert identity.users.get(reader, eve.id) == eve
    with pytest.raises(NotFoundError):
        identity.users.get(reader, admin.user.id)
    for foreign in (scene.credentials.admin.project_id, "nowhere"):
        with pytest.raises(ForbiddenError, match="get_project"):
            identity.projects.get(reader, foreign)
    with pytest.raises(ForbiddenError, match="get_project"):
        identity.projects.find(reader, {"name": ["admin"]})


def test_a_manager_finds_a_colleague_by_name_but_cannot_read_the_register() -> None:
    scene = Scene()
    scene.someone("stranger")
    manager = scene.login()

    assert scene.identity.users.find(manager, {"name": ["stranger"]})
    assert "stranger" not in {user.name for user in scene.identity.users.find(manager)}


@pytest.mark.parametrize("name", ["domain", "project", "user", "role"])
def test_only_an_admin_makes_changes_and_deletes_and_the_refusal_names_the_action(
    name: str,
) -> None:
    scene = Scene()
    drafts: dict[str, Any] = {
        "domain": DomainDraft,
        "project": ProjectDraft,
        "user": UserDraft,
        "role": RoleDraft,
    }
    directory, draft = getattr(scene.identity, f"{name}s"), drafts[name](name="new")
    manager, admin = scene.login(), scene.admin()
    made = directory.create(admin, draft)

    with pytest.raises(ForbiddenError, match=f"create_{name}"):
        directory.create(manager, draft)
    with pytest.raises(ForbiddenError, match=f"update_{name}"):
        directory.update(manager, made.id, draft)
    with pytest.raises(ForbiddenError, match=f"delete_{name}"):
        directory.delete(manager, made.id)
    with pytest.raises(NameTakenError, match="new"):
        directory.create(admin, draft)
    with pytest.raises(NotFoundError):
        directory.get(admin, "missing")
    assert directory.update(admin, made.id, drafts[name](description="d")).description == "d"


def test_names_are_taken_in_their_domain_only() -> None:
    scene = Scene()
    admin, identity = scene.admin(), scene.identity
    branch = identity.domains.create(admin, DomainDraft(name="branch"))

    project = identity.projects.create(admin, ProjectDraft(name="admin", domain_id=branch.id))
    user = identity.users.create(admin, UserDraft(name="admin", domain_id=branch.id))

    assert (project.domain_id, user.domain_id) == (branch.id, branch.id)
    with pytest.raises(NameTakenError):
        identity.users.create(admin, UserDraft(name="admin"))
    with pytest.raises(InvalidRequestError):
        identity.projects.update(admin, project.id, ProjectDraft(domain_id=admin.user.domain_id))
    for wrong in (UserDraft(name="x", domain_id=branch.id, password=""), UserDraft(name=" ")):
        with pytest.raises(InvalidRequestError):
            identity.users.create(admin, wrong)


def test_a_user_without_a_password_logs_in_by_no_password() -> None:
    scene = Scene()
    scene.identity.users.create(scene.admin(), UserDraft(name="mute"))

    for password in ("", "mute"):
        with pytest.raises(Exception, match="requires authentication"):
            scene.login("mute", password)


@pytest.mark.covers("H139")
def test_a_role_of_ones_own_allows_nothing_until_the_policy_names_it() -> None:
    scene = Scene()
    admin = scene.admin()
    role = scene.identity.roles.create(admin, RoleDraft(name="auditor"))
    scene.someone("eve", role.id)
    caller = scene.identity.authenticate_token(scene.login_of("eve").secret)

    assert caller.roles == {"auditor"}
    with pytest.raises(ForbiddenError, match="get_network"):
        scene.world.cloud.networks.find(caller)
    scene.identity.roles.delete(admin, role.id)
    with pytest.raises(Exception, match="requires authentication"):
        scene.login_of("eve")


@pytest.mark.parametrize("name", ["admin", "manager", "member", "reader"])
def test_the_roles_of_the_policy_stay_as_they_are(name: str) -> None:
    scene = Scene()
    admin, roles = scene.admin(), scene.identity.roles

    with pytest.raises(ProtectedError):
        roles.update(admin, name, RoleDraft(name="other"))
    with pytest.raises(ProtectedError):
        roles.delete(admin, name)
    with pytest.raises(NameTakenError):
        roles.create(admin, RoleDraft(name=name.upper()))


def test_a_project_that_owns_things_is_not_deleted_and_the_refusal_counts_them() -> None:
    scene = Scene()
    admin, project = scene.admin(), scene.credentials.user.project_id
    caller = scene.identity.authenticate_token(scene.login().secret)
    for name in ("a", "b"):
        scene.world.cloud.networks.create(caller, NetworkDraft(name=name))

    with pytest.raises(ProjectInUseError, match="networks: 2") as caught:
        scene.identity.projects.delete(admin, project)

    assert caught.value.counts == {"networks": 2}
    assert isinstance(caught.value, ConflictError)
    assert len(scene.world.cloud.networks.find(caller)) == 2


def test_a_project_goes_with_its_default_group_roles_credentials_and_tokens() -> None:
    scene = Scene()
    token, project = scene.login(), scene.credentials.user.project_id
    scene.world.cloud.security_groups.find(scene.identity.authenticate_token(token.secret))
    scene.identity.create_application_credential(
        token, token.user.id, ApplicationCredentialDraft(name="robot")
    )

    scene.identity.projects.delete(scene.admin(), project)

    assert not scene.is_valid(token)
    with scene.world.store.reading() as tx:
        for kind in (SecurityGroup, SecurityGroupRule, ApplicationCredential):
            assert tx.find(kind) == []
        for other in (AccessKey, TokenRecord):
            assert tx.find(other, {"project_id": [project]}) == []
        assert tx.find(RoleAssignment, {"target_id": [project]}) == []
        assert tx.get(QuotaLimits, project) is None


def test_a_user_goes_with_roles_credentials_and_tokens() -> None:
    scene = Scene()
    eve = scene.someone("eve", "member")
    token = scene.login_of("eve")
    project = scene.credentials.user.project_id
    scene.identity.create_access_key(token, AccessKeyDraft(user_id=eve.id, project_id=project))

    scene.identity.users.delete(scene.admin(), eve.id)

    assert not scene.is_valid(token)
    with scene.world.store.reading() as tx:
        for kind in (AccessKey, RoleAssignment, TokenRecord):
            assert tx.find(kind, {"user_id": [eve.id]}) == []


def test_the_default_domain_stays_and_another_goes_with_all_that_is_in_it() -> None:
    scene = Scene()
    admin, identity = scene.admin(), scene.identity
    branch = identity.domains.create(admin, DomainDraft(name="branch"))
    project = identity.projects.create(admin, ProjectDraft(name="p", domain_id=branch.id))
    user = identity.users.create(admin, UserDraft(name="u", domain_id=branch.id))
    for grant in (
        Grant(user_id=user.id, role="member", project_id=project.id),
        Grant(user_id=admin.user.id, role="reader", domain_id=branch.id),
    ):
        identity.give_role(admin, grant)

    for refused in (branch.id, "default"):
        with pytest.raises(ProtectedError):
            identity.domains.delete(admin, refused)
    with pytest.raises(ProtectedError):
        identity.domains.update(admin, "default", DomainDraft(enabled=False))
    identity.domains.update(admin, branch.id, DomainDraft(enabled=False))
    identity.domains.delete(admin, branch.id)

    for gone in (
        lambda: identity.domains.get(admin, branch.id),
        lambda: identity.projects.get(admin, project.id),
        lambda: identity.users.get(admin, user.id),
    ):
        with pytest.raises(NotFoundError):
            gone()
    assert len(identity.role_assignments(admin, {"user_id": [admin.user.id]})) == 2


def test_a_manager_gives_and_takes_member_and_reader_in_his_own_project() -> None:
    scene = Scene()
    eve, manager = scene.someone("eve"), scene.login()
    second, own = scene.a_project(), scene.credentials.user.project_id
    identity = scene.identity

    identity.give_role(manager, Grant(user_id=eve.id, role="member", project_id=own))
    assert scene.login_of("eve").roles == {"member", "reader"}, "a member may read"
    named = identity.role_assignments(manager, {"user_id": [eve.id]})
    assert [(one.user and one.user.name, one.assignment.role) for one in named] == [
        ("eve", "member")
    ]
    identity.take_role(manager, Grant(user_id=eve.id, role="member", project_id=own))
    for refused in (
        Grant(user_id=eve.id, role="manager", project_id=own),
        Grant(user_id=eve.id, role="admin", project_id=own),
        Grant(user_id=eve.id, role="member", project_id=second.id),
    ):
        with pytest.raises(ForbiddenError, match="create_grant"):
            identity.give_role(manager, refused)


def test_roles_are_given_only_where_everything_exists() -> None:
    scene = Scene()
    admin, project = scene.admin(), scene.credentials.user.project_id
    user = admin.user.id

    for wrong in (
        Grant(user_id=user, role="king", project_id=project),
        Grant(user_id=type(user)("missing"), role="member", project_id=project),
        Grant(user_id=user, role="member", project_id=type(project)("missing")),
    ):
        with pytest.raises(NotFoundError):
            scene.identity.give_role(admin, wrong)
        with pytest.raises(NotFoundError):
            scene.identity.take_role(admin, wrong)
        with pytest.raises(NotFoundError):
            scene.identity.check_role(admin, wrong)


def test_tags_change_by_what_is_there() -> None:
    scene = Scene()
    admin, project = scene.admin(), scene.a_project()

    for tag in ("red", "blue"):
        scene.identity.retag_project(admin, project.id, lambda tags, tag=tag: tags | {tag})  # type: ignore[misc]

    assert scene.identity.projects.get(admin, project.id).tags == {"red", "blue"}
    with pytest.raises(InvalidRequestError):
        scene.identity.retag_project(admin, project.id, lambda _: frozenset({"a,b"}))
    with pytest.raises(ForbiddenError):
        scene.identity.retag_project(scene.login(), project.id, lambda tags: tags)


def test_the_password_is_checked_for_the_scope_that_is_asked_for() -> None:
    scene = Scene()

    assert scene.login("portlight", WORD, on_project("portlight")).project
    with pytest.raises(Exception, match="requires authentication"):
        scene.login("portlight", ROOT, on_project("portlight"))
