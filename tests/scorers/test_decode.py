"""Decoding: what the colours mean, and that nothing but an InputError comes out of a bad file."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from curate.errors import InputError
from curate.scorers.decode import decode
from curate.scorers.generation import header

Pixels = npt.NDArray[np.uint8]

# Files of `odd_files` that are no pictures, or are broken before the last pixel; all others decode.
UNREADABLE = {
    "000003", "06r02.fli", "bad_palette_entry.gpl", "balloon_eciRGBv2_aware.jp2",
    "broken_data_stream.png", "crash-db8bfa78b19721225425530c5946217720d7df4e.sgi",
    "decompression_bomb.gif", "fli_overrun2.bin", "gimp_gradient_with_name.ggr", "hopper.mic",
    "hopper.tar", "hopper_naxis_zero.fits", "initial.fli", "invalid.spider", "l2rgb_read.bmp",
    "negative_layer_count.psd", "negative_top_left_layer.psd",
    "oom-225817ca0f8c663be7ab4b9e717b02c661e66834.tif", "pil_sample_cmyk.eps", "sgi_overrun.bin",
    "test.gpl", "timeout-060745d3f534ad6e4128c51d336ea5489182c69d.blp",
    "timeout-31c8f86233ea728339c6e586be7af661a09b5b98.blp",
    "timeout-60d8b7c8469d59fc9ffff6b3a3dc0faeae6ea8ee.blp",
    "timeout-8073b430977660cdd48d96f6406ddfd4114e69c7.blp",
    "timeout-9139147ce93e20eb14088fe238e541443ffd64b3.fli",
    "timeout-d6ec061c4afdef39d3edf6da8927240bb07fe9b7.blp", "ultrahdr.jpg", "zero_bb_emptyline.eps",
}  # fmt: skip


def portrait(width: int = 61, height: int = 47) -> Pixels:
    """Smooth colours that differ in every direction, so that a turned or swapped picture shows."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 4 % 256, y * 5 % 256, (x + y) * 2 % 256], axis=-1).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


def encoded(suffix: str, pixels: npt.NDArray[np.generic]) -> bytes:
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return data.tobytes()


# --- ordinary pictures


@pytest.mark.parametrize(
    "kind", ["PNG", "BMP", "PPM", "TGA", "TIFF", "WEBP", "PCX", "SGI", "JPEG2000", "ICO"]
)
def test_lossless_formats_give_back_the_very_pixels(kind: str) -> None:
    options = {"WEBP": {"lossless": True}, "ICO": {"sizes": [(61, 47)]}}.get(kind, {})
    picture = decode(saved(Image.fromarray(portrait()), kind, **options))
    assert np.array_equal(picture.pixels, portrait())
    assert (picture.format, picture.width, picture.height) == (kind.lower(), 61, 47)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.flags.c_contiguous
    assert not picture.pixels.flags.writeable


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(61, 47), (64, 64), (1, 1), (1, 9), (17, 2)])
def test_jpeg_pixels_are_those_of_opencv(subsampling: int, progressive: bool, size: tuple[int, int]) -> None:
    image = Image.fromarray(portrait(*size))
    data = saved(image, "JPEG", quality=90, subsampling=subsampling, progressive=progressive)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert np.array_equal(decode(data).pixels, expected)


def test_every_input_of_the_oracle_gives_the_pixels_that_libreface_read(shared: Path) -> None:
    inputs = sorted((shared / "libreface/oracle/inputs").iterdir())
    assert len(inputs) == 20
    for path in inputs:
        expected = cv2.imread(str(path))[:, :, ::-1]
        assert np.array_equal(decode(path.read_bytes()).pixels, expected), path.name


def test_demo_faces_give_the_pixels_of_opencv(shared: Path) -> None:
    for path in sorted((shared / "data/demo_faces").glob("*.jpg"))[::10]:
        assert np.array_equal(decode(path.read_bytes()).pixels, cv2.imread(str(path))[:, :, ::-1]), path.name


