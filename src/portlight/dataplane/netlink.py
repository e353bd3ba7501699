"""Netlink requests into a namespace that always come to an end.

pyroute2 0.9 waits for an answer without limit. Drivers turn the TimeoutError into a failure that is
tried again; every request that they make is safe to repeat.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from pyroute2 import NetNS, config

ANSWER_SECONDS = 2.0

# To make a socket in a namespace, pyroute2 0.9 forks, and ends the child with SIGTERM. Without this
# the child runs our own handler of that signal: it unwinds our stack, closes its copy of the event
# loop, and thereby takes our sockets out of the epoll set that both share. We would hear nothing
# more from the kernel.
config.disable_mp_signal = True


class BoundedNetNS(NetNS):  # type: ignore[misc]  # pyroute2 has no types
    """A NetNS whose requests raise TimeoutError when no answer comes."""

    def _run_with_cleanup(
        self,
        request: Callable[..., Awaitable[Any]],
        *arguments: Any,  # noqa: ANN401 -- pyroute2's own
        **options: Any,  # noqa: ANN401 -- pyroute2's own
    ) -> Any:  # noqa: ANN401 -- pyroute2's own
        async def bounded() -> Any:  # noqa: ANN401 -- pyroute2's own
            return await asyncio.wait_for(request(*arguments, **options), ANSWER_SECONDS)

        return super()._run_with_cleanup(bounded)

    def _generate_with_cleanup(
        self,
        request: Callable[..., Awaitable[AsyncIterator[Any]]],
        *arguments: Any,  # noqa: ANN401 -- pyroute2's own
        **options: Any,  # noqa: ANN401 -- pyroute2's own
    ) -> Iterator[Any]:
        async def bounded() -> AsyncIterator[Any]:
            return _each_in_time(
                await asyncio.wait_for(request(*arguments, **options), ANSWER_SECONDS)
            )

        yield from super()._generate_with_cleanup(bounded)


async def _each_in_time(answers: AsyncIterator[Any]) -> AsyncIterator[Any]:
    iterator = aiter(answers)
    while True:
        try:
            yield await asyncio.wait_for(anext(iterator), ANSWER_SECONDS)
        except StopAsyncIteration:
            return
