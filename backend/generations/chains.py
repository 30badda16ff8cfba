"""Says what a job's steps are, what goes into each, what they cost, and by what their pictures are known. No I/O."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from backend.generations.models import Job
from inference.contracts import Task
from inference.models import Model
from inference.registry import task_named

RECIPE = "recipe"  # the task of a job that has several


@dataclass(frozen=True, slots=True)
class ChainStep:
    """A task with its parameters. `version`: of the model that it must be run by, where one must."""

    task: Task
    parameters: BaseModel
    version: int | None = None

    def written(self) -> dict[str, Any]:
        """As a recipe and a job hold it."""
        return {
            "task": self.task.name,
            "task_version": self.task.version,
            "parameters": self.parameters.model_dump(mode="json"),
            **({} if self.version is None else {"model_version": self.version}),
        }


Chain = Sequence[ChainStep]


def read(steps: Sequence[dict[str, Any]]) -> list[ChainStep]:
    """Of what `ChainStep.written` gave. Raises: UnknownTask; ValidationError, where this release takes it no longer."""
    return [_step(one["task"], one["parameters"], one.get("model_version")) for one in steps]


def of_job(job: Job) -> list[ChainStep]:
    """What a job runs. Raises: as `read`."""
    if job.recipe is not None:
        return read(job.recipe["steps"])
    return [_step(job.task, job.parameters, job.model_version)]


def check_sizes(chain: Chain, *, width: int, height: int) -> None:
    """Raises: PictureTooLarge, of the first step that does not take what it would be given."""
    for step, (wide, high) in zip(chain, _sizes(chain, width, height), strict=False):
        step.task.check_size(width=wide, height=high, parameters=step.parameters)


def costs_s(chain: Chain, *, width: int, height: int) -> list[float]:
    """Seconds of compute of each step, as estimated."""
    return [
        step.task.cost_s(wide, high, step.parameters)
        for step, (wide, high) in zip(chain, _sizes(chain, width, height), strict=False)
    ]


def units_of(chain: Chain, models: Sequence[Model], *, width: int, height: int) -> list[int]:
    """How many tiles each step has, or parts of them."""
    return [
        sum(len(model.parts(tile)) for tile in model.plan(width=wide, height=high))
        for model, (wide, high) in zip(models, _sizes(chain, width, height), strict=False)
    ]


def contents(input_sha256: str, chain: Chain, models: Sequence[Model]) -> list[str]:
    """By what the picture after each step is known: the SHA-256, in hex, of all that it is made of."""
    made_of: list[Any] = [input_sha256]
    names = []
    for step, model in zip(chain, models, strict=True):
        parameters = step.parameters.model_dump(mode="json")
        made_of.append([step.task.name, step.task.version, parameters, model.served, model.source.sha256])
        names.append(hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest())
    return names


def _step(task: str, parameters: dict[str, Any], version: int | None) -> ChainStep:
    contract = task_named(task)
    return ChainStep(contract, contract.parameters.model_validate(parameters), version)


def _sizes(chain: Chain, width: int, height: int) -> Iterator[tuple[int, int]]:
    """What goes into each step, and what the last one gives."""
    yield width, height
    for step in chain:
        scale = step.task.scale(step.parameters)
        width, height = width * scale, height * scale
        yield width, height
