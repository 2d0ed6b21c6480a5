"""Encoded bytes in, upright 8-bit RGB out.

One decoder, Pillow, for everything: on ordinary JPEG and PNG it gives the very pixels of `cv2.imread`
(which LibreFace uses), and it tells a picture that ends too early from a whole one. OpenCV's lead (0.3 to
0.5 of 1.1 ms on a 470-pixel JPEG, 1.6 of 9 ms on a 512-pixel PNG) is not worth a second set of rules for
what is damaged.

What the pixels mean:

- EXIF (or XMP, or AVIF) orientation is applied.
- Alpha is dropped, not blended: the colours that are stored are the colours that are scored.
- 16-bit channels keep their high byte (0 stays 0, 65535 becomes 255), as libpng and OpenCV reduce them.
- Colour profiles are ignored, as OpenCV ignores them; only LAB, which has no RGB otherwise, goes through one.
- Of an animation or a document of several pages, the first picture counts.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from curate.errors import InputError
from curate.scorers.generation.header import UNREADABLE, header_texts

# Pillow logs damaged TIFF headers; with no handler at all Python would print them over the progress bar.
logging.getLogger("PIL").addHandler(logging.NullHandler())

MAX_PIXELS = 178_956_970
"""Width times height at most: where Pillow itself stops (1 GiB as 32-bit pixels, times two thirds)."""

MAX_SCAN_PIXELS = 4_000_000_000
"""Scans times pixels at most in a progressive JPEG: a scan of a few bytes takes as long as a full one."""

# Rasters that Pillow decodes in C, common ones first (a rare one makes Pillow import all its plugins).
# Not here: EPS and PDF (they run other programs), FITS, HDF, GRIB and WMF (stubs), QOI (a slow Python loop),
# PSD (layers), BLP, DDS, FLI, MPEG (game textures, video). MPO comes in by way of JPEG.
FORMATS = (
    "JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "AVIF", "TIFF", "JPEG2000",
    "DIB", "ICO", "PCX", "SGI", "TGA",
)  # fmt: skip

# First bytes, where they stand, and what such a file is. Formats that are read come last: when one of them
# cannot even be opened, its header is damaged.
_READABLE = "a damaged or cut-off"
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript document"),
    (0, b"%PDF", "a PDF document"),
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIF picture"),
    (4, b"ftypavi", f"{_READABLE} AVIF picture"),
    (4, b"ftyp", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (8, b"AVI ", "a video"),
    (0, b"\x00\x00\x01\xba", "a video"),
    (4, b"\x11\xaf", "a FLIC animation"),
    (4, b"\x12\xaf", "a FLIC animation"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (0, b"#?RADIANCE", "a Radiance HDR picture"),
    (0, b"SIMPLE  =", "a FITS picture"),
    (0, b"BLP", "a BLP game texture"),
    (0, b"DDS ", "a DDS game texture"),
    (0, b"qoif", "a QOI picture"),
    (0, b"icns", "an icon of macOS"),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\xd0\xcf\x11\xe0", "an OLE document"),
    (0, b"version https://git-lfs", "a Git LFS pointer (run `git lfs pull`)"),
    (0, b"<!DOCTYPE html", "a web page"),
    (0, b"<!doctype html", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"GIMP ", "a GIMP palette or gradient"),
    (0, b"\xff\xd8\xff", f"{_READABLE} JPEG picture"),
    (0, b"\x89PNG", f"{_READABLE} PNG picture"),
    (0, b"GIF8", f"{_READABLE} GIF picture"),
    (8, b"WEBP", f"{_READABLE} WebP picture"),
    (0, b"II*\x00", f"{_READABLE} TIFF picture"),
    (0, b"MM\x00*", f"{_READABLE} TIFF picture"),
    (0, b"BM", f"{_READABLE} BMP picture"),
    (0, b"\x00\x00\x00\x0cjP  ", f"{_READABLE} JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", f"{_READABLE} JPEG 2000 picture"),
)


class TooLargeError(InputError):
    """A picture with more pixels than the caller wants to decode."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: (height, width, 3) uint8 RGB, upright, C-contiguous, read-only.
        format: what the file was: `jpeg`, `png`, `webp`, `gif`, `tiff`, ... in lower case.
        width: of the upright picture, in pixels.
        height: of the upright picture, in pixels.
        texts: what text the file holds, by the name of its chunk or tag; hostile, and not interpreted.
    """

    pixels: npt.NDArray[np.uint8]
    format: str
    width: int
    height: int
    texts: Mapping[str, str] = field(default_factory=dict)


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode one picture; its size is checked before a single pixel is.

    Args:
        data: the whole file.
        max_pixels: larger pictures (width times height) are refused. Pillow's own limit, `MAX_PIXELS`,
            holds in any case.

    Raises:
        TooLargeError: the header promises more than `max_pixels`.
        InputError: `data` is no picture, is damaged, ends too early, is a bomb, or is of a kind that has no
            sensible 8-bit RGB. The message has no path: the caller knows it.
    """
    if not data:
        raise InputError("the file is empty")
    # Pillow warns of odd EXIF, of big pictures and of palettes: nothing that a user could act on.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image, pixels, texts = _read(data, max_pixels)
        except InputError:
            raise
        except MemoryError:
            raise InputError("the picture does not fit into memory") from None
        except Exception as error:  # Pillow's plugins let all kinds escape from damaged files
            raise InputError(f"the picture is damaged or ends too early ({_words(error)})") from error
    height, width = pixels.shape[:2]
    if not height or not width:
        raise InputError(f"the picture is empty: {width} x {height} pixels")
    pixels.flags.writeable = False
    kind = (image.format or "").lower()
    # An MPO is a JPEG with more JPEGs behind it (a depth map, the other eye); the first one is read.
    kind = "jpeg" if kind == "mpo" else kind
    return Picture(pixels=pixels, format=kind, width=width, height=height, texts=texts)


