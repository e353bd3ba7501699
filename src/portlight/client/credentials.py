"""Where the credentials of a terminal come from: a state folder, or the `OS_*` environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from portlight.client.errors import NoCredentialsError

CREDENTIALS_FILE = "credentials.json"
TOKEN_FILE = "token.json"  # noqa: S105 -- the name of a file

_ENVIRONMENT = {
    "auth_url": "OS_AUTH_URL",
    "username": "OS_USERNAME",
    "password": "OS_PASSWORD",
    "project_name": "OS_PROJECT_NAME",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who we are, and where the server is."""

    auth_url: str
    """Ends in `/identity/v3`."""
    username: str
    password: str
    project_name: str
    user_domain: str = "Default"
    endpoint: str = ""
    """Base of the networking and native faces; empty: the catalog says it."""
    token_file: Path | None = None
    """Where the token is kept between runs (mode 0600); None: nowhere."""


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    auth_url: str
    username: str
    password: str
    project_name: str
    endpoint: str = ""


def load_credentials(state: Path) -> Credentials:
    """Read the credentials that `portlight up` wrote into its state folder."""
    path = state / CREDENTIALS_FILE
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
    except FileNotFoundError as error:
        raise NoCredentialsError(
            f"{path} does not exist. Run `portlight up`, or name its folder with --state."
        ) from error
    except (OSError, msgspec.MsgspecError) as error:
        raise NoCredentialsError(f"{path} cannot be read: {error}.") from error
    return Credentials(
        auth_url=stored.auth_url,
        username=stored.username,
        password=stored.password,
        project_name=stored.project_name,
        endpoint=stored.endpoint,
        token_file=state / TOKEN_FILE,
    )


def credentials_of(environment: Mapping[str, str]) -> Credentials:
    """Take the credentials from `OS_*` variables, as the `openstack` command does."""
    missing = [name for name in _ENVIRONMENT.values() if not environment.get(name)]
    if missing:
        raise NoCredentialsError(f"The environment lacks {', '.join(missing)}.")
    return Credentials(
        **{field: environment[name] for field, name in _ENVIRONMENT.items()},  # type: ignore[arg-type]  # every value is text
        user_domain=environment.get("OS_USER_DOMAIN_NAME", "Default"),
    )
