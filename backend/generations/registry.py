"""Shows the models that there are: from the code, from what operators said, and from what Triton has loaded."""

from typing import Any

from backend.generations import rollouts
from backend.generations.rollouts import Versions
from inference import client
from inference.errors import TritonUnavailable
from inference.models import Model
from inference.registry import MODELS, TASKS

_MEGAPIXEL = 1000  # a side
TRITON_S = 1.0  # a page does not wait longer for it


def models() -> list[dict[str, Any]]:
    """Each with the tasks that use it and its versions, the newest first."""
    try:
        loaded = client.describe(timeout_s=TRITON_S).loaded
    except TritonUnavailable:
        loaded = None
    return [_model(name, versions, loaded) for name, versions in rollouts.all_versions().items()]


def _model(name: str, versions: Versions, loaded: frozenset[str] | None) -> dict[str, Any]:
    tasks = [task for task in TASKS.values() if task.model == name]
    costs = [task.cost_s(_MEGAPIXEL, _MEGAPIXEL, task.parameters.model_construct()) for task in tasks]
    return {
        "name": name,
        "tasks": [task.name for task in tasks],
        "s_per_megapixel": round(max(costs, default=0.0), 2),
        "versions": [_version(model, versions, loaded) for model in reversed(list(MODELS[name].values()))],
    }


def _version(model: Model, versions: Versions, loaded: frozenset[str] | None) -> dict[str, Any]:
    return {
        "version": model.version,
        "percent": versions.share(model),
        "is_tried": model == versions.tried,
        "is_loaded": None if loaded is None else model.served in loaded,
        "card": model.card,
        "licence": model.licence,
        "figures": model.figures,
        "memory_mb": model.memory_mb,
        "scale": model.scale,
        "source_sha256": model.source.sha256,
    }
