"""What a run of the command line knows: where the credentials are, and the client made of them."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from portlight.client.client import Client, connect
from portlight.client.credentials import Credentials, credentials_of, load_credentials


@dataclass(frozen=True)
class Session:
    """One run. The client is made when the first command needs it."""

    state: Path | None
    """The folder named with --state."""
    default_state: Path

    @cached_property
    def client(self) -> Client:
        """The client; raises NoCredentialsError when there are no credentials."""
        return connect(self._credentials())

    def close(self) -> None:
        """Close the sockets of the client, if there is one."""
        if "client" in self.__dict__:
            self.client.connection.close()

    def _credentials(self) -> Credentials:
        if self.state is not None:
            return load_credentials(self.state)
        if os.environ.get("OS_AUTH_URL"):
            return credentials_of(os.environ)
        return load_credentials(self.default_state)


pass_session = click.make_pass_decorator(Session)
