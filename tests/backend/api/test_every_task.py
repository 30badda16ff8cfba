"""Every task of the studio on every kind of picture, by the live worker on the real Triton."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.test import Client
from PIL import Image

from tests.backend.api.test_jobs import ended, picture, submit
from tests.backend.assets.test_pictures import photo
from tests.conftest import Studio

Api = Callable[[Any], Client]


def glass() -> Image.Image:
    """Clear on the left."""
    image = photo(90, 60, "RGBA")
    image.putalpha(Image.linear_gradient("L").rotate(90).resize(image.size))
    return image


def sixteen_bits() -> Image.Image:
    ramp = np.linspace(0, 65535, 90 * 60, dtype=np.uint16).reshape(60, 90)
    return Image.fromarray(ramp)


PICTURES = {
    "a pixel": (photo(1, 1), "PNG"),
    "a strip": (photo(1, 30_000), "PNG"),
    "six pixels": (photo(3, 2), "WEBP"),
    "alpha": (glass(), "PNG"),
    "CMYK": (photo(90, 60, "CMYK"), "JPEG"),
    "grey": (photo(90, 60, "L"), "JPEG"),
    "16 bits": (sixteen_bits(), "PNG"),
}


@pytest.mark.parametrize(("task", "scale"), [("enhance", 2), ("denoise", 1), ("edges", 1), ("canny", 1)])
def test_every_task_takes_every_picture(studio: Studio, api: Api, task: str, scale: int) -> None:
    """However small, long, deep or coloured it is; the result is as large as the task says, and shown."""
    client = api(studio.ada)
    asked = {
        name: submit(client, studio, picture(client, studio, image, kind), task=task, parameters={}).json()["id"]
        for name, (image, kind) in PICTURES.items()
    }
    for name, job_id in asked.items():
        image, job = PICTURES[name][0], ended(client, job_id, within_s=120.0)
        assert (job["state"], job["error"]) == ("succeeded", None), name
        made = client.get(f"/api/v1/assets/{job['output_asset_id']}").json()
        assert (made["width"], made["height"]) == (scale * image.width, scale * image.height), name
        whole = Image.open(io.BytesIO(client.get(made["renditions"]["original"]["url"]).content))
        assert whole.mode == ("RGBA" if image.mode == "RGBA" else "RGB"), name
