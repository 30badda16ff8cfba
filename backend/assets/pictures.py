"""Hides libvips: what a picture file holds, its renditions, its pixels for a network, and back to a file.

Nothing here trusts a name or a declared type: the first bytes and the decoder decide. Every decode is preceded by a
look at the header alone, so that a small file that claims a billion pixels costs nothing (decompression bomb).
"""

import logging
import math
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Before libvips starts its threads: it would take one a core for each of several pictures decoded at once.
os.environ.setdefault("VIPS_CONCURRENCY", "2")

import numpy as np
import pyvips

from backend.assets.errors import PictureBroken, TooManyPixels, UnsupportedPicture
from backend.core import arrays

MediaType = Literal["image/jpeg", "image/png", "image/webp"]
SUPPORTED: tuple[str, ...] = ("image/jpeg", "image/png", "image/webp")
EXTENSIONS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
THUMBNAIL_PX, WEB_PX = 256, 2048
RESULT_QUALITY = 92
_LOADERS = {"image/jpeg": "jpegload", "image/png": "pngload", "image/webp": "webpload"}
_WEBP_MAX_PX = 16_383
_LET_GO_BYTES = 16 * 1024 * 1024
_NO_LIMIT_PX = 10_000_000  # what libvips takes as "any size"
_CUT_OFF = "The picture is truncated or damaged: its data can't be read to the end."
_METADATA = ("exif-data", "xmp-data", "iptc-data", "icc-profile-data")

logging.getLogger("pyvips").setLevel(logging.WARNING)  # it tells each step of each picture
pyvips.cache_set_max(0)  # of what a path named: files are read once, and the paths of scratch files come again
# At most this many pictures are decoded at once in a process, whatever the number of requests and jobs.
_decoding = threading.BoundedSemaphore(4)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file is by its content. `width` and `height` are as seen, after the EXIF rotation."""

    media_type: MediaType
    width: int
    height: int
    has_alpha: bool
    is_plain: bool  # upright, sRGB, 8 bits, no metadata

    @property
    def web_ready(self) -> bool:
        """Shown as it is."""
        return self.is_plain and max(self.width, self.height) <= WEB_PX and self.media_type != "image/png"


@dataclass(frozen=True, slots=True)
class Rendition:
    data: bytes
    media_type: MediaType
    width: int
    height: int


def sniff(head: bytes) -> MediaType:
    """The type that the first 32 bytes show. Raises UnsupportedPicture with what they show instead."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    seen = _name_other(head)
    raise UnsupportedPicture(f"By its content this is {seen}. Atelier takes JPEG, PNG and WebP.", seen=seen)


