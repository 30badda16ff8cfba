"""Gives an asset's bytes to those who may read it at that moment: no address works for anybody whose right has ended.

The bytes pass through this process. A presigned address would spare that, but whoever holds one reads on for as long as
it is good, and lists would sign three of them for each asset.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import quote

from django.http import HttpResponse, StreamingHttpResponse
from ninja import Router

from backend.api.auth import Request
from backend.api.contract import raises
from backend.api.schemas import AssetId
from backend.assets.errors import RangeOutside
from backend.assets.queries import Download, access_download
from backend.core import conditions, storage, tenancy
from backend.core.errors import NotFound

router = Router(tags=["assets"])
READERS = 8  # threads of their own: a store that hangs holds up downloads and nothing else
CHUNK_BYTES = 256 * 1024  # what is smaller, as a thumbnail is, leaves in one piece
BYTES = {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}


@router.get(
    "/assets/{asset_id}/renditions/{rendition}",
    response={200: None},
    operation_id="download_asset",
    openapi_extra={
        "responses": {
            200: {"description": "The bytes.", **BYTES},
            206: {"description": "The part that `Range` asks for.", **BYTES},
            304: {"description": "The same bytes as those of your `If-None-Match`."},
        }
    },
)
@raises(RangeOutside)
def download_asset(request: Request, asset_id: AssetId, rendition: str) -> HttpResponse | StreamingHttpResponse:
    """An asset's bytes: `original`, `web` (at most 2048 pixels) or `thumbnail` (256). Takes Range and If-None-Match.

    Rights are read at each request. Content never changes under one address and ETag, so keep it as long as you like.
    """
    with tenancy.acting(person_id=request.person_id):  # a slow store must not hold a transaction
        found = access_download(request.person_id, asset_id, rendition)
    if conditions.is_known(request, found.etag):
        return _with_headers(HttpResponse(status=304), found)
    try:
        body = storage.open_object(found.key, range_header=_range(request, found.etag))
    except storage.ObjectMissing as exc:
        raise NotFound("The bytes of this asset are not there.") from exc
    except storage.RangeNotSatisfiable as exc:
        raise RangeOutside from exc
    status = 206 if body.content_range else 200
    response: HttpResponse | StreamingHttpResponse
    if body.size_bytes <= CHUNK_BYTES:
        with closing(body.stream):
            response = HttpResponse(storage.read_chunk(body, CHUNK_BYTES), status=status)
    else:
        response = StreamingHttpResponse(_chunks(body), status=status)
    response["Content-Length"] = str(body.size_bytes)
    if body.content_range:
        response["Content-Range"] = body.content_range
    return _with_headers(response, found)


def _range(request: Request, etag: str) -> str | None:
    """The range to read: one of bytes, and only of the content that the client has the beginning of."""
    asked = request.headers.get("Range", "")
    if not asked.startswith("bytes=") or "," in asked or request.headers.get("If-Range", etag) != etag:
        return None  # several ranges, or another unit: the whole is a right answer to them
    return asked


def _with_headers(
    response: HttpResponse | StreamingHttpResponse, found: Download
) -> HttpResponse | StreamingHttpResponse:
    response["Content-Type"] = found.media_type
    response["ETag"] = found.etag
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, max-age=1800"  # a browser shows what it has seen; others keep nothing
    response["Vary"] = "Cookie, Authorization"
    if found.filename:
        response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(found.filename, safe='')}"
    return response


_readers = ThreadPoolExecutor(READERS, thread_name_prefix="download")


async def _chunks(body: storage.Body) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    with closing(body.stream):
        while chunk := await loop.run_in_executor(_readers, storage.read_chunk, body, CHUNK_BYTES):
            yield chunk
