"""Wires an existing Keystone in the place of our own identity."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from portlight.client.keystone import KeystoneClient, KeystoneError, KnownToken, ServiceUser
from portlight.core.errors_identity import IdentityUnavailableError
from portlight.main.settings import Settings, SettingsError, write_private
from portlight.service.caller import Caller
from portlight.service.identity.foreign import ForeignIdentity, ForeignToken
from portlight.values.ids import ProjectId, UserId

SERVICE_USER = "keystone.json"
_VARIABLES = {
    "username": "PORTLIGHT_KEYSTONE_USERNAME",
    "password": "PORTLIGHT_KEYSTONE_PASSWORD",
    "project": "PORTLIGHT_KEYSTONE_PROJECT",
    "domain": "PORTLIGHT_KEYSTONE_DOMAIN",
}
log = logging.getLogger("portlight.keystone")


def remember_service_user(state: Path, environment: Mapping[str, str]) -> None:
    """Keep the service user of the environment (mode 0600), for starts without it."""
    given = {
        field: environment[name] for field, name in _VARIABLES.items() if environment.get(name)
    }
    if not given:
        return
    missing = [_VARIABLES[field] for field in ("username", "password") if field not in given]
    if missing:
        raise SettingsError(f"the service user for Keystone lacks {', '.join(missing)}")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(state / SERVICE_USER, msgspec.json.encode(given))


def foreign_identity(settings: Settings) -> ForeignIdentity | None:
    """Return the identity of the Keystone in the settings, if one is named."""
    if not settings.keystone:
        return None
    client = KeystoneClient(settings.keystone, _service_user(settings.state / SERVICE_USER))

    def validate(secret: str) -> ForeignToken | None:
        try:
            known = client.validate(secret)
        except KeystoneError as error:
            log.warning("keystone_unavailable error=%s", error)
            raise IdentityUnavailableError from error
        return None if known is None else _foreign(known)

    return ForeignIdentity(url=client.url, validate=validate, clock=time.time)


def _foreign(known: KnownToken) -> ForeignToken:
    caller = Caller(
        user_id=UserId(known.user_id),
        user_name=known.user_name,
        project_id=ProjectId(known.project_id or ""),
        project_name=known.project_name,
        roles=known.roles,
    )
    return ForeignToken(caller=caller, expires_at=known.expires_at)


def _service_user(path: Path) -> ServiceUser | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ServiceUser)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
