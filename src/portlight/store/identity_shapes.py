"""The shapes of who may come in: domains, projects, users, roles, tokens, keys."""

from collections.abc import Mapping

from portlight.core.identity import (
    AccessKey,
    ApplicationCredential,
    Domain,
    IdentityEpoch,
    Project,
    Role,
    RoleAssignment,
    TokenRecord,
    User,
)
from portlight.store.shape import Key, Shape

_IN_DOMAIN: Mapping[str, Key] = {
    "domain_id": lambda entity: entity.domain_id,
    "name": lambda entity: entity.name,
}

IDENTITY_SHAPES: Mapping[type, Shape] = {
    Domain: Shape(
        table="domains", columns={"name": lambda domain: domain.name}, unique=(("name",),)
    ),
    Project: Shape(table="projects", columns=_IN_DOMAIN, unique=(("domain_id", "name"),)),
    User: Shape(table="users", columns=_IN_DOMAIN, unique=(("domain_id", "name"),)),
    Role: Shape(table="roles", columns={"name": lambda role: role.name}, unique=(("name",),)),
    RoleAssignment: Shape(
        table="role_assignments",
        columns={
            "user_id": lambda assignment: assignment.user_id,
            "target_id": lambda assignment: assignment.project_id or assignment.domain_id,
            "role": lambda assignment: assignment.role,
        },
    ),
    TokenRecord: Shape(
        table="tokens",
        columns={
            "user_id": lambda token: token.user_id,
            "project_id": lambda token: token.project_id,
            "domain_id": lambda token: token.domain_id,
            "application_credential_id": lambda token: token.application_credential_id,
            # Fixed width, so that text compares like the number.
            "expires": lambda token: f"{token.expires_at:017.3f}",
        },
    ),
    ApplicationCredential: Shape(
        table="application_credentials",
        columns={
            "user_id": lambda credential: credential.user_id,
            "project_id": lambda credential: credential.project_id,
            "name": lambda credential: credential.name,
        },
        unique=(("user_id", "name"),),
    ),
    AccessKey: Shape(
        table="access_keys",
        columns={
            "user_id": lambda key: key.user_id,
            "project_id": lambda key: key.project_id,
            "access": lambda key: key.access,
        },
        unique=(("access",),),
    ),
    IdentityEpoch: Shape(table="identity_epochs"),
}
