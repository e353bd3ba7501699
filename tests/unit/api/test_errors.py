"""Refusals on the wire."""

import pytest

from portlight.api.errors import (
    ERROR_TABLE,
    RequestError,
    identity_body,
    native_body,
    neutron_body,
    refusal_of,
)
from portlight.core import errors, errors_network, errors_port, errors_security_group
from portlight.core.errors import DomainError, NotFoundError, PreconditionFailedError
from portlight.core.errors_port import PortInUseError
from portlight.values.ids import PortId

MODULES = (errors, errors_network, errors_port, errors_security_group)


def leaves(kind: type[DomainError]) -> list[type[DomainError]]:
    below = kind.__subclasses__()
    return [leaf for one in below for leaf in leaves(one)] if below else [kind]


def test_every_leaf_of_the_domains_refusals_has_its_own_row() -> None:
    missing = [
        leaf.__name__
        for leaf in leaves(DomainError)
        if leaf not in ERROR_TABLE
        and leaf.__module__ in [module.__name__ for module in MODULES]
        and not issubclass(leaf, RequestError)
    ]

    assert missing == []


@pytest.mark.covers("N20", "H73")
def test_a_port_in_use_is_a_conflict_that_names_its_device() -> None:
    refusal = refusal_of(PortInUseError(PortId("p"), "device-7", "compute:portlight"))

    assert (refusal.status, refusal.wire_name) == (409, "PortInUse")
    assert "device-7" in neutron_body(refusal)["NeutronError"]["message"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "wire_name"),
    [
        ("Network", "NetworkNotFound"),
        ("SecurityGroupRule", "SecurityGroupRuleNotFound"),
        ("virtual_ip", "VirtualIpNotFound"),
    ],
)
def test_the_wire_name_of_what_is_missing_comes_from_its_kind(kind: str, wire_name: str) -> None:
    assert refusal_of(NotFoundError(kind, "x")).wire_name == wire_name


def test_a_new_class_has_the_row_of_its_nearest_ancestor() -> None:
    class StaleError(PreconditionFailedError):
        """Not in the table."""

    assert refusal_of(StaleError("x", 3)).status == 412


def test_each_face_dresses_a_refusal_in_its_own_manner() -> None:
    refusal = refusal_of(NotFoundError("Port", "x"))

    assert neutron_body(refusal) == {
        "NeutronError": {
            "type": "PortNotFound",
            "message": "Port x could not be found.",
            "detail": "",
        }
    }
    assert identity_body(refusal) == {
        "error": {"code": 404, "message": "Port x could not be found.", "title": "Not Found"}
    }
    assert native_body(refusal) == {
        "error": {"code": 404, "type": "PortNotFound", "message": "Port x could not be found."}
    }
