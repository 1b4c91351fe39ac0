"""A text dump as a gzip stream, as `zcat` reads it, with bounded memory."""

import zlib
from collections.abc import Callable

from integrations.backups.streams import CHUNK, Source

_GZIP = 31  # a window of 32 KiB, and gzip's own header and checksum
TAIL = 4096


class Deflater:
    """Compresses what is written to it. `tail` is the end of what came in."""

    def __init__(self, write: Callable[[memoryview], object], level: int) -> None:
        self._write, self._packer = write, zlib.compressobj(level, zlib.DEFLATED, _GZIP)
        self.tail, self.bytes = b"", 0

    def write(self, chunk: memoryview) -> None:
        self.tail = (self.tail + bytes(chunk[-TAIL:]))[-TAIL:]
        self.bytes += len(chunk)
        if packed := self._packer.compress(chunk):
            self._write(memoryview(packed))

    def close(self) -> None:
        self._write(memoryview(self._packer.flush()))


class Inflater:
    """Reads the text of `source`. `whole` says whether the stream came to its own end, `tail` is the end of it."""

    def __init__(self, source: Source) -> None:
        self._source, self._unpacker = source, zlib.decompressobj(_GZIP)
        self._rest = b""
        self.tail = b""

    @property
    def whole(self) -> bool:
        return self._unpacker.eof

    def read(self, count: int, /) -> bytes:
        """Raises zlib.error where it is no such stream."""
        while not self._unpacker.eof:
            packed = self._rest or self._source.read(CHUNK)
            if not packed:
                return b""
            text = self._unpacker.decompress(packed, count)
            self._rest = self._unpacker.unconsumed_tail
            if text:
                self.tail = (self.tail + text[-TAIL:])[-TAIL:]
                return text
        return b""

    def close(self) -> None:
        self._source.close()
