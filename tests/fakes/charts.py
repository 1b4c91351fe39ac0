"""Pictures without matplotlib: a valid PNG whose pixels follow from what it was asked to show."""

import dataclasses
import hashlib
import struct
import zlib

from bot.ports.charts import ChartData, StatsData
from bot.ports.errors import PortError

WIDTH, HEIGHT = 1600, 900


@dataclasses.dataclass
class MemoryCharts:
    """`asked` is what was drawn. An error in `failing` is raised by the next call, once each."""

    asked: list[ChartData | StatsData] = dataclasses.field(default_factory=list)
    failing: list[PortError] = dataclasses.field(default_factory=list)

    async def incident(self, data: ChartData) -> bytes:
        return self._drawn(data)

    async def stats(self, data: StatsData) -> bytes:
        return self._drawn(data)

    def _drawn(self, data: ChartData | StatsData) -> bytes:
        if self.failing:
            raise self.failing.pop(0)
        self.asked.append(data)
        pattern = hashlib.sha256(data.model_dump_json().encode()).digest()
        row = b"\x00" + (pattern * (WIDTH * 3 // len(pattern) + 1))[: WIDTH * 3]
        header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row * HEIGHT)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
