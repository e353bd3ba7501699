"""A PostgreSQL of our own: made by initdb in a temporary folder, reached by its socket only."""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url
from tests.support.deployment import wait_for

from portlight.store.sql import open_store

START_SECONDS = 30
_USER = "portlight"
_TEMPLATE = "migrated"
_EMPTY_ALL = """
CREATE FUNCTION empty_all() RETURNS void LANGUAGE plpgsql AS $$
DECLARE one text;
BEGIN
    FOR one IN SELECT table_name FROM information_schema.tables
        WHERE table_schema = 'public' AND table_name <> 'alembic_version'
    LOOP EXECUTE format('DELETE FROM %I', one); END LOOP;
END $$
"""


@dataclass(slots=True)
class Cluster:
    """A running server that makes databases as tests ask for them."""

    folder: Path
    user: str | None
    """Whom the server runs as; None: who runs the tests."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _shared: str | None = None
    _server: "subprocess.Popen[bytes] | None" = None

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://{_USER}@/{name}?host={self.folder}"

    def empty_database(self) -> str:
        """Return the URL of a new database without tables."""
        return self._create("template0")

    def database(self) -> str:
        """Return the URL of a new database with the present schema."""
        return self._create(_TEMPLATE)

    def shared_database(self) -> str:
        """Return the URL of the one database that tests empty for each other: cheaper by far."""
        if self._shared is None:
            self._shared = self.database()
            self.execute(_EMPTY_ALL, self._shared_name)
        self.execute("SELECT empty_all()", self._shared_name)
        return self._shared

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the server's superuser, beside Portlight."""
        connection = psycopg.connect(host=str(self.folder), user=_USER, dbname=database)
        connection.autocommit = True
        with contextlib.closing(connection):
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start the server and return once it answers; it ends with the process of the tests."""
        options = [
            "-D",
            str(self.folder / "data"),
            "-c",
            "listen_addresses=",
            "-k",
            str(self.folder),
        ]
        # A test run that is killed stops nothing: the kernel does, with the signal of a quick stop.
        command = ["setpriv", "--pdeathsig", "QUIT", "--", _path_of("postgres"), *options]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **_as(self.user)
            )
        wait_for("PostgreSQL answers", self._answers, seconds=START_SECONDS)

    def stop(self) -> None:
        """End the server at once, like a crash."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait(START_SECONDS)
            self._server = None

    def _answers(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, (self.folder / "log").read_text()
        try:
            return self.execute("SELECT 1") == [(1,)]
        except psycopg.OperationalError:
            return False

    @property
    def _shared_name(self) -> str:
        return make_url(self._shared or "").database or ""

    def _create(self, template: str) -> str:
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a server; leave nothing behind."""
    # pytest's own folders are closed to other users, and too deep for the name of a socket.
    folder = Path(tempfile.mkdtemp(prefix="portlight-pg-"))
    # PostgreSQL refuses to run as root.
    user = _unprivileged() if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    made = Cluster(folder=folder, user=user)
    try:
        run_as(
            user, "initdb", "-D", str(folder / "data"), "-U", _USER, "-A", "trust",
            "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync",
        )  # fmt: skip
        made.start()
        made.execute(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
        open_store(made.url(_TEMPLATE)).close()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def run_as(user: str | None, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs to its end; fail with what it said."""
    done = subprocess.run(
        [_path_of(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        **_as(user),
    )
    assert done.returncode == 0, f"{program}: {done.stdout}\n{done.stderr}"


def _as(user: str | None) -> dict[str, Any]:
    """Return how a process is started as a user (None: as ourselves)."""
    common: dict[str, Any] = {
        "cwd": "/",
        "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    }
    if user is None:
        return common
    return {**common, "user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _path_of(program: str) -> str:
    """Return where a program is: Debian keeps those of each version in a folder of its own."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    newest = sorted(folders, key=lambda folder: float(folder.parent.name), reverse=True)
    found = next((folder / program for folder in newest if (folder / program).is_file()), None)
    path = found or shutil.which(program)
    assert path, f"{program} is missing: scripts/install-packages brings it"
    return str(path)


def _unprivileged() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise AssertionError("there is no user to run PostgreSQL as")
