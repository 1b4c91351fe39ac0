"""Backups in a bucket: multipart uploads with a checksum for each part, encrypted by the server, a manifest last.

A multipart upload is nothing until it is completed, so no temporary name is needed. The connection is boto3's:
everything here blocks.
"""

import base64
import contextlib
import hashlib
from typing import TYPE_CHECKING, Any

from bot.ports.errors import Refused, Unavailable
from integrations.aws_access import Access
from integrations.aws_errors import Asking, code_of, told
from integrations.aws_session import AwsSession
from integrations.backups.s3_upload import MOST_PARTS, BucketSink
from integrations.backups.settings import MIB, S3Settings
from integrations.backups.streams import Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DATA, MANIFEST = ".dump", ".json"
SPARE = 2
"""A dump may have this many times the bytes that are expected of it before it has too many parts."""
_RIGHTS = "integrations/backups/README.md says which rights are needed."
_CORRECT = "Correct bucket, prefix and region, or make the bucket."
_MISSING = dict.fromkeys(("NoSuchBucket", "NoSuchKey", "404", "NotFound"), (Refused, _CORRECT))


class Bucket:
    """The `Destination` of one database in a bucket."""

    def __init__(self, settings: S3Settings, folder: str) -> None:
        self._settings = settings
        self._prefix = f"{settings.prefix.strip('/')}/{folder}/".lstrip("/")
        seconds = settings.part_timeout.total_seconds()
        self._access = Access(
            region=settings.region,
            endpoint=settings.endpoint,
            access_key=settings.access_key,
            secret_key=settings.secret_key,
            connect_timeout_s=min(seconds, 10),
            read_timeout_s=seconds,
        )
        self._asking = Asking(
            service="S3",
            who=self._access.who,
            where=f" in the bucket {settings.bucket}",
            # Another service that speaks S3 has regions of its own.
            region=None if settings.endpoint else settings.region,
            rights=_RIGHTS,
            known=_MISSING,
        )
        self._made: S3Client | None = None

    def place(self, name: str) -> str:
        return f"s3://{self._settings.bucket}/{self._key(name, DATA)}"

    def create(self, name: str, expected_bytes: int | None) -> BucketSink:
        key = self._key(name, DATA)
        for stale, upload in self._uploads():
            if stale == key:
                self.abort(stale, upload)
        needed = -(-(expected_bytes or 0) * SPARE // MOST_PARTS)
        return BucketSink(self, key, max(self._settings.part_size, -(-needed // MIB) * MIB))

    def open(self, name: str) -> Source:
        with self._told():
            answer = self._client.get_object(Bucket=self._settings.bucket, Key=self._key(name, DATA))
        return _Reading(self, answer["Body"])

    def write_manifest(self, name: str, text: bytes) -> None:
        with self._told():
            self._client.put_object(
                Bucket=self._settings.bucket,
                Key=self._key(name, MANIFEST),
                Body=text,
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",
                **self._encryption(),
            )

    def read_manifest(self, name: str) -> bytes | None:
        try:
            with self._told():
                answer = self._client.get_object(Bucket=self._settings.bucket, Key=self._key(name, MANIFEST))
                return answer["Body"].read()
        except Refused as error:
            if code_of(error.__cause__) == "NoSuchKey":
                return None
            raise

    def names(self) -> list[str]:
        return [key.removesuffix(MANIFEST) for key in self._keys() if key.endswith(MANIFEST)]

    def neighbours(self) -> list[str]:
        above = self._prefix.rstrip("/").rpartition("/")[0]
        with self._told():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._settings.bucket, Prefix=f"{above}/".lstrip("/"), Delimiter="/"
            )
            found = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
        return [f"s3://{self._settings.bucket}/{prefix}" for prefix in found if prefix != self._prefix]

    def sizes(self) -> dict[str, int]:
        there = self._keys().items()
        return {key.removesuffix(DATA): size for key, size in there if key.endswith(DATA)}

    def remove(self, name: str) -> None:
        with self._told():
            for ending in (MANIFEST, DATA):
                self._client.delete_object(Bucket=self._settings.bucket, Key=self._key(name, ending))

    def sweep(self) -> list[str]:
        """As S3 knows no lock, whoever calls this takes care that no backup is being taken meanwhile."""
        removed = []
        for key, upload in self._uploads():
            self.abort(key, upload)
            removed.append(key.removeprefix(self._prefix).removesuffix(DATA))
        keys = set(self._keys())
        for name in sorted(key.removesuffix(DATA) for key in keys if key.endswith(DATA)):
            if f"{name}{MANIFEST}" not in keys:
                self.remove(name)
                removed.append(name)
        return removed

    def try_writing(self) -> None:
        """Whatever is put into a bucket leaves a trace there, in its log and perhaps as a version."""

    def free_bytes(self) -> int | None:
        return None

    def begin(self, key: str) -> str:
        with self._told():
            answer = self._client.create_multipart_upload(
                Bucket=self._settings.bucket,
                Key=key,
                ContentType="application/octet-stream",
                ChecksumAlgorithm="SHA256",
                **self._encryption(),
            )
        return answer["UploadId"]

    def send(self, key: str, upload: str, number: int, part: bytearray, digest: bytes) -> str:
        """Send one part; S3 declines it where it does not arrive as it was. Its tag."""
        with self._told():
            answer = self._client.upload_part(
                Bucket=self._settings.bucket,
                Key=key,
                UploadId=upload,
                PartNumber=number,
                Body=part,  # type: ignore[arg-type]  # bytes that are not copied; botocore takes them
                ChecksumSHA256=base64.b64encode(digest).decode(),
            )
        return answer["ETag"]

    def complete(self, key: str, upload: str, etags: list[str], digests: list[bytes], size: int) -> None:
        """Make one object of the parts, and look whether it is what was sent."""
        tags = zip(etags, digests, strict=True)
        parts: Any = [
            {"PartNumber": n, "ETag": tag, "ChecksumSHA256": base64.b64encode(digest).decode()}
            for n, (tag, digest) in enumerate(tags, 1)
        ]
        bucket = self._settings.bucket
        with self._told():
            self._client.complete_multipart_upload(
                Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
            )
            seen = self._client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        whole = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
        checksum = seen.get("ChecksumSHA256", whole).split("-")[0]
        if seen["ContentLength"] != size or checksum != whole:
            with self._told():
                self._client.delete_object(Bucket=bucket, Key=key)
            raise Unavailable(f"s3://{bucket}/{key} is not what was sent to it.")
        wanted = self._settings.encryption
        if wanted != "none" and seen.get("ServerSideEncryption") != wanted:
            with self._told():
                self._client.delete_object(Bucket=bucket, Key=key)
            raise Refused(
                f"s3://{bucket}/{key} was not encrypted with {wanted} by the server.",
                remedy="Look at the bucket's encryption, or set `encryption: none`.",
            )

    def abort(self, key: str, upload: str) -> None:
        with self._told():
            self._client.abort_multipart_upload(Bucket=self._settings.bucket, Key=key, UploadId=upload)

    @property
    def _client(self) -> "S3Client":
        if self._made is None:
            options: dict[str, Any] = {"s3": {"addressing_style": "path"}} if self._settings.endpoint else {}
            with self._told():
                self._made = AwsSession(self._access).client("s3", **options)
        return self._made

    def _key(self, name: str, ending: str) -> str:
        return f"{self._prefix}{name}{ending}"

    def _encryption(self) -> dict[str, Any]:
        own = self._settings
        wanted = {} if own.encryption == "none" else {"ServerSideEncryption": own.encryption}
        return wanted if own.kms_key is None else wanted | {"SSEKMSKeyId": own.kms_key}

    def _keys(self) -> dict[str, int]:
        """What is there, without the prefix, and how many bytes each has."""
        with self._told():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._settings.bucket, Prefix=self._prefix
            )
            there = (one for page in pages for one in page.get("Contents", []))
            return {one["Key"].removeprefix(self._prefix): one["Size"] for one in there}

    def _uploads(self) -> list[tuple[str, str]]:
        with self._told():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._settings.bucket, Prefix=self._prefix
            )
            return [(one["Key"], one["UploadId"]) for page in pages for one in page.get("Uploads", [])]

    def _told(self) -> contextlib.AbstractContextManager[None]:
        return told(self._asking)


class _Reading:
    def __init__(self, bucket: Bucket, body: Any) -> None:
        self._bucket, self._body = bucket, body

    def read(self, count: int, /) -> bytes:
        with self._bucket._told():  # noqa: SLF001 - of this module
            data: bytes = self._body.read(count)
        return data

    def close(self) -> None:
        self._body.close()
