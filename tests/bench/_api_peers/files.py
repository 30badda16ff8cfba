"""The addresses of an asset's files, as every peer shows them."""

from typing import Any

from backend.assets.models import Asset


def files_of(asset: Asset) -> dict[str, dict[str, Any]]:
    original = {"media_type": asset.media_type, "width": asset.width, "height": asset.height}
    return {
        name: {
            "url": f"/assets/{asset.id}/renditions/{name}",
            "width": found["width"],
            "height": found["height"],
            "media_type": found["media_type"],
        }
        for name, found in {"original": original, **asset.renditions}.items()
    }
