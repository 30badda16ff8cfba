"""What a file is by its content, and what is refused: pure, without a stack."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from backend.assets import pictures
from backend.assets.errors import PictureBroken, TooManyPixels, UnsupportedPicture
from backend.core import arrays

LIMIT = 1_000_000
Put = Callable[[bytes], Path]
_TURNS = Image.Transpose
# How a camera held so stores the picture.
_BACK = {3: _TURNS.ROTATE_180, 6: _TURNS.ROTATE_90, 8: _TURNS.ROTATE_270}


def photo(width: int = 320, height: int = 200, mode: str = "RGB") -> Image.Image:
    """Red above, blue below, with some noise so that it does not compress to nothing."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2] = (200, 30, 30)
    pixels[height // 2 :] = (30, 30, 200)
    noise = np.random.default_rng(7).integers(-12, 12, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)).convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def put(data: bytes) -> Path:
        path = tmp_path / "file"
        path.write_bytes(data)
        return path

    return put


def bomb(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes whose header claims width x height pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_type_comes_from_the_content(put: Put, kind: str, media_type: str) -> None:
    """Each supported kind is known by its first bytes and measured from its header."""
    seen = pictures.inspect(put(saved(photo(), kind)), max_pixels=LIMIT)
    assert (seen.media_type, seen.width, seen.height, seen.has_alpha) == (media_type, 320, 200, False)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<svg onload=alert(1)>", "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"II*\x00" + bytes(64), "TIFF"),
        (b"hello, I am no picture", "no picture"),
        (saved(photo(), "GIF"), "GIF"),
    ],
)
def test_other_kinds_are_refused_by_name(put: Put, data: bytes, named: str) -> None:
    """A refusal says what the content shows, so that a person knows what to do."""
    with pytest.raises(UnsupportedPicture) as caught:
        pictures.inspect(put(data), max_pixels=LIMIT)
    assert named in caught.value.detail


def test_animation_is_refused(put: Put) -> None:
    """An animated WebP would become its first frame in silence; it is refused instead."""
    frames = [photo(64, 64), photo(64, 64).rotate(180)]
    with pytest.raises(UnsupportedPicture):
        pictures.inspect(put(saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])), max_pixels=LIMIT)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_truncated_picture_is_broken(put: Put, kind: str, kept: float) -> None:
    """Whatever share of the file is missing, the refusal is the same, in the header or in the pixels."""
    data = saved(photo(), kind)
    path = put(data[: int(len(data) * kept)])
    with pytest.raises(PictureBroken):
        pictures.read_pixels(path, max_pixels=LIMIT)


@pytest.mark.parametrize("missing", [10, 400])
def test_jpeg_without_its_last_bytes_is_broken(put: Put, missing: int) -> None:
    """Also a large photo that the decoder shrinks on loading is read to its end.

    One that lacks its end marker alone (2 bytes) has all its pixels, and passes where the decoder shrinks it.
    """
    path = put(saved(photo(3000, 2000), "JPEG", quality=90)[:-missing])
    with pytest.raises(PictureBroken):
        pictures.render(path, max_px=256)


def test_bomb_is_refused_by_its_header(put: Put) -> None:
    """A few hundred bytes that claim 3.6 billion pixels are refused before a pixel is decoded."""
    with pytest.raises(TooManyPixels):
        pictures.inspect(put(bomb(60_000, 60_000)), max_pixels=100_000_000)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_rotation_is_seen_and_applied(put: Put, orientation: int) -> None:
    """Dimensions are as a person sees them, and renditions and pixels are upright without the tag."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = photo()
    stored = upright.transpose(_BACK[orientation])
    path = put(saved(stored, "JPEG", exif=exif, quality=95))
    seen = pictures.inspect(path, max_pixels=LIMIT)
    small = pictures.render(path, max_px=64)
    pixels, _alpha = pictures.read_pixels(path, max_pixels=LIMIT)
    assert (seen.width, seen.height, seen.web_ready) == (320, 200, False)
    assert (small.width, small.height) == (64, 40)
    assert pixels.shape == (200, 320, 3)
    assert pixels[10, 160, 0] > 150 > pixels[10, 160, 2]
    assert not Image.open(io.BytesIO(small.data)).getexif()


@pytest.mark.parametrize(
    "data",
    [
        saved(photo(mode="CMYK"), "JPEG", quality=95),
        saved(photo(mode="L"), "JPEG"),
        saved(photo(), "JPEG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
    ],
    ids=["cmyk", "grey", "profile"],
)
def test_other_colour_spaces_become_srgb(put: Put, data: bytes) -> None:
    """Whatever the file's colours are in, what goes to screens and networks is 8-bit sRGB of three bands."""
    path = put(data)
    seen = pictures.inspect(path, max_pixels=LIMIT)
    web = pictures.render(path, max_px=2048)
    pixels, alpha = pictures.read_pixels(path, max_pixels=LIMIT)
    assert not seen.web_ready
    assert (pixels.shape, pixels.dtype.name) == ((200, 320, 3), "uint8")
    assert alpha is None
    assert Image.open(io.BytesIO(web.data)).mode == "RGB"


