"""The server process: store, service and faces behind one listener. Needs no privilege."""

import logging
import threading
import time
from pathlib import Path

import uvicorn

from portlight.api.app import build_app
from portlight.main.credentials import agent_token, credential_sealer, ensure_credentials
from portlight.main.settings import Settings
from portlight.main.sources import RandomIds
from portlight.service.cloud import Cloud
from portlight.store.sql import open_store, sqlite_url
from portlight.values.ids import HostName

TICK_SECONDS = 1.0
log = logging.getLogger("portlight.serve")


def serve(settings: Settings) -> None:
    """Serve until a signal ends the process."""
    store = open_store(sqlite_url(settings.database))
    ids = RandomIds()
    sealer = credential_sealer(settings.state)
    ensure_credentials(settings, store, ids, sealer)
    cloud = Cloud(
        store=store, ids=ids, clock=time.time, host=HostName(settings.host), sealer=sealer
    )
    stopped = threading.Event()
    ticking = threading.Thread(target=_tick, args=(cloud, stopped), name="tick", daemon=True)
    ticking.start()
    try:
        uvicorn.Server(_listener(settings, cloud)).run()
    finally:
        stopped.set()
        ticking.join()
        store.close()


def _listener(settings: Settings, cloud: Cloud) -> uvicorn.Config:
    host, port = settings.address
    return uvicorn.Config(
        build_app(cloud, agent_token=agent_token(settings.state)),
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
    )


def _tick(cloud: Cloud, stopped: threading.Event) -> None:
    """Let time pass for the service: grace windows end, old records go."""
    while not stopped.wait(TICK_SECONDS):
        try:
            cloud.tick(time.time())
        except Exception:
            log.exception("tick_failed")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
