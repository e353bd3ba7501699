"""The agent process: drivers, runtime and the channel to the server, wired together."""

import gc
import logging
import shutil
import signal
import ssl
import sys
import time
from pathlib import Path
from types import FrameType

import httpx

from portlight.agent.host import Host, HostPaths
from portlight.agent.runtime import Clocks, Runtime, start_channel
from portlight.client.agent import GRACE_SECONDS, AgentClient
from portlight.dataplane.bpf.programs import remove_bpffs
from portlight.dataplane.dhcp.driver import DhcpDriver
from portlight.dataplane.instances.driver import InstanceDriver
from portlight.dataplane.names import HostNames
from portlight.dataplane.namespaces import delete_namespace, list_namespaces
from portlight.dataplane.processes import hold_lock, kill_and_wait, read_mark, write_mark
from portlight.dataplane.routes.advertisers import AdvertiserDriver
from portlight.dataplane.routes.rooms import RouterRooms
from portlight.dataplane.routes.uplinks import remove_uplinks
from portlight.main.credentials import agent_token
from portlight.main.settings import Settings
from portlight.plan.delta import delta
from portlight.values.ids import HostName

READY = "ready"
_COLLECTION_THRESHOLD = 50_000
AGENT_PID = "agent.pid"
_CLOCKS = Clocks(now=time.time, monotonic=time.monotonic, sleep=time.sleep)
_log = logging.getLogger("portlight.agent")


def run_agent(settings: Settings) -> None:
    """Run the agent of this host until a signal ends it.

    Writes `<runtime>/ready` after the first full snapshot was applied.
    """
    names = HostNames(tag=settings.tag, state=settings.state)
    try:
        # Held for as long as the process lives; the variable keeps the descriptor in use.
        lock = hold_lock(settings.runtime / "agent.lock")
    except BlockingIOError:
        sys.exit(f"another agent of {settings.state} is running")
    # The DHCP servers read their files as a user of their own.
    names.folder.chmod(0o755)
    write_mark(names.folder / AGENT_PID)
    ready = settings.runtime / READY
    ready.unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, _end)
    host = Host(HostPaths(names=names, bpf_objects=settings.bpf_objects))
    runtime = Runtime(host=host, name=HostName(settings.host), clocks=_CLOCKS)
    start_channel(runtime, lambda: _connect(settings), _CLOCKS)
    _log.info("agent of host %s, tag %s, lock %d", settings.host, settings.tag, lock)
    runtime.run(lambda: _in_place(ready))


def _in_place(ready: Path) -> None:
    """Say that the first snapshot was applied, and leave what it made out of later collections.

    A full collection over the objects of 10,000 ports takes longer than a change of policy may.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECTION_THRESHOLD, 50, 1000)
    ready.touch()


def tear_down_host(names: HostNames) -> None:
    """Remove every kernel object of the deployment, and nothing else."""
    agent = read_mark(names.folder / AGENT_PID)
    if agent is not None:
        # Its state folder may be gone and its pid file with it; left alive it would repair it all.
        kill_and_wait(agent)
    instances = InstanceDriver(names)
    guests = instances.end_all()
    dhcp = DhcpDriver(names)
    servers = dhcp.apply(delta({}, dhcp.read()))
    dhcp.close()
    rooms = RouterRooms(names)
    advertisers = AdvertiserDriver(names, rooms)
    advertised = advertisers.apply(delta({}, advertisers.read()))
    rooms.close()
    remove_uplinks(names)
    for name in list_namespaces():
        if names.owns_namespace(name):
            delete_namespace(name)
    remove_bpffs(names.bpf_folder)
    failures = [*guests.items(), *servers.items(), *advertised.items()]
    for key, error in failures:
        _log.error("%s: %s", key, error)
    if not failures:
        shutil.rmtree(names.folder, ignore_errors=True)


def _connect(settings: Settings) -> AgentClient:
    verify: ssl.SSLContext | bool = True
    if settings.tls_certificate is not None:
        # The agent of this machine trusts exactly the certificate of its own server, by any name.
        verify = ssl.create_default_context(cafile=str(settings.tls_certificate))
        verify.check_hostname = False
    http = httpx.Client(timeout=GRACE_SECONDS, trust_env=False, verify=verify)
    return AgentClient(
        url=settings.url, host=settings.host, token=agent_token(settings.state), http=http
    )


def _end(_signal: int, _frame: FrameType | None) -> None:
    """End like a crash would, only on purpose: whatever was half done, the next agent finishes."""
    sys.exit(0)
