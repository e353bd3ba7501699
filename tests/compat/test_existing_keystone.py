"""Tokens of another identity service, here a second server of ours, which speaks Keystone's API."""

from pathlib import Path

import httpx
import pytest
from tests.support.api_server import PASSWORD, api_server
from tests.support.keystone_peer import check_tokens_count, make_users, token_of

from portlight.main.keystone import foreign_identity, remember_service_user
from portlight.main.settings import Settings, SettingsError


@pytest.mark.covers("H138", "H139")
def test_users_tokens_and_roles_of_an_existing_keystone_count(tmp_path: Path) -> None:
    with api_server() as peer:
        keystone = f"{peer.url}/identity/v3"
        make_users(keystone, token_of(keystone, "admin", PASSWORD, "admin"))

        check_tokens_count(keystone, tmp_path, ("admin", PASSWORD, "admin"))

    assert (tmp_path / "keystone.json").stat().st_mode & 0o077 == 0, "it holds a password"


def test_without_a_service_user_each_token_vouches_for_itself(tmp_path: Path) -> None:
    with api_server() as peer:
        foreign = foreign_identity(Settings(state=tmp_path, keystone=f"{peer.url}/identity"))
        token = token_of(f"{peer.url}/identity/v3", "portlight", PASSWORD, "portlight")

        assert foreign is not None
        assert foreign.authenticate_token(token).user_name == "portlight"
        assert token not in repr(foreign.__dict__)


def test_while_the_keystone_is_away_a_new_token_is_answered_with_503(tmp_path: Path) -> None:
    away = foreign_identity(Settings(state=tmp_path, keystone="http://127.0.0.1:1"))
    with api_server(foreign=away) as server:
        answer = httpx.get(
            f"{server.url}/v2.0/networks", headers={"X-Auth-Token": "x"}, trust_env=False
        )

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "127.0.0.1:1" not in answer.text


def test_half_a_service_user_is_refused_and_none_leaves_what_is_kept(tmp_path: Path) -> None:
    remember_service_user(tmp_path, {})
    assert not (tmp_path / "keystone.json").exists()

    with pytest.raises(SettingsError, match="PORTLIGHT_KEYSTONE_PASSWORD"):
        remember_service_user(tmp_path, {"PORTLIGHT_KEYSTONE_USERNAME": "portlight"})
