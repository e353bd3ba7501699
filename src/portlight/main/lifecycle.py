"""`up`, `status` and `down`: one deployment on this machine, from nothing and back to nothing."""

import os
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx

from portlight.dataplane.names import HostNames
from portlight.main.processes import Service, end, start
from portlight.main.settings import RUN_FOLDER, Settings, SettingsError, save_settings, tag_of

START_SECONDS = 60.0
"""A busy machine needs more than ten times as long as an idle one to read the program."""
STOP_SECONDS = 5.0
LOG_LINES_SHOWN = 5


class LifecycleError(Exception):
    """The deployment did not come up or go down; the message says what was seen."""


def services(settings: Settings) -> tuple[Service, Service]:
    """Return the server and the agent of a deployment."""
    server, agent = (
        Service(
            name=name,
            arguments=(name, "--state", str(settings.state)),
            pid_file=settings.state / f"{name}.pid",
            log_file=settings.state / "log" / f"{name}.log",
        )
        for name in ("serve", "agent")
    )
    return server, agent


def bring_up(settings: Settings) -> Settings:
    """Start what does not run; return once the server answers and the agent is in place."""
    if os.geteuid() != 0:
        raise SettingsError("portlight up makes namespaces and loads eBPF: run it as root")
    settings = _claim_tag(settings)
    save_settings(settings)
    server, agent = services(settings)
    if server.running is None:
        _check_free(settings)
        start(server)
    _wait(server, "the server answers", lambda: answers(settings))
    ready = settings.runtime / "ready"
    if agent.running is None:
        # What a dead agent left says nothing about the next one.
        ready.unlink(missing_ok=True)
        start(agent)
    _wait(agent, "the agent has seen a full snapshot", ready.exists)
    return settings


def take_down(settings: Settings, teardown: Callable[[HostNames], None], *, purge: bool) -> bool:
    """End both processes and remove every kernel object of ours; return whether any ran.

    `teardown` removes what the drivers made. The state folder stays, unless `purge`.
    """
    server, agent = services(settings)
    ended = [end(service, seconds=STOP_SECONDS) for service in (agent, server)]
    teardown(HostNames(tag=settings.tag, state=settings.state))
    if settings.runtime.is_dir():
        shutil.rmtree(settings.runtime)
    if purge and (settings.state / "settings.json").is_file():
        shutil.rmtree(settings.state)
    return any(ended)


def answers(settings: Settings) -> bool:
    """Whether the server answers its health check."""
    try:
        # The certificate is checked by clients that hold secrets; this asks for none.
        return httpx.get(f"{settings.url}/healthz", timeout=1, verify=False).is_success  # noqa: S501
    except httpx.HTTPError:
        return False


def _check_free(settings: Settings) -> None:
    """Refuse a listener that somebody else has: its answers would be taken for our server's."""
    try:
        socket.create_connection(settings.address, timeout=1).close()
    except OSError:
        return
    raise SettingsError(f"another program listens at {settings.listen}; choose with --listen")


def _claim_tag(settings: Settings) -> Settings:
    """Take a tag that no other state folder on this machine uses; remember it at `owner`."""
    attempt = str(settings.state)
    while True:
        owner = settings.runtime / "owner"
        owner.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with owner.open("x") as file:
                file.write(str(settings.state))
        except FileExistsError:
            if owner.read_text() != str(settings.state):
                attempt += "'"
                settings = replace(settings, tag=tag_of(Path(attempt)))
                continue
        return settings


def _wait(service: Service, what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if service.running is None:
            raise LifecycleError(f"portlight {service.name} ended:\n{_log_tail(service)}")
        if time.monotonic() > deadline:
            raise LifecycleError(
                f"not within {START_SECONDS:g} s: {what}; see {service.log_file}\n"
                f"{_log_tail(service)}"
            )
        time.sleep(0.02)


def _log_tail(service: Service) -> str:
    try:
        lines = service.log_file.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-LOG_LINES_SHOWN:])


def is_ours(settings: Settings) -> bool:
    """Whether the runtime folder of the tag belongs to this state folder."""
    owner = RUN_FOLDER / settings.tag / "owner"
    return not owner.exists() or owner.read_text() == str(settings.state)
