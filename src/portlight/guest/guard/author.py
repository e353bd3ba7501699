"""Who is at work: the person behind sudo, and from where."""

import os
import pwd
from collections.abc import Mapping

from portlight.guest.guard.sessions import Door, current_door


def author(environment: Mapping[str, str], uid: int, door: Door) -> str:
    """Return the user's name, with the addresses an SSH session comes from.

    They are those of the connection: sudo hides what the environment says of it.
    """
    name = environment.get("SUDO_USER") or _name_of(uid)
    origins = dict.fromkeys(str(one.socket.remote) for one in door.sessions)
    if origins:
        return f"{name} from {' or '.join(origins)}"
    return f"{name} through {door.via}" if door.via else name


def current_author() -> str:
    """Return who runs this process."""
    return author(os.environ, os.getuid(), current_door())


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
