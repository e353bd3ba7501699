"""How ports are called in the domain name system."""

import pytest
from tests.support.builders import a_port

from portlight.core.dns import check_name, names_of
from portlight.core.errors import InvalidRequestError

DOMAIN = "cloud.example."


@pytest.mark.parametrize(
    ("fields", "hostname", "fqdn"),
    [
        ({}, "host-10-0-0-5", "host-10-0-0-5"),
        ({"dns_domain": DOMAIN}, "host-10-0-0-5", f"host-10-0-0-5.{DOMAIN}"),
        ({"dns_name": "db"}, "db", "db"),
        ({"dns_name": "db", "dns_domain": DOMAIN}, "db", f"db.{DOMAIN}"),
        ({"dns_name": f"a.{DOMAIN}", "dns_domain": DOMAIN}, f"a.{DOMAIN}", f"a.{DOMAIN}"),
    ],
)
def test_a_port_is_called_by_its_name_or_its_address_within_the_domain(
    fields: dict[str, str], hostname: str, fqdn: str
) -> None:
    (name,) = names_of(a_port(1, "10.0.0.5", **fields))

    assert (name.hostname, name.fqdn) == (hostname, fqdn)


def test_each_address_has_a_name_and_none_ends_with_a_hyphen() -> None:
    names = names_of(a_port(1, "10.0.0.5", "fd00::"))

    assert [one.hostname for one in names] == ["host-10-0-0-5", "host-fd00--0"]


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("bad_name", ""),
        ("-a", ""),
        ("a..b", ""),
        ("a b", ""),
        ("a\nb", ""),
        ("x" * 64, ""),
        ("a.1", ""),
        ("whole.", ""),
        ("a.elsewhere.example.", DOMAIN),
        (DOMAIN, DOMAIN),
        (".".join(["x" * 60] * 4), DOMAIN),
    ],
)
def test_what_is_no_name_in_the_domain_is_refused(name: str, domain: str) -> None:
    with pytest.raises(InvalidRequestError, match="dns_name"):
        check_name(name, domain)


@pytest.mark.parametrize("name", ["", "db", "DB-1", "a.b", "1", f"db.{DOMAIN}"])
def test_what_is_one_is_taken(name: str) -> None:
    check_name(name, DOMAIN)
