"""Names of kernel objects."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portlight.dataplane.links.values import VethLink, parse_label
from portlight.dataplane.names import HostNames
from portlight.values.addresses import MacAddress
from portlight.values.ids import InstanceId

NAMES = HostNames(tag="ab12", state=Path("/state"))


@given(number=st.integers(1, 2**31 - 1))
def test_the_number_of_a_port_is_read_back_from_its_link(number: int) -> None:
    name = NAMES.port(number)

    assert len(name) <= 15
    assert NAMES.port_of(name) == number
    assert NAMES.network_of(name) is None


@given(number=st.integers(1, 2**24 - 1))
def test_the_number_of_a_network_is_read_back_from_its_bridge(number: int) -> None:
    name = NAMES.bridge(number)

    assert len(name) <= 15
    assert NAMES.network_of(name) == number


@pytest.mark.parametrize("name", ["eth0", "plab12p", "plab13p1", "plab12x1", "plab12p_"])
def test_links_of_others_have_no_number(name: str) -> None:
    assert NAMES.port_of(name) is None
    assert NAMES.network_of(name) is None


def test_namespaces_of_another_deployment_are_not_ours() -> None:
    other = HostNames(tag="zz99", state=Path("/state"))

    assert NAMES.owns_namespace(NAMES.dhcp(3))
    assert not NAMES.owns_namespace(other.instance(InstanceId("12345678-0")))


@pytest.mark.parametrize("tag", ["", "abc", "abcde", "AB12", "a/b1"])
def test_a_bad_tag_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="tag"):
        HostNames(tag=tag, state=Path("/state"))


def test_a_link_is_read_back_from_its_label() -> None:
    link = VethLink(
        network=5, namespace="pl-ab12-i-1", ifname="eth0", mac=MacAddress(0x020000000001), mtu=1450
    )

    assert parse_label(link.label) == link
    assert parse_label("something else") is None


def test_what_two_instances_keep_is_apart_although_their_names_are_alike() -> None:
    one, other = (InstanceId(f"0000beef-0000-4000-8000-00000000000{n}") for n in (1, 2))

    assert NAMES.instance_folder(one) == NAMES.instance_folder(other)
    assert NAMES.kept_folder(one) == Path("/state/instances") / one
    assert NAMES.kept_folder(other) != NAMES.kept_folder(one)


@pytest.mark.parametrize("name", ["", "..", "../x", "/etc", "abc/../..", "-", "a-", "A\n"])
def test_a_name_that_leads_elsewhere_is_no_instance(name: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        NAMES.kept_folder(InstanceId(name))
