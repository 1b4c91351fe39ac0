"""Backups in a bucket, over HTTP: in parts, encrypted, in one piece or not at all. The bucket is moto's server."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from bot.ports.backups import Backups, Proof
from bot.ports.errors import AuthFailed, Refused, Unavailable
from integrations.aws_session import ATTEMPTS
from integrations.backups.settings import MIB, S3Settings
from tests.contract.backup_worlds import PostgresqlWorld, end, eventually, programs, started, under_way
from tests.contract.meddler import CHUNK, relayed_port
from tests.postgres import postgres

__all__ = ["postgres"]

KEY = "inc-20261124-shop-1:backup"
BUCKET = "shop-backups"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(endpoint: str) -> Iterator[Any]:
    client = boto3.client("s3", endpoint_url=endpoint, **KEYS)
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    for upload in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        client.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    for one in keys(client):
        client.delete_object(Bucket=BUCKET, Key=one)
    client.delete_bucket(Bucket=BUCKET)
    client.close()


def settings(endpoint: str, **more: Any) -> dict[str, Any]:
    given = {"bucket": BUCKET, "endpoint": endpoint, "region": "eu-central-1", "part_size": 5 * MIB}
    return given | {"access_key": "test", "secret_key": "test"} | more


@pytest.fixture
def world(postgres: Any, tmp_path: Path) -> PostgresqlWorld:
    return PostgresqlWorld(postgres, tmp_path)


def keys(client: Any) -> list[str]:
    return [one["Key"] for one in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def port_of(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])


def uploads(client: Any) -> list[dict[str, Any]]:
    return list(client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


async def test_a_backup_goes_up_in_parts_and_comes_back(
    world: PostgresqlWorld, endpoint: str, client: Any
) -> None:
    world.fill(100_000)
    backups: Backups = world.backups(s3=settings(endpoint), verify="restored", compression=1)
    taken = await end(backups.take(KEY))
    assert taken.proof is Proof.RESTORED
    assert taken.bytes > 6 * MIB
    assert taken.place.startswith(f"s3://{BUCKET}/kaeru/")
    data = taken.place.removeprefix(f"s3://{BUCKET}/")
    assert sorted(keys(client)) == [data, data.removesuffix(".dump") + ".json"]
    for key in keys(client):
        assert client.head_object(Bucket=BUCKET, Key=key)["ServerSideEncryption"] == "AES256"
    seen = client.head_object(Bucket=BUCKET, Key=data, ChecksumMode="ENABLED")
    assert seen["ContentLength"] == taken.bytes
    assert re.search(r'-\d+"$', seen["ETag"]), "it went up in one piece"
    assert await end(backups.take(KEY)) == taken
    assert await backups.list() == (taken,)
    assert (await end(backups.verify(taken, Proof.READ))).proof is Proof.RESTORED


async def test_it_is_encrypted_with_a_key_of_ones_own(
    world: PostgresqlWorld, endpoint: str, client: Any
) -> None:
    encryption = {"encryption": "aws:kms", "kms_key": "alias/backups"}
    taken = await end(world.backups(s3=settings(endpoint, **encryption)).take(KEY))
    seen = client.head_object(Bucket=BUCKET, Key=taken.place.removeprefix(f"s3://{BUCKET}/"))
    assert seen["ServerSideEncryption"] == "aws:kms"
    assert "alias/backups" in seen["SSEKMSKeyId"]


async def test_a_changed_object_is_found_out(world: PostgresqlWorld, endpoint: str, client: Any) -> None:
    backups = world.backups(s3=settings(endpoint))
    taken = await end(backups.take(KEY))
    key = taken.place.removeprefix(f"s3://{BUCKET}/")
    body = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    client.put_object(Bucket=BUCKET, Key=key, Body=body[: len(body) // 2])
    with pytest.raises(Refused, match="truncated"):
        await end(backups.verify(taken, Proof.READ))
    client.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(Refused, match="NoSuchKey"):
        await end(backups.verify(taken, Proof.READ))


async def test_a_dump_that_fails_leaves_no_upload(world: PostgresqlWorld, endpoint: str, client: Any) -> None:
    with world.locked("orders"):
        async with under_way(world.backups(s3=settings(endpoint)).take(KEY)) as task:
            (program,) = await eventually(lambda: programs("pg_dump"))
            assert len(uploads(client)) == 1
            program.kill()
            with pytest.raises(Unavailable, match="SIGKILL"):
                await task
    assert uploads(client) == []
    assert keys(client) == []


async def test_an_upload_that_fails_ends_the_dump_and_is_aborted(
    world: PostgresqlWorld, endpoint: str, client: Any
) -> None:
    world.fill(100_000)
    seen: list[int] = []

    def never_the_second(request: bytes) -> bytes:
        if b"partNumber=2" in request:
            seen.append(len(uploads(client)))
            return b""
        return request

    async with relayed_port(port_of(endpoint), requests=never_the_second) as port:
        backups = world.backups(s3=settings(f"http://127.0.0.1:{port}"), compression=1)
        with pytest.raises(Unavailable, match="cannot be reached"):
            await end(backups.take(KEY))
    assert len(seen) == ATTEMPTS
    assert set(seen) == {1}
    assert uploads(client) == []
    assert keys(client) == []
    assert programs("pg_dump") == []


async def test_a_part_that_arrives_as_another_is_found_out(
    world: PostgresqlWorld, endpoint: str, client: Any
) -> None:
    world.fill(100_000)

    def a_bit(request: bytes) -> bytes:
        # In the middle of a part, where there are no headers.
        whole = len(request) == CHUNK and b"HTTP/1.1" not in request
        return request[:-1] + bytes([request[-1] ^ 1]) if whole else request

    async with relayed_port(port_of(endpoint), requests=a_bit) as port:
        backups = world.backups(s3=settings(f"http://127.0.0.1:{port}"), compression=1)
        with pytest.raises((Refused, Unavailable)):  # S3 itself declines it; moto leaves it to us
            await end(backups.take(KEY))
    assert uploads(client) == []
    assert keys(client) == []


async def test_stale_uploads_of_the_same_backup_are_removed(
    world: PostgresqlWorld, endpoint: str, client: Any
) -> None:
    backups = world.backups(s3=settings(endpoint))
    taken = await end(backups.take(KEY))
    key = taken.place.removeprefix(f"s3://{BUCKET}/")
    manifest = key.removesuffix(".dump") + ".json"
    client.delete_object(Bucket=BUCKET, Key=manifest)  # as if it had been killed before
    client.create_multipart_upload(Bucket=BUCKET, Key=key)
    assert await backups.list() == ()
    again = await end(backups.take(KEY))
    assert again.place == taken.place
    assert uploads(client) == []

    client.create_multipart_upload(Bucket=BUCKET, Key=key.replace("backup", "other"))
    client.put_object(Bucket=BUCKET, Key=key.replace("backup", "lonely"), Body=b"data without a manifest")
    assert len(await backups.prune()) == 2
    assert uploads(client) == []
    assert sorted(keys(client)) == [key, manifest]


async def test_an_upload_whose_process_is_killed_is_done_anew_with_the_same_key(
    world: PostgresqlWorld, endpoint: str, client: Any
) -> None:
    with world.locked("orders"):  # so that the upload is begun and cannot end
        child = await started(world, world.settings(s3=settings(endpoint)), KEY)
        try:
            await eventually(lambda: uploads(client))
        finally:
            child.kill()
            await child.wait()
    assert len(uploads(client)) == 1
    assert keys(client) == []

    backups = world.backups(s3=settings(endpoint))
    assert await backups.list() == ()
    taken = await end(backups.take(KEY))
    assert taken.proof is Proof.READ
    assert uploads(client) == []
    assert await backups.list() == (taken,)


async def test_old_ones_go_from_a_bucket_and_the_newest_proven_one_stays(
    world: PostgresqlWorld, endpoint: str, client: Any
) -> None:
    few: dict[str, Any] = {"keep": 1, "keep_for": timedelta(0), "verify": "none"}
    proven = await end(world.backups(s3=settings(endpoint)).take("first"))
    second = await end(world.backups(s3=settings(endpoint), **few).take("second"))
    third = await end(world.backups(s3=settings(endpoint), **few).take("third"))
    assert await world.backups(s3=settings(endpoint), keep=1).prune() == ()  # young enough
    backups = world.backups(s3=settings(endpoint), **few)
    assert await backups.prune() == (second.id,)
    assert await backups.list() == (third, proven)
    assert len(keys(client)) == 4


async def test_what_is_wrong_with_the_bucket_is_said(
    world: PostgresqlWorld, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused, match="NoSuchBucket"):
        await end(world.backups(s3=settings(endpoint, bucket="nowhere")).take(KEY))
    with pytest.raises(Unavailable, match="cannot be reached"):
        await end(world.backups(s3=settings("http://127.0.0.1:9", part_timeout="1s")).take(KEY))
    for name in ("HOME", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(world.folder / "nothing"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    without = settings(endpoint) | {"access_key": None, "secret_key": None}
    with pytest.raises(AuthFailed, match="no credentials"):
        await end(world.backups(s3=without).take(KEY))


def test_keys_are_not_shown() -> None:
    shown = repr(S3Settings(bucket=BUCKET, access_key="AKIA-key", secret_key="the-secret"))
    assert "AKIA-key" not in shown
    assert "the-secret" not in shown