def upright_rgb(image: Image.Image) -> npt.NDArray[np.uint8]:
    """The pixels of a picture that Pillow has opened, by the rules above: (H, W, 3) uint8 RGB, upright, C-contiguous.

    Raises:
        InputError: its numbers have no sensible 8-bit RGB. Pillow raises all kinds where its file is damaged.
    """
    return _upright(_rgb(image), image)


def _read(data: bytes, max_pixels: int) -> tuple[Image.Image, npt.NDArray[np.uint8], dict[str, str]]:
    """The opened picture, its upright pixels, and its text."""
    try:
        image = _open(data, max_pixels)
        return image, upright_rgb(image), header_texts(image)
    except TooLargeError:
        raise
    except Exception:
        # A text chunk that is damaged, or unpacks to megabytes, must not cost the picture.
        bare = _without_text(data)
        if bare == data:
            raise
        with contextlib.suppress(Exception):
            image = _open(bare, max_pixels)
            return image, upright_rgb(image), header_texts(image) | {"text": UNREADABLE}
        raise


def _without_text(data: bytes) -> bytes:
    """A PNG file less its texts; other files as they are."""
    if not data.startswith(b"\x89PNG"):
        return data
    kept, start = [data[:8]], 8
    while start < len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if data[start + 4 : start + 8] not in (b"tEXt", b"zTXt", b"iTXt"):
            kept.append(data[start:end])
        start = end
    return b"".join(kept)


def _open(data: bytes, max_pixels: int) -> Image.Image:
    """The header alone, checked."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise InputError(_foreign(data)) from None
    except Image.DecompressionBombError as error:
        size = _words(error).split(", could be")[0]  # Pillow takes fright at length
        raise InputError(f"the picture is too large: {size}") from None
    _check_size(image.size, max_pixels)
    if image.format == "JPEG2000" and b"\xff\xd9" not in data:
        # Its decoder makes a blurred picture of any beginning. These bytes stand only at the end of the data.
        raise InputError("the picture is damaged or ends too early (no end marker)")
    if image.info.get("progressive"):
        scans = data.count(b"\xff\xda")
        if scans * image.width * image.height > MAX_SCAN_PIXELS:
            size = f"{image.width} x {image.height} pixels in {scans} scans"
            raise InputError(f"the picture is too large: {size}")
    return image


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise TooLargeError(
            f"the picture is too large: {width} x {height} = {width * height:,} pixels, "
            f"and {max_pixels:,} are allowed"
        )


def _foreign(data: bytes) -> str:
    """What the bytes are, where they are no picture that is read."""
    for start, signature, name in _SIGNATURES:
        if data.startswith(signature, start):
            return f"this is {name}" if name.startswith(_READABLE) else f"not a picture that is read: {name}"
    return "not a picture in a known format"


def _rgb(image: Image.Image) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8, C-contiguous, as stored: not turned yet."""
    image.load()
    mode = image.mode
    if mode.startswith(("I", "F")):
        grey = _grey(image)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if mode == "LAB":
        image = _from_lab(image)
    elif mode in ("La", "RGBa"):  # premultiplied: there is no direct way to RGB
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[mode])
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.asarray(image)


def _grey(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Grey of more than 8 bits, scaled to (H, W) uint8. Pillow's own conversion would clip it at 255."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        bits = int(tags.get(258, (16,))[0])  # BitsPerSample: 12-bit TIFF is kept in 16
        scaled = np.minimum(values >> (max(bits, 8) - 8), 255)
    else:
        floats = values.astype(np.float64)
        low, high = float(floats.min()), float(floats.max())
        # A number alone does not say what white is: take the smallest of the usual whites that fits.
        whites = (65535.0,) if image.format == "PPM" and image.mode == "I" else (255.0, 65535.0)
        if image.mode == "F":
            whites = (1.0, *whites)
        white = next((white for white in whites if high <= white), None)
        if white is None or not low >= 0:  # NaN fails both
            raise InputError(
                f"the picture holds numbers from {low:g} to {high:g}: "
                f"no telling what is white (0 to {', '.join(f'{white:g}' for white in whites)} are read)"
            )
        scaled = np.rint(floats * (255.0 / white))
    grey: npt.NDArray[np.uint8] = scaled.astype(np.uint8)
    if tags.get(262) == 0:  # "white is zero": Pillow inverts 8 bits and forgets the others
        np.invert(grey, out=grey)
    return grey


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None  # noqa: S101 - only in place it returns nothing
    return converted


def _upright(pixels: npt.NDArray[np.uint8], image: Image.Image) -> npt.NDArray[np.uint8]:
    """Turn by the orientation that stands in EXIF, XMP or the container (Pillow has turned TIFF by now)."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged metadata must not cost the picture
        return pixels
    match orientation:
        case 2:
            turned = pixels[:, ::-1]
        case 3:
            turned = pixels[::-1, ::-1]
        case 4:
            turned = pixels[::-1]
        case 5:
            turned = pixels.transpose(1, 0, 2)
        case 6:
            turned = np.rot90(pixels, -1)
        case 7:
            turned = pixels.transpose(1, 0, 2)[::-1, ::-1]
        case 8:
            turned = np.rot90(pixels)
        case _:
            return pixels
    return np.ascontiguousarray(turned)


def _words(error: BaseException) -> str:
    """What an exception says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__
