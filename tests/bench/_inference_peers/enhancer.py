"""Hides the work that all peers do: read a picture, enlarge it in one piece, store a JPEG in S3.

The network and its dtype are ours. WEIGHTS, S3_ENDPOINT_URL, S3_ACCESS_KEY, S3_SECRET_KEY and S3_BUCKET say with what;
TORCH_THREADS, where it is not 0, how many threads PyTorch gets instead of its own choice.
"""

import io
import os
import uuid
from pathlib import Path

import boto3
import numpy as np
import torch
from PIL import Image

from inference.networks import dtypes
from inference.networks.span import Span


class Enhancer:
    """The network in memory, and the way to S3. One for each process that computes."""

    def __init__(self) -> None:
        if threads := int(os.environ.get("TORCH_THREADS", "0")):
            torch.set_num_threads(threads)
        dtype = getattr(torch, dtypes.best(on_gpu=False))
        self._network = Span.load(Path(os.environ["WEIGHTS"]), device=torch.device("cpu"), dtype=dtype)
        self._s3 = boto3.client(
            "s3",
            endpoint_url=os.environ["S3_ENDPOINT_URL"],
            aws_access_key_id=os.environ["S3_ACCESS_KEY"],
            aws_secret_access_key=os.environ["S3_SECRET_KEY"],
            region_name="us-east-1",
        )

    def enhance(self, path: str) -> str:
        """The result's key in S3."""
        with Image.open(path) as picture:
            pixels = np.array(picture.convert("RGB"))
        result, _doubt = self._network.run(torch.from_numpy(pixels))
        encoded = io.BytesIO()
        Image.fromarray(result.numpy()).save(encoded, "JPEG", quality=92)
        key = f"bench/{uuid.uuid4()}.jpg"
        self._s3.put_object(Bucket=os.environ["S3_BUCKET"], Key=key, Body=encoded.getvalue(), ContentType="image/jpeg")
        return key
