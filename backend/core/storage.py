"""The one door to S3: hides boto3, its errors, keys, presigned addresses to PUT to and what the store enforces of them.

Keys hold the workspace: `{workspace}/uploads/{upload}` until an upload is verified, then `{workspace}/{sha256}`,
which says what the bytes are; a rendition is named after its original, `{workspace}/{sha256}.{name}`. What lies between
two steps of a recipe is `{workspace}/intermediates/{content}`, after what it was made of. Co-editing keeps its own
under `{workspace}/documents/{document}/`. SeaweedFS 4.48 was seen to enforce what a presigned PUT signs:
another length or header answers 403, other bytes than the signed SHA-256 answer 400.
"""

import base64
import hashlib
import io
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from backend.core import metrics, trace
from backend.core.errors import PartUnavailable, TooLarge

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

log = structlog.get_logger()
_CHUNK_BYTES = 1024 * 1024
# Fewer than the threads that serve requests: a store that hangs holds up those who need it, and no others.
_slots = threading.BoundedSemaphore(24)
_WAITED_FOR = {"get", "head"}


class ObjectMissing(Exception):
    """There is no object under the key."""


class StorageUnavailable(PartUnavailable):
    """S3 did not answer in time, or answered with an error of its own."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or "The storage of files is away for now; try again in a moment.", part="s3")


def upload_key(workspace_id: uuid.UUID, upload_id: uuid.UUID) -> str:
    return f"{workspace_id}/uploads/{upload_id}"


def content_key(workspace_id: uuid.UUID, sha256: str) -> str:
    return f"{workspace_id}/{sha256}"


def rendition_key(workspace_id: uuid.UUID, sha256: str, name: str) -> str:
    # Not "{sha256}/{name}": SeaweedFS keeps keys as paths, where a file can't be a folder too.
    return f"{workspace_id}/{sha256}.{name}"


def intermediate_key(workspace_id: uuid.UUID, content: str) -> str:
    return f"{workspace_id}/intermediates/{content}"


def _client(endpoint_url: str, *, read_timeout_s: int = 15, attempts: int = 3) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=settings.S3_REGION,
        aws_access_key_id=settings.S3_ACCESS_KEY,
        aws_secret_access_key=settings.S3_SECRET_KEY,
        config=Config(
            signature_version="s3v4",
            user_agent="atelier",  # botocore's own is written anew for each call, which takes a tenth of its time
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",  # SeaweedFS refuses the checksum trailers of newer boto3
            response_checksum_validation="when_required",
            connect_timeout=2,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=16,
        ),
    )


@cache
def _inside() -> "S3Client":
    return _client(settings.S3_ENDPOINT_URL)


@cache
def _public() -> "S3Client":
    """Signs for the address by which browsers reach the store, for the signature covers the host."""
    return _client(settings.S3_PUBLIC_URL)


@cache
def _impatient() -> "S3Client":
    """For what a request, or a transaction, waits for."""
    return _client(settings.S3_ENDPOINT_URL, read_timeout_s=5, attempts=1)


def warm() -> None:
    """Make what the first use of the store would wait for: half a second, in a fresh process."""
    _impatient()
    _inside()


@contextmanager
def _store(operation: str) -> Iterator["S3Client"]:
    """The client, for one operation: measured, with its errors as ours."""
    if not _slots.acquire(timeout=1.0):
        raise StorageUnavailable("The storage of files is slow just now; try again in a moment.")
    began, outcome = time.perf_counter(), "ok"
    try:
        with trace.span(f"s3.{operation}", kind="client"):
            yield _impatient() if operation in _WAITED_FOR else _inside()
    except ClientError as exc:
        status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
        outcome = "missing" if status == 404 else "refused"
        if status == 404:
            raise ObjectMissing from exc
        if status == 416:
            raise RangeNotSatisfiable from exc
        log.warning("storage.refused", code=exc.response["Error"].get("Code"), status=status)
        raise StorageUnavailable from exc
    except BotoCoreError as exc:
        outcome = "away"
        log.warning("storage.away", error=type(exc).__name__)
        raise StorageUnavailable from exc
    finally:
        _slots.release()
        metrics.STORE_DURATION.labels(operation, outcome).observe(time.perf_counter() - began)


def ensure_bucket(origins: list[str]) -> None:
    """Make the bucket if it is not there, and let pages of `origins` PUT to it and GET from it."""
    with _store("set_up") as s3:
        if settings.S3_BUCKET not in {bucket.get("Name") for bucket in s3.list_buckets()["Buckets"]}:
            s3.create_bucket(Bucket=settings.S3_BUCKET)
        s3.put_bucket_cors(
            Bucket=settings.S3_BUCKET,
            CORSConfiguration={
                "CORSRules": [
                    {
                        "AllowedOrigins": origins,
                        "AllowedMethods": ["GET", "HEAD", "PUT"],
                        "AllowedHeaders": ["*"],
                        "ExposeHeaders": ["ETag"],
                        "MaxAgeSeconds": 3600,
                    }
                ]
            },
        )


def presign_put(key: str, *, size_bytes: int, sha256: str, media_type: str) -> tuple[str, dict[str, str]]:
    """An address that takes exactly these bytes once or more until it expires, and the headers to send with them."""
    checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
    url = _public().generate_presigned_url(
        "put_object",
        Params={
            "Bucket": settings.S3_BUCKET,
            "Key": key,
            "ContentLength": size_bytes,
            "ContentType": media_type,
            "ChecksumSHA256": checksum,
        },
        ExpiresIn=settings.UPLOAD_EXPIRES_S,
    )
    return url, {"Content-Type": media_type, "x-amz-checksum-sha256": checksum}


@dataclass(frozen=True, slots=True)
class Body:
    """An object's bytes on their way. Whoever opened it reads it to its end or closes it."""

    size_bytes: int
    content_range: str | None  # of a part of the object, as HTTP says it
    stream: "StreamingBody"


