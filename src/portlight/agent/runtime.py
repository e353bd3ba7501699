"""The agent's loop: waits, asks the machine what to do, does it, reports.

Three threads: one polls the server for changes, one reports, and the main one alone touches the
kernel. Killed at any moment, the host goes on as it is.
"""

import logging
import os
import queue
import selectors
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import msgspec

from portlight.agent.changes import Batch, parse_batch
from portlight.agent.host import FABRIC_FAMILIES, FAMILIES, LEG_FAMILIES, Host
from portlight.agent.machine import Look, Machine, Step, Task
from portlight.agent.observer import Observer, claim_reports
from portlight.agent.outbox import Outbox
from portlight.client.agent import AgentClient, ErrorReport
from portlight.client.errors import ClientError
from portlight.plan.host import HostPlan
from portlight.values.ids import HostName

POLL_SECONDS = 25.0
RETRY_SECONDS = 0.5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Where time comes from."""

    now: Callable[[], float]
    """Seconds since the epoch, UTC."""
    monotonic: Callable[[], float]
    """Seconds that never go back (CLOCK_MONOTONIC)."""
    sleep: Callable[[float], None]


class Mailbox:
    """Batches on their way from the polling thread to the loop; readable when one is there."""

    def __init__(self) -> None:
        self._batches: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._bell

    def put(self, batch: Batch) -> None:
        """Hand over a batch."""
        self._batches.put(batch)
        os.eventfd_write(self._bell, 1)

    def take(self) -> list[Batch]:
        """Return what has arrived."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        arrived = []
        while True:
            try:
                arrived.append(self._batches.get_nowait())
            except queue.Empty:
                return arrived


def poll_forever(client: AgentClient, mailbox: Mailbox, clocks: Clocks) -> NoReturn:
    """Follow the server's changes for ever; wait a little when it cannot be reached."""
    after: int | None = None
    reachable = True
    while True:
        try:
            batch = parse_batch(client.changes(after, POLL_SECONDS))
        except (ClientError, msgspec.MsgspecError) as error:
            if reachable:
                _log.warning("no changes from the server, going on as we are: %s", error)
            reachable = False
            clocks.sleep(RETRY_SECONDS)
            continue
        if not reachable:
            _log.info("the server answers again")
        reachable = True
        if batch.snapshot or batch.changes:
            mailbox.put(batch)
        after = batch.sequence


def report_forever(client: AgentClient, outbox: Outbox, clocks: Clocks) -> NoReturn:
    """Tell the server what there is to tell, for ever."""
    while True:
        if not outbox.wait(POLL_SECONDS):
            continue
        report = outbox.take()
        try:
            client.report(report)
        except ClientError as error:
            _log.debug("report not delivered, kept: %s", error)
            outbox.give_back(report)
            clocks.sleep(RETRY_SECONDS)


class Runtime:
    """The main thread's part."""

    def __init__(self, *, host: Host, name: HostName, clocks: Clocks) -> None:
        self._host = host
        self._clocks = clocks
        self._machine = Machine(name, FAMILIES, clocks.monotonic())
        self._observer = Observer(host)
        self.outbox = Outbox(name)
        self.mailbox = Mailbox()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.mailbox, selectors.EVENT_READ, self._take_batches)
        self._selector.register(host.fabric.events, selectors.EVENT_READ, self._fabric_event)
        self._selector.register(host.tables.claims, selectors.EVENT_READ, self._take_claims)

    def run(self, in_place: Callable[[], None]) -> NoReturn:
        """Work for ever; `in_place` is called once, after the first snapshot was applied."""
        while self._machine.plan is None:
            self.turn()
        in_place()
        while True:
            self.turn()

    def turn(self, longest: float = POLL_SECONDS) -> None:
        """Wait for the next thing, and do it."""
        wait = self._machine.wait(self._clocks.monotonic())
        for key, _ in self._selector.select(longest if wait is None else min(wait, longest)):
            key.data()
        try:
            steps = self._machine.steps(self._clocks.monotonic())
        except Exception:  # noqa: BLE001 -- the host goes on with the plan it has
            _log.exception("what the server says cannot be compiled")
            return
        for step in steps:
            self._do(step)

    def _take_batches(self) -> None:
        for batch in self.mailbox.take():
            if batch.snapshot:
                self._observer.forget()
                self.outbox.restart(batch.sequence)
            self._machine.take(batch)

    def _fabric_event(self) -> None:
        self._host.fabric.take_events()
        self._machine.kernel_event(FABRIC_FAMILIES + LEG_FAMILIES, self._clocks.monotonic())

    def _take_claims(self) -> None:
        claims = self._host.tables.claims.poll()
        plan = self._machine.plan
        if plan is not None and any(claim.accepted for claim in claims):
            self._host.follow_owners(plan, self._clocks.monotonic())
        reports = claim_reports(claims, now=self._clocks.now(), monotonic=self._clocks.monotonic())
        self.outbox.observe(claims=reports)

    def _do(self, step: Step) -> None:
        plan = self._machine.plan
        if plan is None:
            return
        try:
            if isinstance(step, Look):
                self._host.look(step.family, plan, self._clocks.monotonic())
            elif step is Task.APPLY:
                self._host.apply(plan, self._clocks.monotonic())
            else:
                self.outbox.observe(
                    counters=self._observer.counters(), mirrors=self._observer.mirrors()
                )
        except Exception:  # noqa: BLE001 -- logged, and the next sweep comes
            # Whatever goes wrong with one step must not end the agent.
            _log.exception("%s failed", step)
        self._machine.retry_at(self._host.next_retry())
        self._observe(plan, applied=step is Task.APPLY)

    def _observe(self, plan: HostPlan, *, applied: bool) -> None:
        self.outbox.observe(
            ports=self._observer.ports(plan),
            instances=self._observer.instances(plan),
            routers=self._observer.routers(plan),
            floating_ips=self._observer.floating_ips(plan),
        )
        sequence = self._machine.sequence
        if applied and sequence is not None:
            failures = self._host.failures()
            for name, message in failures.items():
                _log.warning("%s: %s (tried again)", name, message)
            errors = [ErrorReport(object=name, message=text) for name, text in failures.items()]
            self.outbox.applied(sequence, errors)


def start_channel(runtime: Runtime, connect: Callable[[], AgentClient], clocks: Clocks) -> None:
    """Start the two threads that speak with the server; each has sockets of its own."""
    for target, argument in ((poll_forever, runtime.mailbox), (report_forever, runtime.outbox)):
        threading.Thread(
            target=target,
            args=(connect(), argument, clocks),
            name=target.__name__,
            daemon=True,
        ).start()
