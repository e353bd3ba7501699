"""The same command on another server, over SSH: nothing is installed there, and nothing stays.

The program travels on standard input and lives in memory only; what follows it on standard input
is the command's own.
"""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from portlight.guest.bundle import bundle

_FAILED_BY_SSH: Final = 255
"""What ssh(1) returns when it is the connection that failed."""
BOOTSTRAP: Final = """\
import os, sys
def take(n):
    while n:
        part = os.read(0, min(n, 65536))
        if not part: sys.exit("portlight-guest: the program did not arrive")
        n -= len(part); yield part
if sys.version_info < (3, 11): sys.exit("portlight-guest needs Python 3.11 or newer")
size = int(b"".join(take(10)))
home = os.memfd_create("portlight-guest")
for part in take(size): os.write(home, part)
sys.path.insert(0, "/proc/self/fd/%d" % home)
sys.argv[0] = "portlight-guest"
from portlight.guest.entry import main
sys.exit(main())
"""
"""What the other side's Python runs: it takes the program from standard input, and starts it."""


def framed(program: bytes) -> bytes:
    """Return a program as `BOOTSTRAP` takes it."""
    return b"%010d" % len(program) + program


def run_remotely(
    destination: str, arguments: Sequence[str], *, sudo: bool = False, options: Sequence[str] = ()
) -> int:
    """Run a command of ours at `user@host`; return its exit status."""
    program = framed(bundle())
    python = ["sudo", "-n", "python3"] if sudo else ["python3"]
    command = shlex.join([*python, "-I", "-c", BOOTSTRAP, *arguments])
    ssh = subprocess.Popen(("ssh", *options, "--", destination, command), stdin=subprocess.PIPE)
    if ssh.stdin is None:
        raise OSError("ssh was started without standard input")
    try:
        ssh.stdin.write(program)
        if "-" in arguments:
            shutil.copyfileobj(sys.stdin.buffer, ssh.stdin)
        ssh.stdin.close()
    except BrokenPipeError:
        return ssh.wait() or _FAILED_BY_SSH
    return ssh.wait()
