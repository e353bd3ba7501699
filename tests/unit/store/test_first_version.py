"""A database of the first version, filled through that version's own API, is ours to go on with.

`first_version.sql` is what it had written: the two first users, an office network with both
families, groups, ports, a virtual IP with a member, an instance, and a network shared with all.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.api_server import RandomIds
from tests.support.clouds import HOST
from tests.support.identities import user_ref
from tests.support.store_checks import assert_whole
from tests.support.stores import first_tables

from portlight.core.drafts import PortDraft
from portlight.core.errors import ConflictError
from portlight.core.port import Port
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.service.identity.logins import NoScope, PasswordLogin
from portlight.store.protocol import Store
from portlight.store.sql import open_store, sqlite_url

ROWS = Path(__file__).with_name("first_version.sql")
PASSWORD = "correct horse"  # noqa: S105 -- of the users in those rows


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    # that version knew only SQLite
    url = sqlite_url(tmp_path / "old.db")
    first_tables(url, ROWS.read_text().splitlines())
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def cloud(store: Store) -> Cloud:
    return Cloud(store=store, ids=RandomIds(), clock=time.time, host=HOST)


def logged_in(cloud: Cloud, name: str) -> Caller:
    login = PasswordLogin(user=user_ref(name), password=PASSWORD)
    return cloud.authenticate_token(cloud.identity.log_in(login, NoScope.DEFAULT).secret)


def addresses_of(port: Port) -> list[str]:
    return [str(one.address) for one in port.fixed_ips]


def test_its_users_find_everything_of_theirs_and_nothing_else(cloud: Cloud, store: Store) -> None:
    me, admin = logged_in(cloud, "portlight"), logged_in(cloud, "admin")

    ports = {port.meta.name: port for port in cloud.ports.find(me)}
    networks = {network.meta.name for network in cloud.networks.find(me)}
    subnets = {subnet.meta.name for subnet in cloud.subnets.find(me)}
    groups = {group.meta.name for group in cloud.security_groups.find(me)}
    (virtual_ip,) = cloud.virtual_ips.find(me)
    (instance,) = cloud.instances.find(me)

    assert admin.is_admin
    assert networks == {"office", "public"}, "what was shared is shared"
    assert subnets == {"office", "office-6", "public"}
    assert groups == {"default", "web"}
    assert addresses_of(ports["a"]) == ["10.7.0.3", "fd00:7::2"]
    assert (ports["a"].meta.tags, ports["a"].device_id) == (frozenset({"blue"}), instance.id)
    assert (addresses_of(ports["b"]), ports["b"].port_security_enabled) == (["10.7.0.50"], False)
    assert addresses_of(ports["c"]) == ["192.0.2.3"]
    assert [member.port_id for member in virtual_ip.members] == [ports["a"].id]
    assert len(cloud.ports.find(admin)) == len(ports) + 1, "and the DHCP port of the public network"
    assert_whole(store)


def test_work_goes_on_in_it(cloud: Cloud, store: Store) -> None:
    me = logged_in(cloud, "portlight")
    ports = {port.meta.name: port for port in cloud.ports.find(me)}

    fresh = cloud.ports.create(me, PortDraft(network_id=ports["a"].network_id))
    renamed = cloud.ports.update(me, ports["c"].id, PortDraft(name="renamed"))
    cloud.ports.delete(me, ports["b"].id)
    with pytest.raises(ConflictError):
        cloud.ports.delete(me, ports["a"].id)

    assert addresses_of(fresh) == ["10.7.0.5", "fd00:7::3"], "the next free ones"
    assert fresh.number > max(port.number for port in ports.values())
    assert renamed.meta.revision_number == ports["c"].meta.revision_number + 1
    assert_whole(store)
