"""Shows a job's picture while it is made: small, as far as it is, and transparent where nothing is yet.

It lies in Valkey while the job runs, and is gone when Valkey is: it is a kindness. A page asks for each by its number.
"""

import time
import uuid
from collections.abc import Sequence
from itertools import islice

import numpy as np
import redis
import structlog
from PIL import Image

from backend.assets import pictures
from backend.core import valkey
from backend.core.arrays import Bytes
from inference.runs import Area

log = structlog.get_logger()
SIDE_PX = 512
EVERY_S = 0.5
_LEAST_PARTS = 4  # of a picture that is made of fewer there is little to see before its end
_KEPT_S = 60


class Preview:
    """Of one job in the process that runs it."""

    def __init__(self, job_id: uuid.UUID) -> None:
        self.number = 0  # of the last one that was shown
        self._key = _key(job_id)
        self._small: Bytes | None = None
        self._taken = 0
        self._next_at = time.monotonic() + EVERY_S

    def show(self, picture: Bytes, areas: Sequence[Area], *, total: int) -> None:
        """What is made of `picture` by now: `areas`, of `total` in the end. Rarely, so ask as often as you like."""
        if time.monotonic() < self._next_at or total < _LEAST_PARTS or len(areas) == total:
            return
        try:
            valkey.client().set(self._key, pictures.encode_preview(self._taking(picture, areas)), ex=_KEPT_S)
        except redis.RedisError as exc:
            log.warning("preview.not_shown", error=type(exc).__name__)
        else:
            self.number += 1
        self._next_at = time.monotonic() + EVERY_S

    def begin(self) -> None:
        """Another picture is made from now on."""
        self._small, self._taken = None, 0

    def close(self) -> None:
        if self.number:
            try:
                valkey.client().delete(self._key)
            except redis.RedisError as exc:
                log.warning("preview.not_deleted", error=type(exc).__name__)

    def _taking(self, picture: Bytes, areas: Sequence[Area]) -> Bytes:
        height, width = picture.shape[:2]
        shrunk = min(1.0, SIDE_PX / max(height, width))
        high, wide = max(1, round(height * shrunk)), max(1, round(width * shrunk))
        small = self._small = np.zeros((high, wide, 4), np.uint8) if self._small is None else self._small
        for area in islice(areas, self._taken, None):
            top, bottom = (round(row * high / height) for row in (area.top, area.bottom))
            left, right = (round(column * wide / width) for column in (area.left, area.right))
            if top < bottom and left < right:
                piece = Image.fromarray(picture[area.top : area.bottom, area.left : area.right])
                size = right - left, bottom - top
                small[top:bottom, left:right, :3] = np.asarray(piece.resize(size, Image.Resampling.BOX))
                small[top:bottom, left:right, 3] = 255
            self._taken += 1
        return small


def latest(job_id: uuid.UUID) -> bytes | None:
    """The last one, as WebP. None where there is none, or no more."""
    try:
        found = valkey.client().get(_key(job_id))
    except redis.RedisError:
        return None
    return found if isinstance(found, bytes) else None


def _key(job_id: uuid.UUID) -> str:
    return f"preview:{job_id}"
