"""The files by which users and the agent find and open the door: written once, mode 0600."""

import json
import secrets
from pathlib import Path

import msgspec
from argon2 import PasswordHasher

from portlight.core.identity import ADMIN
from portlight.main.settings import Settings, write_private
from portlight.service.bootstrap import ADMIN_NAME, Credentials, Secrets, bootstrap
from portlight.service.caller import Caller
from portlight.service.identity.sealing import Sealer, new_key
from portlight.service.ids import IdSource
from portlight.store.protocol import Store

CREDENTIALS = "credentials.json"
ADMIN_CREDENTIALS = "admin-credentials.json"
CREDENTIAL_KEY = "credential.key"
AGENT_TOKEN = "agent.token"  # noqa: S105 -- the name of a file


class _Known(msgspec.Struct, frozen=True):
    password: str = ""
    access_key: str = ""
    secret_key: str = ""


def ensure_credentials(settings: Settings, store: Store, ids: IdSource) -> Caller:
    """Make users, passwords and the files that name them; what is there stays as it is.

    Return the administrator.
    """
    made = bootstrap(
        store,
        ids=ids,
        admin=_secrets(settings.state / ADMIN_CREDENTIALS),
        user=_secrets(settings.state / CREDENTIALS),
        makers=(credential_sealer(settings.state), PasswordHasher()),
    )
    auth_url = f"{settings.url}/identity/v3"
    for name, login in ((ADMIN_CREDENTIALS, made.admin), (CREDENTIALS, made.user)):
        document = {
            "auth_url": auth_url,
            "endpoint": settings.url,
            "username": login.username,
            "password": login.password,
            "project_id": login.project_id,
            "project_name": login.project_name,
            "access_key": login.access_key,
            "secret_key": login.secret_key,
        }
        write_private(settings.state / name, json.dumps(document, indent=2).encode() + b"\n")
    write_private(settings.state / "clouds.yaml", _clouds(auth_url, made).encode())
    write_private(settings.state / "openrc", _openrc(auth_url, made).encode())
    return Caller(
        user_id=made.admin.user_id,
        user_name=made.admin.username,
        project_id=made.admin.project_id,
        project_name=made.admin.project_name,
        roles=frozenset({ADMIN}),
    )


def agent_token(state: Path) -> str:
    """Return the secret between server and agents; made when it is missing."""
    path = state / AGENT_TOKEN
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32).encode() + b"\n")
    return path.read_text().strip()


def credential_sealer(state: Path) -> Sealer:
    """Return the encryption of access keys; its key file is made when it is missing.

    Each line of the file is a key: the first encrypts, all decrypt.
    """
    path = state / CREDENTIAL_KEY
    if not path.exists():
        write_private(path, new_key() + b"\n")
    return Sealer(path.read_bytes().split())


def _secrets(path: Path) -> Secrets:
    """Return what a credentials file says, or a new password."""
    try:
        known = msgspec.json.decode(path.read_bytes(), type=_Known)
    except FileNotFoundError:
        known = _Known()
    return Secrets(
        password=known.password or secrets.token_urlsafe(18),
        is_new=not known.password,
        access_key=known.access_key,
        secret_key=known.secret_key,
    )


def _clouds(auth_url: str, made: Credentials) -> str:
    # JSON strings are YAML strings, so that no password needs a quoting of its own.
    lines = ["clouds:"]
    for cloud, login in (("portlight", made.user), ("portlight-admin", made.admin)):
        lines += [
            f"  {cloud}:",
            "    auth:",
            f"      auth_url: {json.dumps(auth_url)}",
            f"      username: {json.dumps(login.username)}",
            f"      password: {json.dumps(login.password)}",
            f"      project_name: {json.dumps(login.project_name)}",
            "      user_domain_id: default",
            "      project_domain_id: default",
            "    identity_api_version: 3",
            "    region_name: RegionOne",
        ]
    return "\n".join(lines) + "\n"


def _openrc(auth_url: str, made: Credentials) -> str:
    login = made.user
    variables = {
        "OS_AUTH_URL": auth_url,
        "OS_USERNAME": login.username,
        "OS_PASSWORD": login.password,
        "OS_PROJECT_NAME": login.project_name,
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_REGION_NAME": "RegionOne",
    }
    head = f"# The user {login.username}; the administrator {ADMIN_NAME} is in clouds.yaml.\n"
    return head + "".join(f"export {name}='{value}'\n" for name, value in variables.items())
