"""The settings of a deployment: flags before environment before what was chosen the first time."""

import hashlib
import ipaddress
import os
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from portlight.store.sql import UnknownDatabaseError, database_of, sqlite_url
from portlight.values.addresses import parse_prefix

DEFAULT_STATE = Path("/var/lib/portlight")
DEFAULT_LISTEN = "127.0.0.1:9696"
DEFAULT_PUBLIC_POOL = "203.0.113.0/24"
"""TEST-NET-3 (RFC 5737): nobody else on the way has it."""
NO_POOL = "none"
RUN_FOLDER = Path("/run/portlight")
TAG_LENGTH = 4
MAX_WORKERS = 64
MAX_POOL_PREFIX = 30
"""The host's own address, and one to give away."""
_TAG_LETTERS = string.ascii_lowercase + string.digits
_CHECKOUT = Path(__file__).parents[3]


class SettingsError(Exception):
    """A setting that cannot be used; the message says which, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the server, the agent and the verbs around them must know."""

    state: Path
    """Folder of everything that must outlive the processes; mode 0700."""
    listen: str = DEFAULT_LISTEN
    """`HOST:PORT` of the server."""
    host: str = "localhost"
    """Name of this host in the API."""
    tag: str = ""
    """Four letters or digits in the names of our kernel objects; from the state folder."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    """Listen elsewhere than on loopback without TLS."""
    database: str = ""
    """URL of the database; empty: an SQLite file in the state folder. May hold a password."""
    workers: int = 1
    """Server processes that share the listener."""
    keystone: str = ""
    """URL of an existing Keystone whose tokens count; empty: identity is our own."""
    public_pool: str = DEFAULT_PUBLIC_POOL
    """Prefix of the first external network, or `none`; of no effect once that network was made."""
    release_idle_hours: int = 0
    """After how long a public address that nobody uses is given back; 0: never."""
    bpf_objects: Path = _CHECKOUT / "build" / "bpf"

    @property
    def database_url(self) -> str:
        """Where everything is kept."""
        return self.database or sqlite_url(self.state / "portlight.db")

    @property
    def runtime(self) -> Path:
        """Folder of what lasts until the next boot: pids, pinned eBPF objects."""
        return RUN_FOLDER / self.tag

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the listener."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def url(self) -> str:
        """Where a client on this host finds the server."""
        scheme = "https" if self.tls_certificate else "http"
        host, port = self.address
        if host in ("0.0.0.0", "::"):  # noqa: S104 -- compared, not bound
            host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104 -- compared, not bound
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


class _Chosen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `settings.json` in the state folder remembers."""

    tag: str
    listen: str = DEFAULT_LISTEN
    host: str = "localhost"
    tls_certificate: str | None = None
    tls_key: str | None = None
    insecure: bool = False
    database: str = ""
    workers: int = 1
    keystone: str = ""
    public_pool: str = DEFAULT_PUBLIC_POOL
    release_idle_hours: int = 0


def load_settings(
    state: Path, flags: Mapping[str, str | int | None], environment: Mapping[str, str]
) -> Settings:
    """Return the checked settings of a state folder; raise SettingsError.

    `flags` has `listen`, `host`, `tls_cert`, `tls_key`, `insecure`, `database`, `workers`,
    `keystone`, `public_pool` and `release_idle_hours`, None when not given.
    """
    state = state.absolute()
    before = _read(state)

    def chosen(flag: str, variable: str, earlier: str | None) -> str | None:
        given = flags.get(flag)
        return str(given) if given else environment.get(variable) or earlier

    certificate = chosen("tls_cert", "PORTLIGHT_TLS_CERT", before.tls_certificate)
    key = chosen("tls_key", "PORTLIGHT_TLS_KEY", before.tls_key)
    settings = Settings(
        state=state,
        listen=chosen("listen", "PORTLIGHT_LISTEN", before.listen) or DEFAULT_LISTEN,
        host=chosen("host", "PORTLIGHT_HOST", before.host) or "localhost",
        tag=before.tag,
        tls_certificate=Path(certificate) if certificate else None,
        tls_key=Path(key) if key else None,
        insecure=bool(flags.get("insecure")) or before.insecure,
        database=chosen("database", "PORTLIGHT_DATABASE", before.database) or "",
        workers=int(flags.get("workers") or before.workers),
        keystone=chosen("keystone", "PORTLIGHT_KEYSTONE", before.keystone) or "",
        public_pool=chosen("public_pool", "PORTLIGHT_PUBLIC_POOL", before.public_pool) or NO_POOL,
        release_idle_hours=_hours(flags.get("release_idle_hours"), before.release_idle_hours),
        bpf_objects=Path(environment.get("PORTLIGHT_BPF", str(_CHECKOUT / "build" / "bpf"))),
    )
    _check(settings)
    return settings


