"""Keeps what a network made as an asset: encode and write before the transaction, keep inside the caller's."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.assets import content, pictures
from backend.assets.models import Asset, Lineage
from backend.assets.pictures import Rendition
from backend.assets.services import announce
from backend.core import ids, rows


@dataclass(frozen=True, slots=True)
class Result:
    """A network's picture as files, and its content's name."""

    whole: Rendition
    renditions: dict[str, Rendition]
    sha256: str

    @property
    def is_small(self) -> bool:
        """So that it may be written while a transaction waits for it."""
        return len(self.whole.data) <= content.SMALL_BYTES


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a result came from: enough to make it again."""

    parent_id: uuid.UUID
    job_id: uuid.UUID
    task: str
    task_version: str
    model: str
    model_version: str
    model_digest: str
    dtype: str
    parameters: dict[str, Any]
    compute_us: int
    steps: list[dict[str, Any]] | None = None  # each with these, where it was made by several


def encode(pixels: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8] | None) -> Result:
    """Of (H, W, 3) uint8 RGB and, where the input had one, its alpha (h, w, 1) uint8 of any size."""
    whole, renditions = pictures.encode_result(pixels, alpha)
    return Result(whole, renditions, hashlib.sha256(whole.data).hexdigest())


def write(workspace_id: uuid.UUID, result: Result) -> None:
    """Write the objects before the transaction that keeps them. Raises StorageUnavailable."""
    content.write(workspace_id, result.sha256, result.whole, result.renditions)


@contextmanager
def kept(
    result: Result,
    made: Provenance,
    *,
    is_written: bool,
    workspace_id: uuid.UUID,
    project_id: uuid.UUID,
    name: str,
    by: uuid.UUID,
) -> Iterator[Asset]:
    """Make the result an asset, in the caller's transaction and workspace, whose lease it has checked. One that is not
    written yet, which must be small, is written beside all that is done inside.

    Raises:
        ContentVanished: write the result again, then keep it.
        StorageUnavailable: it was not written within a second.
        IntegrityError: the job has its result already.
    """
    content_of = workspace_id, result.sha256
    there = content.held(*content_of) if is_written else content.written(*content_of, result.whole, result.renditions)
    with there:
        asset = Asset(
            id=ids.new_id(),
            workspace_id=workspace_id,
            project_id=project_id,
            name=name,
            media_type=result.whole.media_type,
            width=result.whole.width,
            height=result.whole.height,
            size_bytes=len(result.whole.data),
            sha256=result.sha256,
            renditions=content.describe(workspace_id, result.sha256, result.whole, result.renditions),
            created_by_id=by,
        )
        rows.add(asset)
        asset.lineage = Lineage(
            asset=asset,
            workspace_id=workspace_id,
            parent_id=made.parent_id,
            job_id=made.job_id,
            task=made.task,
            task_version=made.task_version,
            model=made.model,
            model_version=made.model_version,
            model_digest=made.model_digest,
            dtype=made.dtype,
            parameters=made.parameters,
            compute_us=made.compute_us,
            steps=made.steps,
        )
        rows.add(asset.lineage)
        announce(asset, parent_id=made.parent_id, job_id=made.job_id)
        yield asset
