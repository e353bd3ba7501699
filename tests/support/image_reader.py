"""Read a classifier's image from its description in docs/design/classifier.md."""

import struct
from collections.abc import Iterator

from tests.support.first_match import WITH_PORTS, Members, Question

from portlight.plan.classifier import Family


class ImageReader:
    def __init__(self, image: bytes) -> None:
        assert len(image) % 64 == 0
        self._image = image

    def find(self, question: Question, members: Members) -> tuple[int, int, int] | None:
        """Return (label, action, flags) of the first rule that matches."""
        head = 64 if question.family is Family.IPV4 else 128
        count, rules = self._u32s(head, 2)
        service, source_port, remote, group, local = self._u32s(head + 16, 5)
        if count == 0:
            return None
        low = question.icmp
        if question.protocol in WITH_PORTS:
            low = question.destination_port
        found = self._rules(service, question.protocol << 16 | low, count)
        if source_port:
            found &= self._rules(source_port, question.source_port, count)
        if local:
            found &= self._rules(local, int(question.local), count, question.family)
        if remote:
            far = self._rules(remote, int(question.remote), count, question.family)
            for number in members.get((question.scope, question.remote), ()) if group else ():
                far |= self._rules(group, number, count)
            found &= far
        if not found:
            return None
        first = (found & -found).bit_length() - 1
        label, action, flags = struct.unpack_from("<QBB", self._image, rules * 64 + first * 16)
        return label, action, flags

    def _rules(self, tree: int, key: int, count: int, family: Family = Family.IPV4) -> int:
        """Return the bit set of the rules that hold for the key."""
        depth, records, *levels = self._u32s(tree * 64, 10)
        wide = family is Family.IPV6
        index = 0
        for level in levels[:depth]:
            index *= 5 if wide else 17
            node = level * 64 + (index // (5 if wide else 17)) * 64
            index += sum(separator < key for separator in self._separators(node, wide=wide))
        (word,) = self._u32s(records * 64 + index * 4, 1)
        return self._vector(word * 8, -(-count // 512))

    def _separators(self, at: int, *, wide: bool) -> Iterator[int]:
        size = 16 if wide else 4
        for place in range(at, at + 64, size):
            yield int.from_bytes(self._image[place : place + size], "little")

    def _vector(self, at: int, blocks: int) -> int:
        (summary,) = struct.unpack_from("<Q", self._image, at)
        bits = 0
        for index, element in enumerate(self._u32s(at + 8, blocks)):
            block = int.from_bytes(self._image[element * 64 : element * 64 + 64], "little")
            assert bool(block) == bool(summary >> index & 1)
            bits |= block << 512 * index
        return bits

    def _u32s(self, at: int, count: int) -> tuple[int, ...]:
        return struct.unpack_from(f"<{count}I", self._image, at)