class RangeNotSatisfiable(Exception):
    """The range lies outside the object."""


def open_object(key: str, *, range_header: str | None = None) -> Body:
    """Begin to read the object, or a part of it (an HTTP `Range` of bytes).

    Raises:
        ObjectMissing, RangeNotSatisfiable, StorageUnavailable.
    """
    asked = {"Range": range_header} if range_header else {}
    with _store("get") as s3:
        found = s3.get_object(Bucket=settings.S3_BUCKET, Key=key, **asked)  # type: ignore[arg-type]  # a str of ours
    return Body(found["ContentLength"], found.get("ContentRange"), found["Body"])


def read_chunk(body: Body, size_bytes: int) -> bytes:
    """The next bytes, at most that many; none at the end. Raises StorageUnavailable when the store breaks off."""
    with _store("read"):
        return body.stream.read(size_bytes)


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty file without a name, so that it goes with the process, however that ends."""
    with tempfile.TemporaryFile() as file:
        yield Path(f"/proc/self/fd/{file.fileno()}")


def download(key: str, to: Path, *, max_bytes: int) -> tuple[int, str]:
    """Stream the object into the file `to`: its length and SHA-256 in hex, of the bytes that came.

    Raises:
        ObjectMissing, StorageUnavailable.
        TooLarge: more than `max_bytes`; the rest was not read.
    """
    digest, size_bytes = hashlib.sha256(), 0
    with _store("download") as s3, to.open("wb") as file:
        body = s3.get_object(Bucket=settings.S3_BUCKET, Key=key)["Body"]
        with body:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                size_bytes += len(chunk)
                if size_bytes > max_bytes:
                    raise TooLarge(f"The file is larger than {max_bytes} bytes.", max_bytes=max_bytes)
                digest.update(chunk)
                file.write(chunk)
    return size_bytes, digest.hexdigest()


def read_into(key: str, buffer: memoryview) -> None:
    """Fill the buffer with the object. Raises: ObjectMissing; StorageUnavailable, also where it is of another size."""
    at = 0
    with _store("get") as s3:
        body = s3.get_object(Bucket=settings.S3_BUCKET, Key=key)["Body"]
        with body:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                at += len(chunk)
                if at <= len(buffer):
                    buffer[at - len(chunk) : at] = chunk
    if at != len(buffer):
        raise StorageUnavailable(f"The object has {at} bytes, not {len(buffer)}.")


class _Reader(io.RawIOBase):
    """Reads what lies in memory without copying all of it first."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._at = data, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = (0, self._at, len(self._data))[whence] + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        piece = self._data[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def put(key: str, data: bytes | memoryview, *, media_type: str) -> None:
    body = data if isinstance(data, bytes) else io.BufferedReader(_Reader(data), _CHUNK_BYTES)
    with _store("put") as s3:
        s3.put_object(Bucket=settings.S3_BUCKET, Key=key, Body=body, ContentType=media_type)


def put_file(key: str, path: Path, *, media_type: str) -> None:
    with path.open("rb") as file, _store("put") as s3:
        s3.put_object(Bucket=settings.S3_BUCKET, Key=key, Body=file, ContentType=media_type)


def copy(source: str, to: str, *, media_type: str) -> None:
    """Copy inside the store, under the media type that the content was found to have. Raises ObjectMissing."""
    with _store("copy") as s3:
        s3.copy_object(
            Bucket=settings.S3_BUCKET,
            Key=to,
            CopySource={"Bucket": settings.S3_BUCKET, "Key": source},
            ContentType=media_type,
            MetadataDirective="REPLACE",
        )


def exists(key: str) -> bool:
    try:
        with _store("head") as s3:
            s3.head_object(Bucket=settings.S3_BUCKET, Key=key)
    except ObjectMissing:
        return False
    return True


def delete(*keys: str) -> None:
    """Delete what is there of `keys`; what is not there is as good as deleted."""
    with _store("delete") as s3:
        for key in keys:
            s3.delete_object(Bucket=settings.S3_BUCKET, Key=key)


def keys_under(prefix: str) -> list[str]:
    """The first 1,000 keys that begin with `prefix`: for sweeps and tests."""
    with _store("list") as s3:
        answer = s3.list_objects_v2(Bucket=settings.S3_BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in answer.get("Contents", [])]


def ready() -> bool:
    """Whether the store answers for our bucket."""
    try:
        with _store("head_bucket") as s3:
            s3.head_bucket(Bucket=settings.S3_BUCKET)
    except (ObjectMissing, StorageUnavailable):
        return False
    return True