def test_avif_keeps_its_colours() -> None:
    red = np.full((32, 32, 3), (200, 40, 30), np.uint8)
    picture = decode(saved(Image.fromarray(red), "AVIF", quality=90))
    assert picture.format == "avif"
    assert np.abs(picture.pixels.astype(int) - red).max() <= 6


# --- modes


def test_grey_is_repeated_in_three_channels() -> None:
    grey = portrait()[:, :, 0]
    for kind in ("PNG", "JPEG", "TIFF"):
        pixels = decode(
            saved(Image.fromarray(grey), kind, **({"quality": 100} if kind == "JPEG" else {}))
        ).pixels
        assert np.array_equal(pixels[:, :, 0], pixels[:, :, 2])
        assert np.abs(pixels[:, :, 1].astype(int) - grey).max() <= (2 if kind == "JPEG" else 0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "TGA"])
def test_alpha_is_dropped_not_blended(kind: str) -> None:
    alpha = np.linspace(1, 255, 61 * 47).reshape(47, 61).astype(np.uint8)
    image = Image.fromarray(np.dstack([portrait(), alpha]))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert np.array_equal(decode(saved(image, kind, **options)).pixels, portrait())


def test_grey_with_alpha_keeps_its_grey() -> None:
    grey = portrait()[:, :, 0]
    image = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(255 - grey)])
    assert np.array_equal(decode(saved(image, "PNG")).pixels[:, :, 1], grey)


@pytest.mark.parametrize("transparency", [None, 1, b"\x00\x80\xff"])
def test_palette_gives_its_colours_transparent_or_not(transparency: int | bytes | None) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    for x in range(3):
        image.putpixel((x, 0), x)
    options = {} if transparency is None else {"transparency": transparency}
    pixels = decode(saved(image, "PNG", **options)).pixels
    assert pixels.tolist() == [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]


def test_one_bit_is_black_and_white() -> None:
    bits = portrait()[:, :, 0] > 100
    for kind in ("PNG", "TIFF", "BMP"):
        assert np.array_equal(
            decode(saved(Image.fromarray(bits), kind)).pixels[:, :, 0], bits * np.uint8(255)
        )


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_red_is_red(kind: str) -> None:
    ink = np.full((16, 16, 4), (0, 255, 255, 0), np.uint8)
    options = {"quality": 95} if kind == "JPEG" else {}
    data = saved(Image.fromarray(ink, "CMYK"), kind, **options)
    assert np.abs(decode(data).pixels.astype(int) - (255, 0, 0)).max() <= 3


def test_ycck_red_is_red() -> None:
    # Pillow writes no YCCK, but the same file with another Adobe transform: luma, chroma and black
    # (inks are stored inverted, and what stands for them here is cyan, the colour opposite to red).
    cyan = Image.new("RGB", (1, 1), (0, 255, 255)).convert("YCbCr")
    y, cb, cr = cyan.getpixel((0, 0))  # type: ignore[misc]
    planes = np.full((16, 16, 4), (255 - y, 255 - cb, 255 - cr, 0), np.uint8)
    data = saved(Image.fromarray(planes, "CMYK"), "JPEG", quality=100)
    adobe = data.index(b"\xff\xee\x00\x0eAdobe")
    assert data[adobe + 15] == 0
    pixels = decode(data[: adobe + 15] + b"\x02" + data[adobe + 16 :]).pixels
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 4


