"""Signed requests: `SDK-HMAC-SHA256` over method, path, query, some headers and the body.

Pure: a request as values in, nothing or a refusal out. Knows no users.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from portlight.api.vpc_v3.errors import SignatureError

ALGORITHM: Final = "SDK-HMAC-SHA256"
DATE_HEADER: Final = "x-sdk-date"
CONTENT_HASH_HEADER: Final = "x-sdk-content-sha256"
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
MAX_SKEW_SECONDS: Final = 900.0
_NEEDED: Final = frozenset({"host", DATE_HEADER})
_DATE: Final = "%Y%m%dT%H%M%SZ"
_DATE_TEXT: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_AUTHORIZATION: Final = re.compile(
    rf"{ALGORITHM} Access=(?P<access>[^,\s]+), SignedHeaders=(?P<headers>[^,\s]+), "
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """What a signature is made over."""

    method: str
    target: str
    """Path and query exactly as they were sent."""
    headers: Mapping[str, str]
    """By lower-case name, decoded as Latin-1."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What the `Authorization` header says."""

    access: str
    signed_headers: str
    """Names as they came: lower case, sorted, joined by semicolons."""
    signature: str


def read_signature(authorization: str) -> Signature:
    """Read the header; raise SignatureError when it is none of ours."""
    match = _AUTHORIZATION.fullmatch(authorization.strip())
    if match is None:
        raise SignatureError(f"the Authorization header must be of the form {ALGORITHM}.")
    return Signature(
        access=match["access"], signed_headers=match["headers"], signature=match["signature"]
    )


def check_signature(request: SignedRequest, given: Signature, secret: str, now: float) -> None:
    """Raise SignatureError unless this secret has signed this request within the last minutes."""
    names = given.signed_headers.split(";")
    missing = [name for name in names if name not in request.headers] + [
        name for name in sorted(_NEEDED) if name not in names
    ]
    if missing:
        raise SignatureError(f"the signed headers lack {', '.join(missing)}.")
    _check_date(request.headers[DATE_HEADER].strip(), now)
    seen = [canonical_request(request, names, query) for query in _queries(request)]
    if not any(
        hmac.compare_digest(
            sign(one, request.headers[DATE_HEADER].strip(), secret), given.signature
        )
        for one in seen
    ):
        raise SignatureError(f"verify aksk signature fail; the server's request is:\n{seen[0]}")


def canonical_request(request: SignedRequest, names: Sequence[str], query: str) -> str:
    """Return the text that is signed, with this spelling of the query."""
    headers = "".join(f"{name}:{_utf8(request.headers[name]).strip()}\n" for name in names)
    path = _canonical_path(request.target.partition("?")[0])
    return "\n".join(
        (request.method, path, query, headers, ";".join(names), _content_hash(request, names))
    )


def sign(canonical: str, date: str, secret: str) -> str:
    """Return the signature over a canonical request."""
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{ALGORITHM}\n{date}\n{digest}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _queries(request: SignedRequest) -> list[str]:
    """Return the query as it came, and in order: clients sort numbers as such, others as text."""
    raw = request.target.partition("?")[2]
    pairs = sorted(
        (quote(name, safe="~"), quote(value, safe="~"))
        for name, value in parse_qsl(raw, keep_blank_values=True)
    )
    return [raw, "&".join(f"{name}={value}" for name, value in pairs)]


def _canonical_path(raw: str) -> str:
    # decoded as a whole: an escaped slash becomes a real one
    path = "/".join(quote(piece, safe="~") for piece in unquote(raw).split("/"))
    return path if path.endswith("/") else f"{path}/"


def _content_hash(request: SignedRequest, names: Sequence[str]) -> str:
    # a hash that the client names is not believed, and not even its wish unless that is signed
    named = request.headers[CONTENT_HASH_HEADER] if CONTENT_HASH_HEADER in names else ""
    if request.body and named.strip() == UNSIGNED:
        return UNSIGNED
    return hashlib.sha256(request.body).hexdigest()


def _utf8(value: str) -> str:
    """Return a header's value as the client wrote it."""
    return value.encode("latin-1", errors="replace").decode(errors="replace")


def _check_date(text: str, now: float) -> None:
    at = _moment(text)
    if at is None:
        raise SignatureError(f"{DATE_HEADER} must be YYYYMMDDTHHMMSSZ.")
    if abs(now - at) > MAX_SKEW_SECONDS:
        raise SignatureError("verify aksk signature fail, signature expired.")


def _moment(text: str) -> float | None:
    """Return seconds since the epoch; None for what is no moment."""
    try:
        parsed = datetime.strptime(text, _DATE).replace(tzinfo=UTC)
    except ValueError:
        return None
    # strptime takes fewer digits, too
    return parsed.timestamp() if _DATE_TEXT.fullmatch(text) else None
