"""The stock `openstack` command, loaded once for many commands: loading takes longest."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_RUNNER = """
import contextlib, importlib, io, json, os, pkgutil, sys
import keystoneclient.v3.client, openstack.connection
import openstackclient.identity.v3, openstackclient.network.v2
from openstackclient import shell
for package in (openstackclient.identity.v3, openstackclient.network.v2):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    shell.main(["command", "list"])  # loads the tables of commands, and asks for no cloud
for line in sys.stdin:
    # The command keeps clients in its classes, so each run has a process of its own.
    if os.fork():
        os.wait()
        continue
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = shell.main(json.loads(line))
        except SystemExit as error:
            code = error.code
    print(json.dumps([code or 0, out.getvalue(), err.getvalue()]), flush=True)
    os._exit(0)
"""
_END_SECONDS = 10


@dataclass(slots=True)
class OpenStackSession:
    """Runs commands, each as `openstack` would by itself."""

    process: "subprocess.Popen[str]"
    cloud: str

    def tried(self, *arguments: str, cloud: str | None = None) -> tuple[int, str, str]:
        """Run a command; return its exit status, output and errors."""
        argv = ["--os-cloud", cloud or self.cloud, *arguments]
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(argv) + "\n")
        self.process.stdin.flush()
        code, out, err = json.loads(self.process.stdout.readline())
        return code, out, err

    def __call__(self, *arguments: str, form: str | None = "json", cloud: str | None = None) -> Any:  # noqa: ANN401 -- JSON
        """Run a command that must succeed; return what it printed."""
        wanted = ["-f", form] if form else []
        code, out, err = self.tried(*arguments, *wanted, cloud=cloud)
        assert code == 0, f"openstack {' '.join(arguments)}: {err}"
        return json.loads(out) if form else out

    def refused(self, *arguments: str, cloud: str | None = None) -> str:
        """Run a command that must fail; return what it said."""
        code, out, err = self.tried(*arguments, cloud=cloud)
        assert code != 0, f"openstack {' '.join(arguments)}: {out}"
        return err


@contextlib.contextmanager
def openstack_session(
    folder: Path, clouds: Mapping[str, Mapping[str, object]], cloud: str
) -> Iterator[OpenStackSession]:
    """Start one with these clouds; `cloud` is the one that is meant by default."""
    file = folder / "clouds.yaml"
    # JSON is YAML too
    file.write_text(json.dumps({"clouds": clouds}))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("OS_")},
        "OS_CLIENT_CONFIG_FILE": str(file),
    }
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _RUNNER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield OpenStackSession(process, cloud)
    finally:
        process.communicate(timeout=_END_SECONDS)
