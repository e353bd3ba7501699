"""A netlink request ends, whether or not the kernel's answer is ever read."""

import asyncio
from collections.abc import AsyncIterator

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