def test_cmyk_keeps_its_colours(put: Put) -> None:
    """Red stays red and blue stays blue on the way from CMYK to sRGB."""
    pixels, _alpha = pictures.read_pixels(put(saved(photo(mode="CMYK"), "JPEG", quality=95)), max_pixels=LIMIT)
    assert pixels[20, 160, 0] > pixels[20, 160, 2] + 60
    assert pixels[180, 160, 2] > pixels[180, 160, 0] + 60


def test_sixteen_bits_become_eight(put: Put) -> None:
    """A 16-bit grey ramp keeps its order and its ends."""
    ramp = np.tile(np.linspace(0, 65535, 256, dtype=np.uint16), (16, 1))
    pixels, _alpha = pictures.read_pixels(put(saved(Image.fromarray(ramp), "PNG")), max_pixels=LIMIT)
    assert (pixels[0, 0, 0], pixels[0, 255, 0]) == (0, 255)
    assert (np.diff(pixels[0, :, 0].astype(int)) >= 0).all()


def test_transparency_is_kept(put: Put) -> None:
    """Renditions and results of a transparent picture are WebP with its alpha; the network sees the colours."""
    image = photo(mode="RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    path = put(saved(image, "PNG"))
    web = pictures.render(path, max_px=2048)
    pixels, alpha = pictures.read_pixels(path, max_pixels=LIMIT)
    doubled, renditions = pictures.encode_result(pixels.repeat(2, 0).repeat(2, 1), alpha)
    thumbnail = renditions["thumbnail"]
    assert (web.media_type, doubled.media_type, thumbnail.media_type) == ("image/webp",) * 3
    shown = Image.open(io.BytesIO(doubled.data))
    assert (shown.mode, shown.size, thumbnail.width) == ("RGBA", (640, 400), 256)
    assert abs(np.asarray(shown)[200, 320, 3].astype(int) - 127) < 4


def test_plain_small_jpeg_is_its_own_web_rendition(put: Put) -> None:
    """Nothing is encoded twice where the original is already what a screen wants."""
    assert pictures.inspect(put(saved(photo(), "JPEG")), max_pixels=LIMIT).web_ready


def test_a_pixel_by_itself_is_a_picture(put: Put) -> None:
    """1 x 1 is small, not wrong."""
    path = put(saved(photo(1, 1), "PNG"))
    assert pictures.render(path, max_px=256).width == 1
    assert pictures.read_pixels(path, max_pixels=LIMIT)[0].shape == (1, 1, 3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("turn", [1, 6])
def test_a_large_picture_comes_out_as_a_small_one(
    put: Put, monkeypatch: pytest.MonkeyPatch, mode: str, turn: int
) -> None:
    """By way of a scratch file: the same pixels, the same alpha, the same files."""
    image = photo(mode=mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    exif = Image.Exif()
    exif[0x0112] = turn
    path = put(saved(image, "PNG", exif=exif))
    pixels, alpha = pictures.read_pixels(path, max_pixels=LIMIT)
    made = pictures.encode_result(pixels, alpha)
    monkeypatch.setattr(arrays, "IN_MEMORY_BYTES", 1000)
    large, large_alpha = pictures.read_pixels(path, max_pixels=LIMIT)
    assert isinstance(large, np.memmap)
    assert np.array_equal(large, pixels)
    if mode == "RGBA":
        assert np.array_equal(np.asarray(large_alpha), np.asarray(alpha))
    else:
        assert (alpha, large_alpha) == (None, None)
    assert pictures.encode_result(large, large_alpha) == made


def test_a_large_picture_is_never_in_memory_whole(put: Put) -> None:
    """Neither when it is read nor when it is written: 144 MB of pixels add less than half of it to the process."""
    path = put(saved(photo(8000, 6000), "JPEG"))
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from backend.assets import pictures\n"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "before = most()\n"
        "pixels, alpha = pictures.read_pixels(Path(sys.argv[1]), max_pixels=10**8)\n"
        "read = most()\n"
        "made = pictures.encode_result(pixels, alpha)\n"
        "print(read - before, most() - before)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert max(map(int, run.stdout.split())) < 72


def test_transparency_larger_than_webp_can_hold_is_kept() -> None:
    """A result of more than 16,383 pixels a side is a PNG."""
    pixels, alpha = np.zeros((2, 17_000, 3), np.uint8), np.full((1, 8_500, 1), 99, np.uint8)
    whole, renditions = pictures.encode_result(pixels, alpha)
    assert (whole.media_type, renditions["web"].media_type) == ("image/png", "image/webp")
    assert Image.open(io.BytesIO(whole.data)).getpixel((8_000, 1)) == (0, 0, 0, 99)
