"""Compares what a job made when it is run again with what it made the first time."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from backend.assets import pictures
from backend.assets.queries import Made, made_by
from backend.assets.results import Result
from backend.core import storage, tenancy
from backend.generations.errors import InputGone


def compared(
    workspace_id: uuid.UUID, first_job: uuid.UUID, result: Result, models: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """As `Job.comparison` holds it. `models`: digest and dtype of what made the result, step by step.

    Raises: InputGone, where the first result was deleted; StorageUnavailable.
    """
    with tenancy.acting(workspace_id=workspace_id):
        first = made_by(first_job)
    if first is None:
        raise InputGone("The result that this one was to be compared with is no longer there.")
    same_model = [(model.digest, model.dtype) for model in first.models] == list(models)
    if first.sha256 == result.sha256:
        return {"identical": True, "same_model": same_model, "max_difference": 0, "psnr_db": None}
    found = _difference(first, result)
    return {
        "identical": False,
        "same_model": same_model,
        "max_difference": found.most if found else None,
        "psnr_db": round(found.psnr_db, 2) if found and found.psnr_db else None,
    }


def _difference(first: Made, result: Result) -> pictures.Difference | None:
    with storage.scratch() as old, storage.scratch() as new:
        try:
            storage.download(first.key, old, max_bytes=settings.MAX_RESULT_BYTES)
        except storage.ObjectMissing as exc:
            raise InputGone("The bytes of the first result are no longer there.") from exc
        new.write_bytes(result.whole.data)
        return pictures.difference(old, new)