@pytest.mark.parametrize(
    "name", ["tiff_strip_cmyk_jpeg.tif", "tiff_tiled_cmyk_jpeg.tif", "tiff_strip_cmyk_16l_jpeg.tif"]
)
def test_cmyk_jpeg_inside_tiff_looks_like_the_same_picture_in_rgb(shared: Path, name: str) -> None:
    cmyk = decode((shared / "data/odd_files" / name).read_bytes()).pixels
    rgb = decode((shared / "data/odd_files/pil_sample_rgb.jpg").read_bytes()).pixels
    assert np.abs(cmyk.mean((0, 1)) - rgb.mean((0, 1))).max() < 5


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".jp2", ".pgm"])
def test_16_bit_grey_keeps_order_and_scale(suffix: str) -> None:
    ramp = np.arange(0, 65536, dtype=np.uint16).reshape(256, 256)
    grey = decode(encoded(suffix, ramp)).pixels[:, :, 0]
    assert np.all(np.diff(grey.ravel().astype(int)) >= 0)
    assert (grey[0, 0], grey[-1, -1]) == (0, 255)
    assert np.abs(grey - ramp / 257).max() <= 1
    # The whole 8-bit range, stored in 16 bits, comes back exactly.
    levels = np.tile(np.arange(256, dtype=np.uint16) * 257, (256, 1))
    assert np.array_equal(decode(encoded(suffix, levels)).pixels[0, :, 0], np.arange(256))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bit_colour_keeps_its_high_byte_as_opencv_does(suffix: str) -> None:
    wide = portrait()[:, :, ::-1].astype(np.uint16) * 257
    data = encoded(suffix, wide)
    assert np.array_equal(decode(data).pixels, portrait())
    assert np.array_equal(decode(data).pixels, cv2.imdecode(np.frombuffer(data, np.uint8), 1)[:, :, ::-1])


def test_12_bit_tiff_is_scaled_by_its_own_white() -> None:
    # 4095 (all twelve bits) twice, then 0 twice: three bytes a pair.
    data = _tiff(width=4, height=1, bits=12, photometric=1, strip=b"\xff\xff\xff\x00\x00\x00")
    assert decode(data).pixels[0, :, 0].tolist() == [255, 255, 0, 0]


