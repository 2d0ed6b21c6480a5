"""Bytes of captions and tables as text, and whether they are any."""

from __future__ import annotations

import re

# What no text has: control characters other than blanks, and what is left of bytes that are no UTF-8.
_NO_LETTERS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
# Half of random bytes are no UTF-8; an accent in each third letter is a text in another encoding.
_MOST = 1 / 3
NO_TEXT = "is not text"
NO_UTF8 = "is not UTF-8: some letters could not be read"


def text_of(data: bytes) -> tuple[str, str]:
    """A text without its byte order mark, and what is wrong with it.

    Returns:
        The text, of UTF-8 or (with a mark) UTF-16, and "". Or the text with U+FFFD for bytes that are no UTF-8,
        and `NO_UTF8`. Or "" and `NO_TEXT`: there are NULs, or a third of it could not be read.
    """
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    encoding, wrong = "utf-16" if wide else "utf-8-sig", ""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text, wrong = data.decode(encoding, "replace"), NO_UTF8
    if "\0" in text or len(_NO_LETTERS.findall(text)) > len(text) * _MOST:
        return "", NO_TEXT
    return text, wrong
