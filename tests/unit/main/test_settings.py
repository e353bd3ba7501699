"""Settings: precedence, and what is refused before anything starts."""

from pathlib import Path

import pytest

from portlight.main.settings import (
    Settings,
    SettingsError,
    load_settings,
    save_settings,
    write_private,
)


def test_a_flag_wins_over_the_environment_and_that_over_what_was_saved(tmp_path: Path) -> None:
    save_settings(Settings(state=tmp_path, listen="127.0.0.1:1", host="saved", tag="abcd"))
    environment = {"PORTLIGHT_LISTEN": "127.0.0.1:2", "PORTLIGHT_HOST": "environment"}

    both = load_settings(tmp_path, {"listen": "127.0.0.1:3"}, environment)
    neither = load_settings(tmp_path, {}, {})

    assert (both.listen, both.host) == ("127.0.0.1:3", "environment")
    assert (neither.listen, neither.host, neither.tag) == ("127.0.0.1:1", "saved", "abcd")


@pytest.mark.parametrize("listen", ["0.0.0.0:9696", "[::]:9696", "192.0.2.1:80"])
def test_another_listener_than_loopback_needs_tls_or_an_explicit_word(
    tmp_path: Path, listen: str
) -> None:
    with pytest.raises(SettingsError, match="clear text"):
        load_settings(tmp_path, {"listen": listen}, {})

    assert load_settings(tmp_path, {"listen": listen, "insecure": True}, {}).listen == listen


@pytest.mark.parametrize("listen", ["9696", "localhost", "localhost:http", ":9696", "::1:99999"])
def test_a_listener_that_is_no_host_and_port_is_refused(tmp_path: Path, listen: str) -> None:
    with pytest.raises(SettingsError, match="HOST:PORT"):
        load_settings(tmp_path, {"listen": listen}, {})


@pytest.mark.parametrize("pool", ["nonsense", "203.0.113.1/24", "fd00::/64", "203.0.113.0/31"])
def test_a_public_pool_that_gives_no_address_is_refused(tmp_path: Path, pool: str) -> None:
    with pytest.raises(SettingsError, match="--public-pool"):
        load_settings(tmp_path, {"public_pool": pool}, {})


def test_a_public_pool_is_chosen_or_none_and_remembered(tmp_path: Path) -> None:
    chosen = load_settings(tmp_path, {"public_pool": "none"}, {})
    save_settings(chosen)

    assert load_settings(tmp_path, {}, {}).public_pool == "none"
    assert load_settings(tmp_path / "new", {}, {}).public_pool == "203.0.113.0/24"


def test_a_certificate_without_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="belong together"):
        load_settings(tmp_path, {"tls_cert": str(tmp_path / "cert.pem")}, {})


def test_the_url_of_a_listener_on_all_addresses_is_one_a_client_can_use(tmp_path: Path) -> None:
    anywhere = Settings(state=tmp_path, listen="[::]:9696")

    assert anywhere.url == "http://[::1]:9696"


def test_two_state_folders_have_two_tags(tmp_path: Path) -> None:
    tags = {load_settings(tmp_path / name, {}, {}).tag for name in ("one", "two")}

    assert len(tags) == 2
    assert all(len(tag) == 4 for tag in tags)


def test_a_broken_settings_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")

    with pytest.raises(SettingsError, match=r"settings\.json"):
        load_settings(tmp_path, {}, {})


def test_a_secret_file_is_for_its_owner_only(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", b"first")
    write_private(tmp_path / "secret", b"second")

    assert (tmp_path / "secret").read_bytes() == b"second"
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_the_database_and_the_workers_are_remembered(tmp_path: Path) -> None:
    url = "postgresql+psycopg://portlight@/cloud"
    save_settings(load_settings(tmp_path, {"database": url, "workers": 3}, {}))

    again = load_settings(tmp_path, {}, {})

    assert (again.database_url, again.workers) == (url, 3)
    assert (tmp_path / "settings.json").stat().st_mode & 0o077 == 0, "it may hold a password"


def test_without_a_database_there_is_a_file_in_the_state_folder(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {}, {}).database_url == f"sqlite:///{tmp_path}/portlight.db"


@pytest.mark.parametrize(
    ("flags", "named"),
    [({"database": "mysql://host/cloud"}, "--database"), ({"workers": 65}, "--workers")],
)
def test_a_database_or_number_of_workers_that_cannot_be_is_refused(
    tmp_path: Path, flags: dict[str, str | int], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        load_settings(tmp_path, flags, {})
