"""What sharing and quotas rely on in every store: alternatives of a search, and usages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.support.stores import KINDS, a_url, first_tables

from portlight.core.codec import encode_entity
from portlight.core.meta import Meta
from portlight.core.network import Network
from portlight.core.port import Port
from portlight.core.rbac import RbacAction, RbacPolicy
from portlight.store.protocol import AlreadyExistsError, Chosen, Store, Usage, Window
from portlight.store.sql import open_store, sqlite_url
from portlight.values.addresses import MacAddress
from portlight.values.ids import NetworkId, PortId, ProjectId, RbacPolicyId

MINE = {"project_id": ["p1"]}
LENT = {"id": Chosen(kind=RbacPolicy, key="object_id", where={"target": ["p1", "*"]})}
ON_MINE = {"network_id": Chosen(kind=Network, key="id", where=MINE)}


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(a_url(request.param, tmp_path, request))
    yield opened
    opened.close()


def a_network(number: int, project: str) -> Network:
    meta = Meta(project_id=ProjectId(project), name=f"net-{number}")
    return Network(id=NetworkId(f"n{number}"), number=number, meta=meta)


def a_port(number: int, network: str, project: str) -> Port:
    return Port(
        id=PortId(f"port{number}"),
        number=number,
        network_id=NetworkId(network),
        meta=Meta(project_id=ProjectId(project)),
        mac=MacAddress(0xFA163E000000 + number),
        fixed_ips=(),
        security_groups=(),
    )


def a_policy(number: int, network: str, target: str) -> RbacPolicy:
    return RbacPolicy(
        id=RbacPolicyId(f"r{number}"),
        meta=Meta(project_id=ProjectId("p2")),
        object_type="network",
        object_id=network,
        action=RbacAction.ACCESS_AS_SHARED,
        target=target,
    )


def test_a_search_finds_what_meets_one_of_the_alternatives_once(store: Store) -> None:
    with store.writing() as tx:
        tx.insert(*(a_network(n, "p1" if n in (1, 2) else "p2") for n in range(1, 6)))
        tx.insert(a_policy(1, "n2", "p1"), a_policy(2, "n3", "*"), a_policy(3, "n4", "p3"))

    with store.reading() as tx:
        seen = tx.find(Network, None, [MINE, LENT])
        named = tx.find(Network, {"name": ["net-3", "net-4"]}, [MINE, LENT])
        nothing = tx.find(Network, {"name": []}, [MINE, LENT])

    assert [network.id for network in seen] == ["n1", "n2", "n3"]
    assert [network.id for network in named] == ["n3"]
    assert nothing == []


@pytest.mark.parametrize("descending", [False, True])
def test_pages_of_what_meets_alternatives_make_the_whole_list(
    store: Store,
    descending: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    with store.writing() as tx:
        tx.insert(*(a_network(n, "p1" if n % 2 else "p2") for n in range(1, 10)))
        tx.insert(a_policy(1, "n2", "p1"), a_policy(2, "n3", "*"), a_policy(3, "n4", "*"))

    with store.reading() as tx:
        whole = tx.find(Network, None, [MINE, LENT], Window(descending=descending))
        pages: list[Network] = []
        while page := tx.find(
            Network,
            None,
            [MINE, LENT],
            Window(limit=2, after=pages[-1].id if pages else None, descending=descending),
        ):
            pages += page

    assert pages == whole
    assert len(whole) == 7


def test_a_look_up_follows_the_things_of_another_kind(store: Store) -> None:
    with store.writing() as tx:
        tx.insert(a_network(1, "p1"), a_network(2, "p2"))
        tx.insert(a_port(1, "n1", "p2"), a_port(2, "n2", "p2"), a_port(3, "n2", "p1"))

    with store.reading() as tx:
        seen = tx.find(Port, None, [MINE, ON_MINE])

    assert [port.id for port in seen] == ["port1", "port3"]


def test_what_each_project_has_is_counted_with_what_is_not_yet_kept(store: Store) -> None:
    with store.writing() as tx:
        tx.insert(a_network(1, "p1"), a_network(2, "p1"), a_network(3, "p2"))
        assert tx.used(Network, ProjectId("p1")) == 2
        tx.insert(a_port(1, "n1", "p1"))
        tx.delete(a_network(2, "p1"))
        assert tx.used(Network, ProjectId("p1")) == 1

    with store.reading() as tx:
        assert tx.used(Network, ProjectId("p1")) == 1
        assert tx.used(Network, ProjectId("p3")) == 0
        assert tx.usages(ProjectId("p1")) == [
            Usage(kind=Network, project_id=ProjectId("p1"), used=1),
            Usage(kind=Port, project_id=ProjectId("p1"), used=1),
        ]
        assert {usage.project_id for usage in tx.usages()} == {"p1", "p2"}


def test_what_was_undone_is_not_counted(store: Store) -> None:
    with store.writing() as tx:
        tx.insert(a_network(1, "p1"))
    twin = a_network(1, "p1")

    with pytest.raises(AlreadyExistsError), store.writing() as tx:
        tx.insert(a_network(2, "p1"), twin)

    with store.reading() as moment:
        assert moment.used(Network, ProjectId("p1")) == 1


def test_an_upgrade_shares_what_was_shared_and_counts_what_was_there(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "old.db")
    first_tables(url)
    engine = create_engine(url)
    rows = [
        {"id": "n1", "number": "1", "shared": "yes", "entity": a_network(1, "p1")},
        {"id": "n2", "number": "2", "shared": "no", "entity": a_network(2, "p1")},
    ]
    with engine.begin() as connection:
        port = encode_entity(a_port(1, "n1", "p2")).decode()
        connection.execute(
            text(
                "INSERT INTO ports (id, document, project_id, network_id) "
                "VALUES ('port1', :document, 'p2', 'n1')"
            ),
            {"document": port},
        )
        for row in rows:
            document = encode_entity(row["entity"]).decode()
            # as the older version wrote it: with the field that is a policy now
            document = document.replace(
                '"mtu"', f'"shared":{str(row["shared"] == "yes").lower()},"mtu"'
            )
            connection.execute(
                text(
                    "INSERT INTO networks (id, document, project_id, name, number, shared) "
                    "VALUES (:id, :document, 'p1', '', :number, :shared)"
                ),
                {key: row[key] for key in ("id", "number", "shared")} | {"document": document},
            )
    engine.dispose()

    store = open_store(url)

    with store.reading() as tx:
        (policy,) = tx.find(RbacPolicy)
        assert (policy.object_id, policy.target, policy.meta.project_id) == ("n1", "*", "p1")
        assert tx.find(Network, None, [LENT]) == [a_network(1, "p1")]
        assert tx.used(Network, ProjectId("p1")) == 2
        assert tx.used(RbacPolicy, ProjectId("p1")) == 1
        (foreign,) = tx.find(Port, {"network_owner": ["p1"]})
        assert foreign.network_owner == "p1"
    store.close()
