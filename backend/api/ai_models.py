"""The registry of models: what there is, under which terms, how good and how dear it is, and what jobs are run by.

Not named `models`: that is where Django looks for tables as it starts.
"""

from typing import Annotated, Any

from ninja import Field, Router, Schema

from backend.api.auth import Request
from backend.generations import registry

router = Router(tags=["models"])


class ModelVersionOut(Schema):
    version: int
    percent: Annotated[int, Field(description="Of a hundred jobs, so many are run by this version now.")]
    is_tried: Annotated[bool, Field(description="It gets its share to be tried; where it fails the stable one helps.")]
    is_loaded: Annotated[bool | None, Field(description="Null while the inference server is away.")]
    card: Annotated[str, Field(description="What it is for, where it comes from, where it is weak.")]
    licence: Annotated[str, Field(description="Of the weights.")]
    figures: Annotated[str, Field(description="How good it was found to be.")]
    memory_mb: int
    scale: Annotated[int, Field(description="How many times wider and higher a result is.")]
    source_sha256: Annotated[str, Field(description="Of the file that the weights come from; empty where it has none.")]


class ModelOut(Schema):
    name: str
    tasks: Annotated[list[str], Field(description="What it is used for.")]
    s_per_megapixel: Annotated[float, Field(description="Seconds of compute for a picture of a megapixel, estimated.")]
    versions: list[ModelVersionOut]


class ModelsOut(Schema):
    items: list[ModelOut]


@router.get("/models", response={200: ModelsOut}, operation_id="list_models")
def list_models(request: Request) -> dict[str, Any]:
    """The models behind the tasks, with all their versions. Operators change them by `manage.py models`."""
    return {"items": registry.models()}
