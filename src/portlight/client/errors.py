"""What can go wrong between a client and the server, as one line for people."""


class ClientError(Exception):
    """The request could not be served."""


class ApiError(ClientError):
    """The server refused; `status` is HTTP's, `wire_name` the face's name for the reason."""

    def __init__(self, status: int, wire_name: str, message: str) -> None:
        super().__init__(message or f"The server answered with status {status}.")
        self.status = status
        self.wire_name = wire_name


class UnreachableError(ClientError):
    """No server answers at the address."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(f"No answer from {url}: {cause}. Is `portlight up` running?")
        self.url = url


class NoCredentialsError(ClientError):
    """Neither a state folder nor the environment has credentials."""


class NoMatchError(ClientError):
    """A name or id stands for nothing, or for several things."""

    def __init__(self, kind: str, wanted: str, found: int) -> None:
        problem = "There is no" if found == 0 else f"There are {found} of kind"
        super().__init__(f"{problem} {kind} '{wanted}'." + ("" if not found else " Use the id."))
        self.kind = kind
        self.wanted = wanted
        self.found = found
