"""Hides which tasks and models there are: those of Atelier, and those of the modules that INFERENCE_TASKS names.

Such a module has a `TASK` and the `MODELS` that it brings, each version one; `inference/examples` holds two.
Imports no torch.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from types import MappingProxyType

from inference import contracts, models
from inference.contracts import Task
from inference.errors import UnknownModel, UnknownTask
from inference.models import Model

Tasks = Mapping[str, Task]
Models = Mapping[str, Mapping[int, Model]]  # by name, then version


def load(modules: Iterable[str]) -> tuple[Tasks, Models]:
    """With those of `modules`. Raises: ImportError, AttributeError; ValueError where they don't fit together."""
    added = [import_module(name) for name in modules]
    ours = (contracts.ENHANCE, contracts.DENOISE, contracts.EDGES, contracts.CANNY)
    tasks: dict[str, Task] = {}
    for task in (*ours, *(module.TASK for module in added)):
        if task.name in tasks:
            raise ValueError(f"INFERENCE_TASKS: there are two tasks of the name {task.name}.")
        tasks[task.name] = task
    found: dict[str, dict[int, Model]] = {}
    for model in (models.SPAN_X2, models.SPAN_X2_WIDE, models.FFDNET, models.HED, models.CANNY, *_brought(added)):
        versions = found.setdefault(model.name, {})
        if model.version in versions:
            raise ValueError(f"INFERENCE_TASKS: there are two models {model.name} of version {model.version}.")
        versions[model.version] = model
        if len({version.scale for version in versions.values()}) > 1:
            raise ValueError(f"INFERENCE_TASKS: the versions of {model.name} differ in scale.")
    if homeless := sorted(task.model for task in tasks.values() if task.model not in found):
        raise ValueError(f"INFERENCE_TASKS: there is no model {homeless[0]}.")
    if untried := sorted(name for name, versions in found.items() if not any(one.stable for one in versions.values())):
        raise ValueError(f"INFERENCE_TASKS: no version of {untried[0]} is stable.")
    return MappingProxyType(tasks), MappingProxyType(
        {name: MappingProxyType(dict(sorted(versions.items()))) for name, versions in found.items()}
    )


def _brought(modules: Iterable[object]) -> Iterator[Model]:
    for module in modules:
        yield from module.MODELS  # type: ignore[attr-defined]  # named by an operator


TASKS, MODELS = load(name.strip() for name in os.environ.get("INFERENCE_TASKS", "").split(",") if name.strip())


def task_named(name: str) -> Task:
    """Raises: UnknownTask."""
    try:
        return TASKS[name]
    except KeyError:
        raise UnknownTask(f"There is no task of this name. There are: {', '.join(TASKS)}.") from None


def model_named(name: str, version: int | None = None) -> Model:
    """Without a version, the newest that is stable. Raises: UnknownModel."""
    versions = MODELS.get(name)
    if versions is None:
        raise UnknownModel(f"There is no model of this name. There are: {', '.join(MODELS)}.")
    if version is None:
        return max((one for one in versions.values() if one.stable), key=lambda one: one.version)
    if version not in versions:
        raise UnknownModel(f"{name} has no version {version}. It has: {', '.join(map(str, versions))}.")
    return versions[version]


def every_model() -> Iterator[Model]:
    """All versions of all models."""
    for versions in MODELS.values():
        yield from versions.values()
