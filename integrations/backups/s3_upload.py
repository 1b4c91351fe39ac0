"""One multipart upload: a part is filled while the one before it is sent."""

import contextlib
import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from bot.ports.errors import PortError, Refused, Unavailable

MOST_PARTS = 10_000


class Uploads(Protocol):
    """What a bucket does for this."""

    def begin(self, key: str) -> str: ...

    def send(self, key: str, upload: str, number: int, part: bytearray, digest: bytes) -> str: ...

    def complete(self, key: str, upload: str, etags: list[str], digests: list[bytes], size: int) -> None: ...

    def abort(self, key: str, upload: str) -> None: ...


class BucketSink:
    """The `Sink` of an object. At most two parts are in memory, and what the client adds to the one it sends."""

    def __init__(self, bucket: Uploads, key: str, part_size: int) -> None:
        self._bucket, self._key, self._part_size = bucket, key, part_size
        self._filling = bytearray()
        self._written = 0
        self._digests: list[bytes] = []
        self._etags: list[str] = []
        self._upload: str | None = bucket.begin(key)
        self._sender = ThreadPoolExecutor(1, "backup-part")
        self._sending: Future[str] | None = None

    def write(self, chunk: memoryview) -> None:
        while chunk:
            room = self._part_size - len(self._filling)
            self._filling += chunk[:room]
            self._written += len(chunk[:room])
            chunk = chunk[room:]
            if len(self._filling) == self._part_size:
                self._send()

    def close(self) -> None:
        if self._filling or not self._digests:
            self._send()
        self._await_sent()
        self._bucket.complete(self._key, self._id, self._etags, self._digests, self._written)
        self._upload = None

    def abort(self) -> None:
        self._sender.shutdown(wait=True, cancel_futures=True)
        if self._upload is not None:
            with contextlib.suppress(PortError):  # told already; `sweep` comes past again
                self._bucket.abort(self._key, self._id)
            self._upload = None

    @property
    def _id(self) -> str:
        if self._upload is None:
            raise Unavailable("This upload has come to its end already.")
        return self._upload

    def _send(self) -> None:
        self._await_sent()
        part, self._filling = self._filling, bytearray()
        self._digests.append(hashlib.sha256(part).digest())
        number = len(self._digests)
        if number > MOST_PARTS:
            raise Refused("The backup has more parts than S3 allows.", remedy="Set a larger part_size.")
        digest = self._digests[-1]
        self._sending = self._sender.submit(self._bucket.send, self._key, self._id, number, part, digest)

    def _await_sent(self) -> None:
        if self._sending is not None:
            sending, self._sending = self._sending, None
            self._etags.append(sending.result())
