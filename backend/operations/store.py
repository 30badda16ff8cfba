"""Examines S3 as browsers meet it: a presigned PUT of one object, and what the store must refuse."""

import hashlib
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx
from django.conf import settings

from backend.core import ids, storage
from backend.core.storage import StorageUnavailable
from backend.operations.findings import Finding, clock, failure, http_client, judged, named, ok

DATA = b"Written by manage.py doctor, and deleted again."
OTHER = DATA.swapcase()  # as long, and not what was signed


def examine() -> Iterator[Finding]:
    try:
        with http_client(settings.S3_ENDPOINT_URL) as http:
            began = time.perf_counter()
            answer = http.get(settings.S3_ENDPOINT_URL)  # before boto3 asks, which asks three times
            took_ms = 1000 * (time.perf_counter() - began)
            yield ok("s3.reachable", f"answers in {took_ms:.0f} ms")
            yield from _clock(answer)
            if not storage.ready():
                said = f"the bucket {settings.S3_BUCKET} is not there, or our key may not use it"
                yield failure("s3.bucket", said, "Make it, mend S3_BUCKET, S3_ACCESS_KEY or S3_SECRET_KEY.")
                return
            yield ok("s3.bucket", settings.S3_BUCKET)
        with http_client(settings.S3_PUBLIC_URL) as http:
            yield from _round_trip(http)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        yield failure(
            "s3.reachable", named(exc), "Start it, or mend S3_ENDPOINT_URL. Meanwhile no picture comes or goes."
        )
    except StorageUnavailable as exc:
        yield failure("s3.use", exc.detail, "Look at its log: it answers, but does not do what we ask.")


def _clock(answer: httpx.Response) -> Iterator[Finding]:
    if "Date" in answer.headers:
        # Its Date has no fraction of a second: it is 0 to 1 s behind.
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp() + 0.5
        yield clock("s3.clock", theirs - time.time())


def _round_trip(http: httpx.Client) -> Iterator[Finding]:
    key = f"doctor/{ids.new_id()}"
    try:
        yield from _put(http, key)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        said = f"{named(exc)} at {settings.S3_PUBLIC_URL}"
        yield failure("s3.presigned_put", said, "Mend S3_PUBLIC_URL: it is where browsers send pictures to.")
    finally:
        storage.delete(key)


def _put(http: httpx.Client, key: str) -> Iterator[Finding]:
    sha256 = hashlib.sha256(DATA).hexdigest()
    url, headers = storage.presign_put(key, size_bytes=len(DATA), sha256=sha256, media_type="text/plain")
    wrong = http.put(url, content=OTHER, headers=headers)
    said = f"other bytes than those signed: {wrong.status_code}"
    advice = "This store does not check x-amz-checksum-sha256: uploads are still verified, but only after they came."
    yield judged(wrong.status_code >= 400, "s3.checksum", said, advice, level="warning")
    right = http.put(url, content=DATA, headers=headers)
    good = right.status_code < 300 and storage.exists(key)
    advice = "Check that S3_PUBLIC_URL leads to this store under the very host name that is signed."
    yield judged(good, "s3.presigned_put", f"a PUT and its look: {right.status_code}", advice)
    stranger = http.get(url.partition("?")[0])
    said = f"without a signature: {stranger.status_code}"
    yield judged(stranger.status_code in (401, 403), "s3.strangers", said, "Take public reading from the bucket.")
    asked = {
        "Origin": settings.ATELIER_URL,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": ",".join(sorted(name.lower() for name in headers)),
    }
    allowed = http.options(url, headers=asked).headers.get("Access-Control-Allow-Origin", "")
    said = f"for {settings.ATELIER_URL}: {allowed or 'refused'}"
    advice = "Let the bucket's CORS allow PUT and GET from ATELIER_URL, all headers: else browsers can't upload."
    yield judged(allowed in ("*", settings.ATELIER_URL), "s3.cors", said, advice)
