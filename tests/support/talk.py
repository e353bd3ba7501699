"""A TCP connection between two namespaces, held open by two nc, and whether it still carries."""

import os
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from tests.kernel.lab import inside, wait_until

End = tuple[str, str, int]
"""Where one end is: namespace, address, port."""


class Talk:
    """Both ends of a connection."""

    def __init__(self, client: subprocess.Popen[bytes], service: subprocess.Popen[bytes]) -> None:
        self._ends = (client, service)
        self._said = 0

    def answers(self, seconds: float = 20) -> bool:
        """Whether what each end says reaches the other within a time."""
        client, service = self._ends
        return self._carries(client, service, seconds) and self._carries(service, client, seconds)

    def _carries(
        self, near: subprocess.Popen[bytes], far: subprocess.Popen[bytes], seconds: float
    ) -> bool:
        assert near.stdin
        assert far.stdout
        self._said += 1
        word = f"<{self._said}>\n".encode()
        near.stdin.write(word)
        near.stdin.flush()
        heard, end = b"", time.monotonic() + seconds
        while word not in heard:
            left = end - time.monotonic()
            if left <= 0 or not select.select([far.stdout], [], [], left)[0]:
                return False
            part = os.read(far.stdout.fileno(), 4096)
            if not part:
                return False
            heard += part
        return True


@contextmanager
def talk(client: End, service: End, *, dialled: int = 0) -> Iterator[Talk]:
    """Yield a connection; `dialled` is the port that the client asks for, if it is another."""
    namespace, address, port = service
    running: list[subprocess.Popen[bytes]] = []
    try:
        running.append(_start(namespace, ("nc", "-l", address, str(port))))
        wait_until(partial(_is_there, namespace, f"{address}:{port}", "-Hltn"))
        here, source, source_port = client
        own = ("-s", source, "-p", str(source_port))
        running.append(_start(here, ("nc", *own, address, str(dialled or port))))
        wait_until(partial(_is_there, namespace, f"{source}:{source_port}", "-Htn"))
        yield Talk(running[1], running[0])
    finally:
        for one in running:
            one.kill()
            one.communicate()


def _is_there(namespace: str, end: str, which: str) -> bool:
    return end in inside(namespace, "ss", which).split()


def _start(namespace: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    enter = ("nsenter", f"--net=/run/netns/{namespace}", *command)
    return subprocess.Popen(enter, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
