"""The first external network of a deployment."""

import pytest
from tests.support.clouds import ADMIN, MEMBER, a_world

from portlight.core.errors import ForbiddenError
from portlight.values.addresses import parse_prefix

POOL = parse_prefix("203.0.113.0/24")


def test_it_is_made_once_and_everybody_sees_it() -> None:
    world = a_world()

    world.cloud.ensure_public_network(ADMIN, POOL)
    world.cloud.ensure_public_network(ADMIN, POOL)

    (network,) = world.cloud.networks.find(MEMBER)
    (subnet,) = world.cloud.subnets.find(MEMBER)
    assert network.meta.name == "public"
    assert world.cloud.external_networks([network]) == {network.id}
    assert (subnet.cidr, subnet.enable_dhcp) == (POOL, False)


def test_one_that_was_deleted_does_not_come_back() -> None:
    world = a_world()
    world.cloud.ensure_public_network(ADMIN, POOL)
    (network,) = world.cloud.networks.find(ADMIN)
    world.cloud.networks.delete(ADMIN, network.id)

    world.cloud.ensure_public_network(ADMIN, POOL)

    assert world.cloud.networks.find(ADMIN) == []


def test_it_is_an_administrators_to_make() -> None:
    world = a_world()

    with pytest.raises(ForbiddenError):
        world.cloud.ensure_public_network(MEMBER, POOL)
    world.cloud.ensure_public_network(ADMIN, POOL)

    assert len(world.cloud.networks.find(ADMIN)) == 1
