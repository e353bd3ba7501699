"""A netlink request ends, and the children that pyroute2 forks leave our sockets alone."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType

import pytest

from portlight.dataplane.namespaces import create_namespace, delete_namespace
from portlight.dataplane.netlink import BoundedNetNS

NAMESPACE = "pl-test-netlink"


def test_an_answer_that_never_comes_is_a_timeout_and_the_next_request_works() -> None:
    async def no_answer() -> None:
        await asyncio.Event().wait()

    async def never_an_item() -> AsyncIterator[object]:
        async def items() -> AsyncIterator[object]:
            await asyncio.Event().wait()
            yield object()

        return items()

    create_namespace(NAMESPACE)
    try:
        with BoundedNetNS(NAMESPACE, flags=0) as inside:
            with pytest.raises(TimeoutError):
                inside._run_with_cleanup(no_answer)  # noqa: SLF001 -- the door that pyroute2's verbs use
            with pytest.raises(TimeoutError):
                list(inside._generate_with_cleanup(never_an_item))  # noqa: SLF001 -- as above

            assert [link.get("ifname") for link in inside.get_links()] == ["lo"]
            inside.link("set", index=1, state="up")
    finally:
        delete_namespace(NAMESPACE)


def test_a_child_that_is_ended_does_not_run_our_signal_handler(tmp_path: Path) -> None:
    reached = tmp_path / "reached"
    parent = os.getpid()

    def our_handler(_number: int, _frame: FrameType | None) -> None:
        if os.getpid() != parent:
            reached.touch()

    before = signal.signal(signal.SIGTERM, our_handler)
    create_namespace(NAMESPACE)
    try:
        for _ in range(50):
            with BoundedNetNS(NAMESPACE, flags=0) as inside:
                assert inside.get_links()
    finally:
        delete_namespace(NAMESPACE)
        signal.signal(signal.SIGTERM, before)

    assert not reached.exists()
