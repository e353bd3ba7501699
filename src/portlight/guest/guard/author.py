"""Who is at work: the person behind sudo, and from where."""

import os
import pwd
from collections.abc import Mapping


def author(environment: Mapping[str, str], uid: int) -> str:
    """Return the user's name, with the address an SSH session comes from."""
    name = environment.get("SUDO_USER") or _name_of(uid)
    origin = environment.get("SSH_CONNECTION", "").split(" ")[0]
    if origin:
        return f"{name} from {origin}"
    via = environment.get("PORTLIGHT_GUEST_VIA")
    return f"{name} through {via}" if via else name


def current_author() -> str:
    """Return who runs this process."""
    return author(os.environ, os.getuid())


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
