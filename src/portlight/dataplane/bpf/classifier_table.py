"""The map `classifiers`: one image for each distinct classifier of this host.

An image is written before anything refers to it, and never changed. It is recognised by its key
(the digest of its rules), which its header carries with the version of the layout.
"""

import os
import struct
from collections.abc import Iterable, Mapping

from portlight.dataplane.bpf.image import encode_classifier, image_key
from portlight.dataplane.bpf.maps import BpfMap, MapShape
from portlight.dataplane.bpf.syscall import Command, MapFlag, MapType, bpf
from portlight.dataplane.bpf.vectors import ELEMENT_BYTES
from portlight.plan.classifier import Classifier
from portlight.plan.delta import Delta

UNREAD = Classifier()
"""Read for an image that an earlier process wrote: intact, but its rules were not read back.
Putting the same classifier again costs a look-up."""
BATCH_IMAGES = 128
"""Images put in one system call: a change of a map of maps waits for an RCU grace period."""


class ClassifierTable:
    """Driver of classifiers by key."""

    def __init__(self, outer: BpfMap) -> None:
        self._outer = outer
        self._held: dict[int, tuple[int, Classifier]] = {}
        """By key: the kernel's number of the inner map, and what it says."""

    def read(self) -> Mapping[int, Classifier]:
        """Return what is there, by key; images of another layout or another key are left out."""
        return {key: held[1] for key, held in self._refresh().items()}

    def apply(self, delta: Delta[int, Classifier]) -> Mapping[int, Exception]:
        """Put images that are not there, then remove; the caller repoints ports in between."""
        failures: dict[int, Exception] = {}
        missing = {key: value for key, value in delta.put.items() if not self._adopt(key, value)}
        keys = list(missing)
        for start in range(0, len(keys), BATCH_IMAGES):
            chunk = {key: missing[key] for key in keys[start : start + BATCH_IMAGES]}
            failures |= self._put(chunk)
        failures |= self._remove(delta.remove)
        return failures

    def _put(self, classifiers: Mapping[int, Classifier]) -> dict[int, Exception]:
        failures: dict[int, Exception] = {}
        images: dict[int, BpfMap] = {}
        try:
            for key, classifier in classifiers.items():
                try:
                    images[key] = _create_image(classifier)
                except (OSError, ValueError) as error:
                    failures[key] = error
            self._outer.update_many(
                {_KEY.pack(key): _FD.pack(image.fd) for key, image in images.items()}
            )
            for key in images:
                self._held[key] = (self._inner_id(key), classifiers[key])
        except OSError as error:
            failures |= dict.fromkeys(images, error)
        finally:
            for image in images.values():
                image.close()
        return failures

    def _remove(self, keys: Iterable[int]) -> dict[int, Exception]:
        gone = [key for key in keys if self._outer.lookup(_KEY.pack(key)) is not None]
        try:
            self._outer.delete_many([_KEY.pack(key) for key in gone])
        except OSError as error:
            return dict.fromkeys(gone, error)
        for key in gone:
            self._held.pop(key, None)
        return {}

    def _adopt(self, key: int, classifier: Classifier) -> bool:
        """Whether the image is already there; then it is known from now on what it says."""
        held = self._held.get(key)
        if held is None or self._inner_id(key) != held[0]:
            self._refresh()
            held = self._held.get(key)
        if held is None:
            return False
        self._held[key] = (held[0], classifier)
        return True

    def _refresh(self) -> dict[int, tuple[int, Classifier]]:
        present = {_KEY.unpack(key)[0]: _FD.unpack(inner)[0] for key, inner in self._outer.items()}
        held: dict[int, tuple[int, Classifier]] = {}
        for key, inner in present.items():
            known = self._held.get(key)
            if known is not None and known[0] == inner:
                held[key] = known
            elif _key_of_image(inner) == key:
                held[key] = (inner, UNREAD)
        self._held = held
        return held

    def _inner_id(self, key: int) -> int:
        raw = self._outer.lookup(_KEY.pack(key))
        return int(_FD.unpack(raw)[0]) if raw is not None else 0


_KEY = struct.Struct("=Q")
_FD = struct.Struct("=I")


def _create_image(classifier: Classifier) -> BpfMap:
    raw = encode_classifier(classifier)
    shape = MapShape(
        type=MapType.ARRAY,
        key_size=4,
        value_size=ELEMENT_BYTES,
        max_entries=len(raw) // ELEMENT_BYTES,
        flags=MapFlag.MMAPABLE | MapFlag.INNER_MAP,
        name="image",
    )
    image = BpfMap.create(shape)
    try:
        with image.mmap(writable=True) as memory:
            memory[: len(raw)] = raw
    except OSError:
        image.close()
        raise
    return image


def _key_of_image(inner: int) -> int | None:
    """Return the key in the header of an inner map; None if it is no image of this layout."""
    try:
        fd, _ = bpf(Command.MAP_GET_FD_BY_ID, struct.pack("=II", inner, 0))
    except FileNotFoundError:
        return None
    try:
        image = BpfMap(fd)
    except OSError:
        os.close(fd)
        raise
    with image:
        return image_key(image.lookup(bytes(4)) or b"")