def test_white_is_zero_holds_for_16_bits_too() -> None:
    strip = struct.pack("<2H", 0, 65535)
    assert decode(_tiff(2, 1, 16, 0, strip)).pixels[0, :, 0].tolist() == [255, 0]
    assert decode(_tiff(2, 1, 16, 1, strip)).pixels[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize(("white", "grey"), [(1.0, 128), (255.0, 128), (65535.0, 128)])
def test_float_tiff_is_scaled_by_the_smallest_white_that_fits(white: float, grey: int) -> None:
    values = np.array([[0, 0.5 * white, white]], np.float32)
    assert decode(saved(Image.fromarray(values), "TIFF")).pixels[0, :, 0].tolist() == [0, grey, 255]


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf"), 1e9])
def test_float_tiff_without_a_white_says_so(bad: float) -> None:
    with pytest.raises(InputError, match="no telling what is white"):
        decode(saved(Image.fromarray(np.array([[0.0, bad]], np.float32)), "TIFF"))


def test_lab_comes_back_to_the_colours_it_was_made_from() -> None:
    rgb = Image.fromarray(portrait() // 2 + 60)
    lab = ImageCms.profileToProfile(
        rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    error = decode(saved(lab, "TIFF")).pixels.astype(int) - np.asarray(rgb)
    assert np.abs(error).max() <= 8
    assert np.abs(error).mean() < 1


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_picture_of_an_animation_counts(kind: str) -> None:
    red, blue = (Image.new("RGB", (20, 10), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(red, kind, save_all=True, append_images=[blue, blue], **options)
    pixels = decode(data).pixels
    assert pixels.shape == (10, 20, 3)
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 3


def test_a_jpeg_with_more_jpegs_behind_it_is_a_jpeg() -> None:
    first, second = Image.fromarray(portrait()), Image.new("RGB", (61, 47))
    picture = decode(saved(first, "MPO", save_all=True, append_images=[second], quality=95))
    assert picture.format == "jpeg"
    assert np.abs(picture.pixels.astype(int) - portrait()).mean() < 10


# --- orientation


def _turned(orientation: int) -> Image.Image:
    """`portrait()` stored so that EXIF `orientation` brings it upright."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    image = Image.fromarray(portrait())
    return image.transpose(undo[orientation]) if orientation in undo else image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF"])
def test_all_eight_orientations_come_out_upright(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    if kind == "JPEG":
        options = {"quality": 95, "subsampling": 0}
    data = saved(_turned(orientation), kind, exif=exif, **options)
    picture = decode(data)
    assert (picture.width, picture.height) == (61, 47)
    assert picture.pixels.shape == (47, 61, 3)
    assert picture.pixels.flags.c_contiguous
    error = np.abs(picture.pixels.astype(int) - portrait())
    assert error.mean() < 12 if kind in ("JPEG", "AVIF") else error.max() == 0
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(picture.pixels, np.asarray(ImageOps.exif_transpose(image).convert("RGB")))
    if kind == "JPEG":
        assert np.array_equal(picture.pixels, cv2.imdecode(np.frombuffer(data, np.uint8), 1)[:, :, ::-1])


def test_orientation_in_xmp_counts(shared: Path) -> None:
    path = shared / "data/odd_files/xmp_tags_orientation.png"
    with Image.open(path) as image:
        assert image.getexif()[0x0112] == 3
        upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        stored = np.asarray(image.convert("RGB"))
    pixels = decode(path.read_bytes()).pixels
    assert np.array_equal(pixels, upright)
    assert np.array_equal(pixels, stored[::-1, ::-1])


@pytest.mark.parametrize(
    "exif", [b"Exif\x00\x00garbage", b"Exif\x00\x00MM\x00*\xff\xff\xff\xff", b"\x00" * 40]
)
def test_damaged_metadata_does_not_cost_the_picture(exif: bytes) -> None:
    data = saved(Image.fromarray(portrait()), "PNG", exif=exif)
    assert np.array_equal(decode(data).pixels, portrait())


def test_16_bit_grey_is_turned_too() -> None:
    ramp = np.array([[0, 65535]], np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.fromarray(ramp), "PNG", exif=exif)
    assert decode(data).pixels[:, :, 0].tolist() == [[0], [255]]


# --- bad files


def test_every_odd_file_decodes_or_says_why_not_within_seconds(shared: Path) -> None:
    failed = {}
    files = sorted((shared / "data/odd_files").iterdir())
    assert len(files) == 70
    for path in files:
        start = time.perf_counter()
        try:
            assert decode(path.read_bytes()).pixels.size
        except InputError as error:
            failed[path.name] = str(error)
        assert time.perf_counter() - start < 3, path.name
    assert set(failed) == UNREADABLE
    assert not any("\n" in words or "/" in words for words in failed.values())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, world", "not a picture in a known format"),
        (b"\x00" * 1000, "not a picture in a known format"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00", "a video"),
        (b"8BPS\x00\x01", "Photoshop"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (b"\xff\xd8\xff\xe0", "cut-off JPEG"),
        (b"\x89PNG\r\n\x1a\n", "cut-off PNG"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        decode(data)


def test_a_picture_over_the_limit_is_refused_with_its_size_before_it_is_decoded() -> None:
    data = saved(Image.fromarray(portrait()), "PNG")
    with pytest.raises(InputError, match="61 x 47 = 2,867 pixels, and 2,866 are allowed"):
        decode(data, max_pixels=2866)
    assert decode(data, max_pixels=2867).width == 61


@pytest.mark.parametrize("side", [13_378, 60_000, 2_000_000_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(999)))
    start = time.perf_counter()
    with pytest.raises(InputError, match="too large"):
        decode(data)
    assert time.perf_counter() - start < 1


def test_a_picture_of_no_pixels_is_refused() -> None:
    for width, height in ((0, 0), (0, 5), (5, 0)):
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        data = (
            b"\x89PNG\r\n\x1a\n"
            + _chunk(b"IHDR", header)
            + _chunk(b"IDAT", zlib.compress(b""))
            + _chunk(b"IEND")
        )
        with pytest.raises(InputError):
            decode(data)


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt"])
@pytest.mark.parametrize("late", [False, True])
def test_a_text_chunk_that_unpacks_to_megabytes_costs_its_text_and_not_the_picture(
    name: bytes, late: bool
) -> None:
    packed = zlib.compress(b"a" * 80_000_000, 9)
    body = b"prompt\x00\x00" + packed if name == b"zTXt" else b"prompt\x00\x01\x00\x00\x00" + packed
    data = saved(Image.fromarray(portrait()), "PNG")
    place = len(data) - 12 if late else 33
    picture = decode(data[:place] + _chunk(name, body) + data[place:])
    assert np.array_equal(picture.pixels, portrait())
    assert picture.texts == {"text": header.UNREADABLE}


def test_a_long_prompt_in_a_text_chunk_is_no_bomb() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * 3_000_000)
    text.add_text("prompt", "a portrait" * 9999, zip=True)
    picture = decode(saved(Image.fromarray(portrait()), "PNG", pnginfo=text))
    assert picture.texts == {"workflow": "x" * 3_000_000, "prompt": "a portrait" * 9999}


def test_a_jpeg_of_thousands_of_scans_is_refused() -> None:
    big = Image.new("L", (4000, 4000))
    data = saved(big, "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(InputError, match="scans"):
        decode(data[:-2] + scan * 1000 + b"\xff\xd9")
    assert decode(data).width == 4000


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000"])
def test_a_cut_picture_is_refused_or_whole_at_every_length(kind: str) -> None:
    data = saved(Image.fromarray(portrait()), kind)
    whole = decode(data).pixels
    refused = 0
    for length in range(0, len(data), max(1, len(data) // 150)):
        try:
            # What is missing may be no pixel: an end marker, a checksum.
            assert np.array_equal(decode(data[:length]).pixels, whole), length
        except InputError:
            refused += 1
    assert refused > 100


def _whole(kind: str) -> bytes:
    options = {"progressive": True} if kind == "JPEG" else {}
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(Image.fromarray(portrait()), kind, exif=exif, **options)


WHOLE = {kind: _whole(kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000")}


@settings(max_examples=400, deadline=5000, derandomize=True)
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    edits=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=6
    ),
    keep=st.floats(0, 1),
)
def test_corruption_raises_nothing_but_an_input_error(
    kind: str, edits: list[tuple[float, bytes]], keep: float
) -> None:
    data = bytearray(WHOLE[kind])
    for place, patch in edits:
        # Headers are where the trouble is: half of the edits go to the first tenth.
        start = int(place * len(data) * (0.1 if len(patch) % 2 else 1))
        data[start : start + len(patch)] = patch
    try:
        pixels = decode(bytes(data[: max(1, int(len(data) * keep))]), max_pixels=4_000_000).pixels
    except InputError:
        return
    assert pixels.ndim == 3
    assert pixels.dtype == np.uint8


@settings(max_examples=150, deadline=2000, derandomize=True)
@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_an_input_error(data: bytes) -> None:
    with contextlib.suppress(InputError):
        decode(data)


def test_a_damaged_header_prints_nothing(shared: Path) -> None:
    path = shared / "data/odd_files/oom-225817ca0f8c663be7ab4b9e717b02c661e66834.tif"
    code = (
        "import sys; from curate.errors import InputError; from curate.scorers.decode import decode\n"
        "try: decode(open(sys.argv[1], 'rb').read())\n"
        "except InputError: sys.exit(7)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


def _chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _tiff(width: int, height: int, bits: int, photometric: int, strip: bytes) -> bytes:
    """A little-endian grey TIFF of one uncompressed strip."""
    tags = {
        256: width,
        257: height,
        258: bits,
        259: 1,
        262: photometric,
        273: 8,
        277: 1,
        278: height,
        279: len(strip),
    }
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    strip += b"\x00" * (len(strip) % 2)
    return (
        struct.pack("<2sHI", b"II", 42, 8 + len(strip))
        + strip
        + struct.pack("<H", len(tags))
        + body
        + bytes(4)
    )