def _name_other(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")):
        return "SVG or XML"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head[4:8] == b"ftyp":
        return "HEIC, AVIF or a video"
    if head.startswith((b"II*\x00", b"MM\x00*")):
        return "TIFF"
    if head.startswith(b"%PDF"):
        return "PDF"
    return "no picture"


def inspect(path: Path, *, max_pixels: int) -> Inspection:
    """Read the header of the file at `path`.

    Raises:
        UnsupportedPicture: neither JPEG, PNG nor WebP, or animated.
        PictureBroken: the header can't be read.
        TooManyPixels: more than `max_pixels`; nothing was decoded.
    """
    with path.open("rb") as file:
        media_type = sniff(file.read(32))
    try:
        image: pyvips.Image = getattr(pyvips.Image, _LOADERS[media_type])(str(path), access="sequential")
    except pyvips.Error as exc:
        raise PictureBroken("The picture's header is damaged or cut off.") from exc
    if image.width * image.height > max_pixels:
        raise TooManyPixels(
            f"The picture has {image.width} x {image.height} pixels; the limit is {max_pixels} in all.",
            width=image.width,
            height=image.height,
            max_pixels=max_pixels,
        )
    fields = set(image.get_fields())
    if "n-pages" in fields and image.get("n-pages") > 1:
        raise UnsupportedPicture("This picture is animated. Atelier takes still pictures.", seen="animation")
    turned = "orientation" in fields and image.get("orientation") >= 5
    width, height = (image.height, image.width) if turned else (image.width, image.height)
    plain = image.format == "uchar" and image.interpretation == "srgb" and fields.isdisjoint(_METADATA)
    return Inspection(
        media_type=media_type,
        width=width,
        height=height,
        has_alpha=image.hasalpha(),
        is_plain=plain and "orientation" not in fields,
    )


def render(path: Path, *, max_px: int, quality: int = 82) -> Rendition:
    """A rendition of at most `max_px` a side: upright, sRGB, 8 bits, no metadata; JPEG, or WebP with alpha.

    Raises:
        PictureBroken: truncated or damaged, for every byte of the file is decoded on the way.
    """
    with _decoding:
        try:
            return _encode(_plain_srgb(_upright_srgb(path, max_px)), quality=quality)
        except pyvips.Error as exc:
            raise PictureBroken(_CUT_OFF) from exc


def _upright_srgb(path: Path, max_px: int) -> pyvips.Image:
    header = pyvips.Image.new_from_file(str(path), access="sequential")
    managed = header.interpretation == "cmyk" or "icc-profile-data" in header.get_fields()
    image: pyvips.Image = pyvips.Image.thumbnail(
        str(path),
        max_px,
        height=max_px,
        size="down",
        # Through profiles only where there is one: libvips takes 45 ms for sRGB to sRGB.
        **({"output_profile": "srgb"} if managed else {}),
        # A decoder that fills what is missing with grey would let a truncated file pass.
        fail_on="error",
    )
    return image


def read_pixels(path: Path, *, max_pixels: int) -> tuple[arrays.Bytes, arrays.Bytes | None]:
    """Upright in sRGB: (H, W, 3) uint8, and the alpha (H, W, 1) uint8 where there is one.

    Raises: as `inspect`; ScratchFull.
    """
    seen = inspect(path, max_pixels=max_pixels)

    def opened() -> pyvips.Image:
        if seen.is_plain:
            return pyvips.Image.new_from_file(str(path), access="sequential", fail_on="error")
        return _plain_srgb(_upright_srgb(path, _NO_LIMIT_PX))

    with _decoding:
        try:
            image = opened()
            if arrays.is_large((image.height, image.width, image.bands)):
                alpha = opened().extract_band(3) if image.bands == 4 else None
                return _decoded(image.extract_band(0, n=3)), None if alpha is None else _decoded(alpha)
            pixels: arrays.Bytes = image.numpy()
        except pyvips.Error as exc:
            raise PictureBroken(_CUT_OFF) from exc
    if pixels.shape[2] == 4:
        return np.ascontiguousarray(pixels[:, :, :3]), np.ascontiguousarray(pixels[:, :, 3:])
    return pixels, None


def _decoded(image: pyvips.Image) -> arrays.Bytes:
    """Row by row, so that a large picture is never in memory whole."""
    pixels, at = arrays.empty((image.height, image.width, image.bands)), 0
    flat = pixels.reshape(-1)

    def write(chunk: memoryview) -> int:
        nonlocal at
        flat[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
        if (at + len(chunk)) // _LET_GO_BYTES > at // _LET_GO_BYTES:
            arrays.let_go(pixels)
        at += len(chunk)
        return len(chunk)

    target = pyvips.TargetCustom()
    target.on_write(write)
    image.rawsave_target(target)
    arrays.let_go(pixels)
    return pixels


def _plain_srgb(image: pyvips.Image) -> pyvips.Image:
    """3 or 4 bands of 8 bits: greys become colours, 16 bits become 8."""
    image = image.colourspace("srgb")
    if image.format != "uchar":
        image = image.cast("uchar")
    return image


@dataclass(frozen=True, slots=True)
class Difference:
    """Between two pictures of one size. `most`: of any channel of any pixel, of 255."""

    most: int
    psnr_db: float | None  # None where nothing differs


def difference(one: Path, other: Path) -> Difference | None:
    """How far two picture files are apart once decoded; None where they differ in size. Neither is held whole.

    Raises: PictureBroken.
    """
    with _decoding:
        try:
            first, second = (_plain_srgb(_upright_srgb(path, _NO_LIMIT_PX)) for path in (one, other))
            if (first.width, first.height, first.bands) != (second.width, second.height, second.bands):
                return None
            # Its first row is of all bands: minimum, maximum, sum, sum of squares, ...
            stats = (first.cast("short") - second.cast("short")).abs().stats().numpy()[0]
        except pyvips.Error as exc:
            raise PictureBroken(_CUT_OFF) from exc
    mean_square = float(stats[3]) / (first.width * first.height * first.bands)
    return Difference(int(stats[1]), 10 * math.log10(255**2 / mean_square) if mean_square else None)


def encode_result(pixels: arrays.Bytes, alpha: arrays.Bytes | None) -> tuple[Rendition, dict[str, Rendition]]:
    """A network's output (H, W, 3) uint8 as a file, and its renditions: JPEG, or WebP with `alpha` scaled to its size.

    JPEG, not PNG: PNG of 1024² costs 283 ms where JPEG costs 8. A result up to the web size is its own web rendition.
    """
    source = _from_pixels(pixels)  # held until all is encoded, as is the mask: libvips calls back to them
    mask = None if alpha is None else _from_pixels(alpha)
    image = source if mask is None else _masked(source, mask)
    sizes = {"thumbnail": THUMBNAIL_PX} | ({"web": WEB_PX} if max(image.width, image.height) > WEB_PX else {})
    with _decoding:
        renditions = {
            name: _encode(_plain_srgb(image.thumbnail_image(px, height=px, size="down")), quality=82)
            for name, px in sizes.items()
        }
        return _encode(image, quality=RESULT_QUALITY), renditions


def encode_preview(pixels: arrays.Bytes) -> bytes:
    """Small (h, w, 4) uint8 as WebP."""
    with _decoding:
        data: bytes = _from_pixels(pixels).webpsave_buffer(Q=70, effort=0, keep="none")
    return data


def save_lossless(pixels: arrays.Bytes, to: Path) -> int:
    """Write (H, W, 3) uint8 into the file `to`, of which `read_pixels` gives the same: its size in bytes.

    Raises: ScratchFull.
    """
    image = _from_pixels(pixels)
    with _decoding:
        try:
            image.pngsave(str(to), compression=2, filter="sub", keep="none")  # a fortieth of a second for a megapixel
        except pyvips.Error as exc:
            raise arrays.ScratchFull from exc
    return to.stat().st_size


def _masked(image: pyvips.Image, mask: pyvips.Image) -> pyvips.Image:
    mask = mask.resize(image.width / mask.width, vscale=image.height / mask.height, kernel="cubic")
    return image.bandjoin(mask.cast("uchar")).copy(interpretation="srgb")


def _from_pixels(pixels: arrays.Bytes) -> pyvips.Image:
    height, width, bands = pixels.shape
    image: pyvips.Image = pyvips.Image.new_from_memory(
        np.ascontiguousarray(pixels).data, width, height, bands, "uchar"
    ).copy(interpretation="srgb" if bands >= 3 else "b-w")
    if arrays.is_large(pixels.shape):
        image.set_progress(True)
        image.signal_connect("eval", lambda *_: arrays.let_go(pixels))
    return image


def _encode(image: pyvips.Image, *, quality: int) -> Rendition:
    if image.hasalpha() and max(image.width, image.height) > _WEBP_MAX_PX:
        data = image.pngsave_buffer(compression=3, keep="none")
        return Rendition(data, "image/png", image.width, image.height)
    if image.hasalpha():
        data = image.webpsave_buffer(Q=quality, effort=2, keep="none")
        return Rendition(data, "image/webp", image.width, image.height)
    data = image.jpegsave_buffer(Q=quality, keep="none")
    return Rendition(data, "image/jpeg", image.width, image.height)