def _hours(flag: str | int | None, earlier: int) -> int:
    # zero is a choice of its own: never
    return earlier if flag is None else int(flag)


def save_settings(settings: Settings) -> None:
    """Remember the settings for the next `up`, the agent and `down`."""
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    remembered = _Chosen(
        tag=settings.tag,
        listen=settings.listen,
        host=settings.host,
        tls_certificate=str(settings.tls_certificate) if settings.tls_certificate else None,
        tls_key=str(settings.tls_key) if settings.tls_key else None,
        insecure=settings.insecure,
        database=settings.database,
        workers=settings.workers,
        keystone=settings.keystone,
        public_pool=settings.public_pool,
        release_idle_hours=settings.release_idle_hours,
    )
    write_private(settings.state / "settings.json", msgspec.json.encode(remembered))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def tag_of(state: Path) -> str:
    """Return the tag of a state folder: the same folder, the same tag."""
    number = int.from_bytes(hashlib.blake2b(str(state).encode(), digest_size=8).digest())
    letters = []
    for _ in range(TAG_LENGTH):
        number, rest = divmod(number, len(_TAG_LETTERS))
        letters.append(_TAG_LETTERS[rest])
    return "".join(letters)


def _read(state: Path) -> _Chosen:
    path = state / "settings.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Chosen)
    except FileNotFoundError:
        return _Chosen(tag=tag_of(state))
    except (OSError, msgspec.MsgspecError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error


def _check(settings: Settings) -> None:
    try:
        host, port = settings.address
        in_range = 0 < port < 1 << 16
    except ValueError:
        host, in_range = "", False
    if not host or not in_range:
        raise SettingsError(f"--listen {settings.listen!r} is not HOST:PORT")
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise SettingsError("--tls-cert and --tls-key belong together")
    for path in (settings.tls_certificate, settings.tls_key):
        if path is not None and not path.is_file():
            raise SettingsError(f"{path} is no file")
    if not (_is_loopback(host) or settings.tls_certificate or settings.insecure):
        raise SettingsError(
            f"--listen {settings.listen} is not loopback: tokens and passwords would travel in"
            " clear text. Give --tls-cert and --tls-key, or --insecure"
        )
    _check_store(settings)
    _check_pool(settings)
    if settings.keystone and not settings.keystone.startswith(("http://", "https://")):
        raise SettingsError(f"--keystone {settings.keystone!r} is not the URL of a Keystone")


def _check_store(settings: Settings) -> None:
    if not 1 <= settings.workers <= MAX_WORKERS:
        raise SettingsError(f"--workers is 1 to {MAX_WORKERS}, not {settings.workers}")
    try:
        database_of(settings.database_url)
    except UnknownDatabaseError as error:
        raise SettingsError(f"--database: {error}") from error


def _check_pool(settings: Settings) -> None:
    if settings.public_pool == NO_POOL:
        return
    try:
        pool = parse_prefix(settings.public_pool)
    except ValueError:
        raise SettingsError(
            f"--public-pool {settings.public_pool!r} is neither a prefix, such as"
            f" {DEFAULT_PUBLIC_POOL}, nor {NO_POOL}"
        ) from None
    if pool.version != 4 or pool.prefixlen > MAX_POOL_PREFIX:  # noqa: PLR2004 -- the family
        raise SettingsError(f"--public-pool {pool} is no IPv4 prefix up to /{MAX_POOL_PREFIX}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
