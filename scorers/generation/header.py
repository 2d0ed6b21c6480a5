"""Text that stands in a picture's file: PNG chunks, EXIF, XMP, comments, and NovelAI's bits in the alpha channel."""

from __future__ import annotations

import contextlib
import html
import re
import zlib
from typing import Any

import numpy as np
from PIL import Image

from curate.scorers.generation.found import MAX_TEXT

_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
# Tags whose text may be a generator's; the XP ones are UTF-16, Windows Explorer's.
_TAGS = {
    0x010D: "DocumentName", 0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software",
    0x9C9B: "XPTitle", 0x9C9C: "XPComment", 0x9C9E: "XPKeywords", _USER_COMMENT: "UserComment",
}  # fmt: skip
# ComfyUI's savers put `prompt: {...}` and `workflow: {...}` into whatever tag they like.
_PREFIXED = re.compile(r"\s*(prompt|workflow)\s*:\s*(?=\{)", re.IGNORECASE)
_XMP = re.compile(
    r"<(exif:UserComment|dc:description|parameters|sd:parameters)\b[^>]{0,200}>(.{1,200000}?)</\1>", re.DOTALL
)
_MARKUP = re.compile(r"<[^<>]{0,300}>")
_STEALTH = {b"stealth_pnginfo": False, b"stealth_pngcomp": True}
_MAGIC = 15

UNREADABLE = "\x00unreadable"
"""Stands where a text was too long to be kept, or damaged: no generator can have written it."""


def header_texts(image: Image.Image) -> dict[str, str]:
    """All the text of an opened and loaded picture, by the name of its chunk or tag.

    Nothing is interpreted here but encodings. A text of more than `MAX_TEXT` characters is `UNREADABLE`. Damaged
    metadata counts as none.
    """
    texts: dict[str, str] = {}
    for key, value in image.info.items():
        if isinstance(key, str) and isinstance(value, str):
            _keep(texts, key, _repaired(value))
        elif key == "comment" and isinstance(value, bytes):
            _keep(texts, "comment", _utf8(value))
    with contextlib.suppress(Exception):  # whatever a damaged EXIF makes Pillow raise
        _exif(image, texts)
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(xmp, (bytes, str)):
        _xmp(_utf8(xmp) if isinstance(xmp, bytes) else xmp, texts)
    texts.pop("XML:com.adobe.xmp", None)
    if image.mode in ("RGBA", "LA") and (hidden := hidden_text(image)) is not None:
        _keep(texts, "stealth", hidden)
    return texts


def _keep(texts: dict[str, str], key: str, value: str) -> None:
    found = _PREFIXED.match(value[:100])
    if found:
        key, value = found[1].lower(), value[found.end() :]
    texts.setdefault(key[:100], value if len(value) <= MAX_TEXT else UNREADABLE)


def _exif(image: Image.Image, texts: dict[str, str]) -> None:
    exif = image.getexif()
    if not exif:
        return
    big_endian = exif.endian == ">"
    tags: dict[int, Any] = {**exif, **exif.get_ifd(_EXIF_IFD)}
    for tag, key in _TAGS.items():
        value = tags.get(tag)
        if tag == _USER_COMMENT and isinstance(value, bytes):
            _keep(texts, key, user_comment(value, big_endian=big_endian))
        elif isinstance(value, (bytes, tuple)) and key.startswith("XP"):
            _keep(texts, key, bytes(value).decode("utf-16-le", "replace").rstrip("\0"))
        elif isinstance(value, bytes):
            _keep(texts, key, _utf8(value))
        elif isinstance(value, str):
            _keep(texts, key, _repaired(value))


def user_comment(value: bytes, *, big_endian: bool = True) -> str:
    """The text of an EXIF UserComment.

    Its first eight bytes name the encoding. `UNICODE` is UTF-16, in the byte order of the file or in the other
    one, whatever the program thought; the order that gives more ASCII is taken.
    """
    code, body = value[:8], value[8:]
    if code == b"UNICODE\0":
        body = body[: len(body) // 2 * 2]
        orders = ["utf-16-be", "utf-16-le"] if big_endian else ["utf-16-le", "utf-16-be"]
        # The high byte of ASCII is 0.
        zeros = np.frombuffer(body, np.uint8).reshape(-1, 2) == 0
        high_first, low_first = (int(count) for count in zeros.sum(axis=0)) if len(body) else (0, 0)
        if high_first != low_first:
            orders = ["utf-16-be" if high_first > low_first else "utf-16-le"]
        return body.decode(orders[0], "replace").removeprefix("\ufeff")
    if code in (b"ASCII\0\0\0", bytes(8)):
        return _utf8(body)
    if code.startswith(b"JIS\0"):
        return body.decode("iso2022_jp", "replace")
    return _utf8(value)


def _utf8(value: bytes) -> str:
    """UTF-8, or Latin-1 where it is none."""
    value = value[: 4 * MAX_TEXT]
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _repaired(value: str) -> str:
    """tEXt and ASCII tags are Latin-1 by the book; many programs put UTF-8 there."""
    if value.isascii():
        return str(value)
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return str(value)


def _xmp(packet: str, texts: dict[str, str]) -> None:
    """Descriptions and comments of an XMP packet. It is searched, not parsed: XML has bombs of its own."""
    for tag, body in _XMP.findall(packet[:1_000_000]):
        key = {"exif:UserComment": "UserComment", "dc:description": "Description"}.get(tag, "parameters")
        _keep(texts, key, html.unescape(_MARKUP.sub("", body)).strip())


def hidden_text(image: Image.Image) -> str | None:
    """What NovelAI and others hide in the lowest bits of the alpha channel, column by column; None where nothing is.

    Only as much of the channel is looked at as the signature needs, unless it is there.
    """
    width, height = image.size
    columns = -(-8 * _MAGIC // height)
    if columns > width:
        return None
    magic = _bits(image.crop((0, 0, columns, height)))[:_MAGIC].tobytes()
    if magic not in _STEALTH:
        return None
    data = _bits(image)[_MAGIC:]
    length = int.from_bytes(data[:4].tobytes(), "big") // 8
    body = data[4 : 4 + length].tobytes()
    if length > MAX_TEXT or not _STEALTH[magic]:
        return UNREADABLE if length > MAX_TEXT else _utf8(body)
    unpacker = zlib.decompressobj(31)  # gzip
    try:
        text = unpacker.decompress(body, MAX_TEXT)
    except zlib.error:
        return UNREADABLE
    return UNREADABLE if unpacker.unconsumed_tail else _utf8(text)


def _bits(image: Image.Image) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The lowest bits of the alpha channel, column by column, packed into bytes."""
    return np.packbits((np.asarray(image.getchannel("A")) & 1).T.ravel())
