"""These tools as one file, which any Python from 3.11 on runs: `python3 portlight-guest.pyz`.

The same sources make the same bytes.
"""

import io
import sys
import zipfile
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

_MAIN: Final = """\
import sys

from portlight.guest.entry import main

sys.exit(main())
"""
_SHEBANG: Final = b"#!/usr/bin/env python3\n"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can hold."""
_READABLE: Final = 0o100644 << 16


def bundle() -> bytes:
    """Return the file; from inside of one, its own bytes."""
    if origin := own_archive():
        return origin.read_bytes()
    files = {
        "__main__.py": _MAIN,
        "portlight/__init__.py": "",
        **_sources(resources.files("portlight.guest"), "portlight/guest"),
    }
    packed = io.BytesIO()
    packed.write(_SHEBANG)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _READABLE
            entry.create_system = 3  # Unix, wherever it is packed
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return packed.getvalue()


def own_archive() -> Path | None:
    """Return the one file that this program runs from; None when it is a package."""
    archive = getattr(__spec__.loader, "archive", None)
    return Path(archive) if archive else None


def _sources(folder: Traversable, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in folder.iterdir():
        path = f"{name}/{one.name}"
        if one.is_dir() and one.name != "__pycache__":
            found |= _sources(one, path)
        elif one.name.endswith(".py"):
            found[path] = one.read_text(encoding="utf-8")
    return found


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(bundle())
    target.chmod(0o755)
