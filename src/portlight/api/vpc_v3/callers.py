"""Who calls the face: by a signature or by a token, in the project that the address names."""

from functools import partial

from portlight.api.shell import Call, by_token
from portlight.api.vpc_v3.errors import OtherProjectError, SignatureError
from portlight.api.vpc_v3.signing import SignedRequest, check_signature, read_signature
from portlight.core.errors import UnauthenticatedError
from portlight.core.errors_identity import TooManyAttemptsError
from portlight.service.caller import Caller

PROJECT_HEADER = "x-project-id"


def by_signature_or_token(call: Call) -> Caller:
    """Return who calls.

    Raise UnauthenticatedError, or OtherProjectError when the address is of another project than
    the credential.
    """
    caller = by_token(call) if call.token else _by_signature(call)
    for named in (call.path["project_id"], call.headers.get(PROJECT_HEADER, caller.project_id)):
        if named != caller.project_id:
            raise OtherProjectError(named)
    return caller


def _by_signature(call: Call) -> Caller:
    given = read_signature(call.headers.get("authorization", ""))
    request = SignedRequest(
        method=call.method,
        target=call.target,
        headers={name.lower(): value for name, value in call.headers.items()},
        body=call.body,
    )
    check = partial(check_signature, request, given)
    try:
        return call.cloud.identity.prove_signature(given.access, check, address=call.client_address)
    except SignatureError:
        raise
    except TooManyAttemptsError as error:
        raise SignatureError("the access key failed too often.") from error
    except UnauthenticatedError as error:
        raise SignatureError("the access key is unknown or may not act.") from error
