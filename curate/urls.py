"""URLs: what may be written down of them, who asks, and the file system that reaches them."""

from __future__ import annotations

import logging
import os
import re
from typing import Any

from curate.errors import InputError

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""How URLs begin."""
# The extra that brings the file system of a scheme.
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
# In their keys `?` and `#` are letters like any other; only what looks like `?name=value` is none.
STORES = frozenset(("s3", "s3a", "gs", "gcs", "hf"))
_WEB = frozenset(("http", "https"))
_PAIRS = re.compile(r"\?[\w.%~-]+=.*", re.DOTALL)
_PORT = re.compile(r"(\[.*\]|[^:]*)(:\d*)?")
# Of requests that s3fs makes, and of those that botocore makes of each: a server that takes connections and never says
# a word costs 15 s every time, and by their own settings (5 and 5) it would be asked for six minutes.
_S3_REQUESTS, _S3_ATTEMPTS = 2, 3


def is_url(text: object) -> bool:
    """Whether a text names something that is reached through fsspec, not a path."""
    return isinstance(text, str) and URL.match(text) is not None and not text.lower().startswith("file://")


def shown(url: str) -> str:
    """A URL as it may be written down: without user, password, query and fragment."""
    if not URL.match(url):
        return url
    scheme, _, rest = url.partition("://")
    rest = _without_user(scheme.lower(), rest)
    rest = _PAIRS.sub("", rest) if scheme.lower() in STORES else re.split("[?#]", rest, maxsplit=1)[0]
    return f"{scheme.lower()}://{rest}"


def has_user(url: str) -> bool:
    """Whether a URL says who asks."""
    scheme, _, rest = url.partition("://")
    return _without_user(scheme.lower(), rest) != rest


def _without_user(scheme: str, rest: str) -> str:
    """What follows `://`, without user and password; some stores have a container before the `@`."""
    host = rest.partition("/")[0]
    user, at, _ = host.rpartition("@")
    if at:
        return rest[len(user) + 1 :] if scheme in STORES | _WEB or ":" in user else rest
    # AWS's secrets may hold slashes: `KEY:begin/end@bucket`. No bucket has a colon in its name.
    odd = (scheme in STORES and ":" in host and not host.startswith("arn:")) or (
        scheme in _WEB and not _PORT.fullmatch(host)
    )
    if not odd:
        return rest
    return rest.rpartition("@")[2] if "@" in rest else host.partition(":")[0]


def filesystem(url: str) -> Any:
    """The fsspec file system of a URL, one a process and thread; it remembers no listings.

    Raises:
        InputError: what reaches it is not installed, or there is no such scheme.
    """
    import fsspec

    scheme = url.partition("://")[0].lower()
    if _EXTRAS.get(scheme) == "gcs" and not os.environ.get("CURATE_DEBUG"):
        # It logs whole tracebacks of what it raises all the same.
        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)
    try:
        if _EXTRAS.get(scheme) == "s3":
            return _s3()
        return fsspec.filesystem(scheme, use_listings_cache=False)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        hint = (
            f'pip install "curate-faces[{extra}]"'
            if extra
            else f"pip install what fsspec needs for {scheme}://"
        )
        raise InputError(
            f"{scheme}:// needs a package that is not installed", where=url, hint=hint
        ) from error
    except ValueError as error:
        hint = "s3://, gs://, hf:// or a folder"
        raise InputError(f"nothing here can reach {scheme}://", where=url, hint=hint) from error


def _s3() -> Any:
    """S3, asked for a minute and a half at most; what the user's own configuration says of that comes first."""
    import fsspec
    from fsspec.config import conf

    own = dict((conf.get("s3") or {}).get("config_kwargs") or {})
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        own.setdefault("retries", {"total_max_attempts": _S3_ATTEMPTS})
    system = fsspec.filesystem("s3", use_listings_cache=False, config_kwargs=own)
    system.retries = _S3_REQUESTS
    return system


def path_in_store(url: str) -> str:
    """What the file system of a URL calls it."""
    return str(filesystem(url)._strip_protocol(url))


def credentials_hint(url: str) -> str:
    """Where a URL's credentials are looked for."""
    scheme = url.partition("://")[0].lower()
    if _EXTRAS.get(scheme) == "s3":
        return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, say who asks"
    if _EXTRAS.get(scheme) == "gcs":
        return "GOOGLE_APPLICATION_CREDENTIALS, or gcloud auth application-default login, says who asks"
    return "hf auth login" if scheme == "hf" else "the environment says who asks"
