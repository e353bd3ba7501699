"""The clocks and marks of this machine: how long, when, and since which start."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path


def boottime() -> float:
    """Return seconds since the machine started, sleep included; nobody can set this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall_clock() -> str:
    """Return date and time for people, UTC; nothing is ever decided by it."""
    return datetime.now(UTC).isoformat(timespec="seconds")  # noqa: TID251 -- the edge of this tool


def boot_mark() -> str:
    """Return a text that differs after each start of this server, also of one in namespaces.

    The kernel's own identifier stays when only a guest in namespaces restarts; its init and its
    network do not.
    """
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    # Field 22, start time of init; the name in field 2 may hold blanks (proc(5)).
    init = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    network = os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116 -- follows the kernel's own link
    return f"{kernel}/{init}/{network}"
