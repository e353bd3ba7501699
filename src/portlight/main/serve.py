"""The server: store, service and faces behind one listener, in one process or several.

Needs no privilege. The processes share nothing but the socket and the database.
"""

import contextlib
import gc
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from uvicorn.supervisors import Multiprocess

from portlight.api.app import build_app
from portlight.core.errors import UnavailableError
from portlight.core.identity import User
from portlight.dataplane.processes import wait_for_lock
from portlight.main.credentials import (
    CREDENTIALS,
    agent_token,
    credential_sealer,
    ensure_credentials,
)
from portlight.main.keystone import foreign_identity
from portlight.main.logs import log_to_stderr
from portlight.main.settings import NO_POOL, Settings, SettingsError
from portlight.main.sources import RandomIds
from portlight.service.caller import Caller
from portlight.service.cloud import Cloud
from portlight.store.migrate import UnknownSchemaError
from portlight.store.protocol import Store
from portlight.store.sql import open_store
from portlight.values.addresses import parse_prefix
from portlight.values.ids import HostName

TICK_SECONDS = 1.0
WATCH_SECONDS = 0.05
"""How often we look for what other processes committed: an agent that waits here learns it then."""
TROUBLED_SECONDS = 1.0
UNANSWERED_SECONDS = 60
"""A worker that is silent for so long is replaced. On a busy machine it takes a while to start."""
COLLECT_GARBAGE_AFTER = (50_000, 20, 50)
log = logging.getLogger("portlight.serve")


def serve(settings: Settings) -> None:
    """Serve until a signal ends the process; raise SettingsError when the database is not fit."""
    _prepare(settings)
    config = _config(settings)
    if settings.workers == 1:
        uvicorn.Server(config).run()
    else:
        # Bound once, here: a listener that is taken is refused before anything starts.
        Multiprocess(config, sockets=[config.bind_socket()]).run()


def open_app(settings: Settings) -> Starlette:
    """Return the application of one process; what runs beside it starts and ends with it."""
    log_to_stderr()
    # A list of 5,000 makes more objects than the usual threshold, none of them in a cycle.
    gc.set_threshold(*COLLECT_GARBAGE_AFTER)
    store = open_store(settings.database_url)
    cloud = Cloud(
        store=store,
        ids=RandomIds(),
        clock=time.time,
        host=HostName(settings.host),
        sealer=credential_sealer(settings.state),
        foreign=foreign_identity(settings),
        idle_seconds=settings.release_idle_hours * 3600.0 or None,
    )
    return build_app(
        cloud, agent_token=agent_token(settings.state), beside=partial(_beside, cloud, store)
    )


def _prepare(settings: Settings) -> None:
    """Bring database, first users and credentials in order, once for all processes."""
    lock = wait_for_lock(settings.state / "serve.lock")
    try:
        with closing(open_store(settings.database_url)) as store:
            if not settings.keystone:
                _check_known(settings, store)
                admin = ensure_credentials(settings, store, RandomIds())
                _ensure_public_network(settings, store, admin)
        foreign_identity(settings)
        agent_token(settings.state)
    except (UnavailableError, UnknownSchemaError) as error:
        details = error.details if isinstance(error, UnavailableError) else error
        raise SettingsError(f"the database cannot be used: {details}") from error
    finally:
        os.close(lock)


def _ensure_public_network(settings: Settings, store: Store, admin: Caller) -> None:
    if settings.public_pool != NO_POOL:
        cloud = Cloud(store=store, ids=RandomIds(), clock=time.time, host=HostName(settings.host))
        cloud.ensure_public_network(admin, parse_prefix(settings.public_pool))


def _check_known(settings: Settings, store: Store) -> None:
    """Refuse a database whose users this state folder does not know: it would lock others out."""
    if not settings.database or (settings.state / CREDENTIALS).exists():
        return
    with store.reading() as tx:
        is_new = not tx.count(User)
    if not is_new:
        raise SettingsError(
            "the database is in use with another state folder: copy that folder's credentials.json,"
            f" admin-credentials.json, agent.token and *.key to {settings.state} first"
        )


def _config(settings: Settings) -> uvicorn.Config:
    host, port = settings.address
    return uvicorn.Config(
        # Called in the process that serves: nothing of it could travel there.
        partial(open_app, settings),
        factory=True,
        workers=settings.workers,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        ssl_certfile=_text(settings.tls_certificate),
        ssl_keyfile=_text(settings.tls_key),
        timeout_graceful_shutdown=2,
        timeout_worker_healthcheck=UNANSWERED_SECONDS,
    )


@contextmanager
def _beside(cloud: Cloud, store: Store) -> Iterator[None]:
    """Let time pass and watch the others while the application runs."""
    stopped = threading.Event()
    threads = [
        threading.Thread(target=_repeat, args=(work, every, stopped), name=name, daemon=True)
        for name, work, every in (
            ("tick", lambda: cloud.tick(time.time()), TICK_SECONDS),
            ("watch", cloud.notice_commits, WATCH_SECONDS),
        )
    ]
    if multiprocessing.parent_process() is not None:
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
        with contextlib.suppress(UnavailableError):
            cloud.settle()
        store.close()


def _repeat(work: Callable[[], None], every: float, stopped: threading.Event) -> None:
    pause = every
    while not stopped.wait(pause):
        pause = every
        try:
            work()
        except UnavailableError:
            # The store has logged it.
            pause = TROUBLED_SECONDS
        except Exception:
            log.exception("%s_failed", threading.current_thread().name)
            pause = TROUBLED_SECONDS


def _end_with_parent() -> None:
    """End a worker whose supervisor died: it would keep the listener from the next one."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
