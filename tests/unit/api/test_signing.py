"""Signatures of the VPC v3 dialect: published vectors, and what breaks them."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from portlight.api.vpc_v3.errors import SignatureError
from portlight.api.vpc_v3.signing import (
    Signature,
    SignedRequest,
    canonical_request,
    check_signature,
    read_signature,
    sign,
)

ACCESS = "AKTEST00000000000001"
SECRET = "SKtest0000000000000000000000000000000001"  # noqa: S105 -- of the published vectors
PROJECT = "0123456789abcdef0123456789abcdef"
DATE = "20240115T083000Z"
NOW = datetime(2024, 1, 15, 8, 30, tzinfo=UTC).timestamp()
HEADERS = {
    "content-type": "application/json",
    "host": "127.0.0.1:18080",
    "user-agent": "contract-test/1.0",
    "x-project-id": PROJECT,
    "x-sdk-date": DATE,
}
SESSIONS = f"/v3/{PROJECT}/vpc/traffic-mirror-sessions"
BODY = (
    b'{"traffic_mirror_session": {"name": "mirror-01", "traffic_mirror_filter_id": '
    b'"3f0c9a52-7d1e-4b86-9c2a-0a1b2c3d4e01", "traffic_mirror_sources": '
    b'["3f0c9a52-7d1e-4b86-9c2a-0a1b2c3d4e02"], "traffic_mirror_target_id": '
    b'"3f0c9a52-7d1e-4b86-9c2a-0a1b2c3d4e03", "traffic_mirror_target_type": "eni", "priority": 10}}'
)
POST = SignedRequest(method="POST", target=SESSIONS, headers=HEADERS, body=BODY)
POST_SIGNATURE = "d13bf65123777916ddcddf868f753e04761f65a54e50f90dfc5dbee905c6d7fe"
VECTORS = [
    (
        replace(
            POST, method="GET", body=b"", target=f"{SESSIONS}?enabled=true&limit=2&name=a%20b%2Fc"
        ),
        "5d87c214137f6d9ff61ce75a3f6dd253d9902047490f3ad5267fc9b8c69b18b5",
        "fe03ad28112508e3584273189f453b3bffe3f37d4932db3ca707539b90eede0d",
    ),
    (
        POST,
        "45105d677632fd261c16867a9193332e77e92e1943a5c9beef5687988b275f3a",
        POST_SIGNATURE,
    ),
    (
        replace(
            POST,
            method="GET",
            body=b"",
            target=f"/v3/{PROJECT}/vpc/security-group-rules?enabled=true&priority=2&priority=10",
        ),
        "e992564bc7cf31ea781d759214a3904a400cbbaf9d61f131205aea04ec0131fe",
        "26e74528e122e101f995279f07c8ae04df2d9698748c0b17e689414d2c79d346",
    ),
    (
        SignedRequest(
            method="DELETE",
            target=f"/v3/{PROJECT}/ports/p1/tags/a%2Fb%20c",
            headers={**HEADERS, "x-security-token": "TOKEN123"},
            body=b"",
        ),
        "d728490e97bc304d0f0daaa8841018b98afad500339c22a1fb1729795e2bb68d",
        "b67cf124a33bd31ece7241d794b7e2fe6cacfecc616387ac86b5bb78b5ad177c",
    ),
]


def given(request: SignedRequest, signature: str) -> Signature:
    names = ";".join(sorted(request.headers))
    return read_signature(
        f"SDK-HMAC-SHA256 Access={ACCESS}, SignedHeaders={names}, Signature={signature}"
    )


def signed(request: SignedRequest, query: str = "") -> Signature:
    names = sorted(request.headers)
    return given(request, sign(canonical_request(request, names, query), DATE, SECRET))


@pytest.mark.covers("H132")
@pytest.mark.parametrize(("request_", "digest", "signature"), VECTORS)
def test_the_published_vectors_are_reproduced(
    request_: SignedRequest, digest: str, signature: str
) -> None:
    query = request_.target.partition("?")[2]

    canonical = canonical_request(request_, sorted(request_.headers), query)

    assert hashlib.sha256(canonical.encode()).hexdigest() == digest
    assert sign(canonical, DATE, SECRET) == signature
    check_signature(request_, given(request_, signature), SECRET, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        replace(POST, body=BODY.replace(b"10}", b"11}")),
        replace(POST, headers={**HEADERS, "user-agent": "contract-test/1.1"}),
        replace(POST, headers={**HEADERS, "host": "127.0.0.1:18081"}),
        replace(POST, method="PUT"),
        replace(POST, target=f"{SESSIONS}?limit=1"),
    ],
)
def test_whatever_is_changed_after_signing_is_noticed(changed: SignedRequest) -> None:
    with pytest.raises(SignatureError, match="verify aksk signature fail"):
        check_signature(changed, given(POST, POST_SIGNATURE), SECRET, NOW)


def test_another_secret_does_not_fit() -> None:
    with pytest.raises(SignatureError):
        check_signature(POST, given(POST, POST_SIGNATURE), SECRET + "x", NOW)


@pytest.mark.parametrize(
    ("minutes", "is_good"), [(-14, True), (14, True), (-16, False), (16, False)]
)
def test_a_signature_is_good_for_a_quarter_of_an_hour(minutes: int, *, is_good: bool) -> None:
    moment = NOW + minutes * 60
    if is_good:
        check_signature(POST, given(POST, POST_SIGNATURE), SECRET, moment)
    else:
        with pytest.raises(SignatureError, match="expired"):
            check_signature(POST, given(POST, POST_SIGNATURE), SECRET, moment)


@pytest.mark.parametrize("date", ["2024-01-15T08:30:00Z", "20240115T0830Z", "20241315T083000Z", ""])
def test_a_date_that_is_none_is_refused(date: str) -> None:
    request = replace(POST, headers={**HEADERS, "x-sdk-date": date})

    with pytest.raises(SignatureError, match="YYYYMMDDTHHMMSSZ"):
        check_signature(request, given(request, POST_SIGNATURE), SECRET, NOW)


def test_a_query_may_be_signed_in_the_order_of_text_too() -> None:
    request = replace(POST, method="GET", body=b"", target=f"{SESSIONS}?b=2&a=10&a=1&c")

    check_signature(request, signed(request, "a=1&a=10&b=2&c="), SECRET, NOW)
    with pytest.raises(SignatureError):
        check_signature(request, signed(request, "b=2&a=1&a=10&c="), SECRET, NOW)


@pytest.mark.parametrize("missing", ["host", "x-sdk-date"])
def test_host_and_date_must_be_signed(missing: str) -> None:
    rest = replace(POST, headers={name: HEADERS[name] for name in HEADERS if name != missing})
    names = ";".join(sorted(rest.headers))

    with pytest.raises(SignatureError, match=missing):
        check_signature(
            POST, Signature(access=ACCESS, signed_headers=names, signature="0" * 64), SECRET, NOW
        )


def test_a_hash_that_was_not_signed_does_not_stand_for_another_body() -> None:
    original = hashlib.sha256(BODY).hexdigest()
    forged = replace(POST, body=b"{}", headers={**HEADERS, "x-sdk-content-sha256": original})

    with pytest.raises(SignatureError):
        check_signature(forged, given(POST, POST_SIGNATURE), SECRET, NOW)


def test_a_body_may_be_left_out_if_that_is_signed() -> None:
    unsigned = {**HEADERS, "x-sdk-content-sha256": "UNSIGNED-PAYLOAD"}
    request = replace(POST, headers=unsigned)
    signature = signed(request)

    check_signature(replace(request, body=b"something else"), signature, SECRET, NOW)


def test_the_value_of_a_header_is_signed_as_the_text_that_it_means() -> None:
    wire = "häuser".encode().decode("latin-1")
    request = replace(POST, headers={**HEADERS, "x-note": wire})

    assert "x-note:häuser\n" in canonical_request(request, ["x-note"], "")


@pytest.mark.parametrize(
    "header", ["", "Bearer x", "SDK-HMAC-SHA256 Access=a", "V11-HMAC-SHA256 Credential=a"]
)
def test_an_authorization_of_another_kind_is_refused(header: str) -> None:
    with pytest.raises(SignatureError, match="Authorization"):
        read_signature(header)
