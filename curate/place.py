"""Where a score set lies: in a folder, or on object storage (`s3://`, `gs://` and whatever else fsspec knows)."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from curate.errors import InputError
from curate.urls import URL, credentials_hint, filesystem, has_user, is_url, path_in_store, shown

PARTIAL = ".partial"
"""How the names of files end that are being written."""
# What says, in the listings of one store or another, that a file is no longer what it was.
_TAGS = ("ETag", "etag", "blob_id", "LastModified", "last_modified", "updated", "mtime", "created")


@dataclass(frozen=True, slots=True)
class Remote:
    """A file or a folder at a URL; make one with `place_of`. It pickles small and holds no connection.

    It has the methods of `pathlib.Path` that score sets need. What is not there is a FileNotFoundError, as it is
    there; anything else that goes wrong is an InputError that names the URL and never a credential. Nothing is
    cached: a listing is what the store says now. A folder is there as soon as a file is in it.

    Attributes:
        url: what it is called, without `/` at the end.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Remote:
        return Remote(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return Path(self.name).stem

    @property
    def parent(self) -> Remote:
        """The folder that it lies in."""
        return Remote(self.url.rpartition("/")[0])

    def with_name(self, name: str) -> Remote:
        """Another file of the same folder."""
        return self.parent / name

    def exists(self) -> bool:
        """Whether there is a file or a folder."""
        with self._reached() as (system, path):
            return bool(system.exists(path))

    def is_dir(self) -> bool:
        """Whether something lies below it."""
        with self._reached() as (system, path):
            return bool(system.isdir(path))

    def iterdir(self) -> Iterator[Remote]:
        """What lies in it, files and folders; nothing where it is not there."""
        yield from (self / name for name in self.listing(folders=True))

    def listing(self, *, folders: bool = False) -> dict[str, tuple[int, str]]:
        """The files that lie in it, by name, each with its bytes and a tag that changes when it is written anew."""
        found: dict[str, tuple[int, str]] = {}
        try:
            with self._reached() as (system, path):
                for entry in system.ls(path, detail=True):
                    whole = str(entry["name"]).rstrip("/")
                    # Some stores list the folder itself among what is in it.
                    if whole != path.rstrip("/") and (folders or entry.get("type") != "directory"):
                        tag = next((str(entry[name]) for name in _TAGS if entry.get(name)), "")
                        found[whole.rpartition("/")[2]] = (int(entry.get("size") or 0), tag)
        except FileNotFoundError:
            return {}
        return found

    def read_bytes(self) -> bytes:
        """The whole file."""
        with self._reached() as (system, path):
            return bytes(system.cat_file(path))

    def download(self, target: Path) -> None:
        """Write the whole file to a local one, without holding it in memory."""
        with self._reached() as (system, path):
            system.get_file(path, str(target))

    @contextlib.contextmanager
    def opened(self) -> Iterator[Any]:
        """The file, to read parts of; only these are fetched. What its content is to blame for is raised as it is."""
        wrong: Exception | None = None
        with self._reached() as (system, path), system.open(path, "rb", cache_type="none") as file:
            try:
                yield file
            except (ValueError, KeyError, TypeError) as error:
                wrong = error
        if wrong is not None:
            raise wrong

    def write_bytes(self, data: bytes | memoryview, *, new: bool = False) -> None:
        """Write the whole file in one step: a reader sees what was there before, or all of it.

        Args:
            data: what it is to hold.
            new: only where there is no file yet, if the store can say so; else a FileExistsError.
        """
        try:
            with self._reached() as (system, path):
                system.pipe_file(path, bytes(data), mode="create" if new else "overwrite")
        except FileNotFoundError as error:
            raise InputError(
                "there is no such bucket", where=self.url, hint="make it, or choose another"
            ) from error

    def unlink(self, missing_ok: bool = False) -> None:
        """Take the file away."""
        try:
            with self._reached() as (system, path):
                system.rm_file(path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def replace(self, target: Remote) -> Remote:
        """Give the file another name."""
        with self._reached() as (system, path):
            system.mv(path, path_in_store(target.url))
        return target

    def modified(self) -> float:
        """When the file was written, by the store's clock, in seconds since 1970."""
        with self._reached() as (system, path):
            return float(system.modified(path).timestamp())

    @contextlib.contextmanager
    def _reached(self) -> Iterator[tuple[Any, str]]:
        """The file system and the path there, with what goes wrong in our words."""
        system = filesystem(self.url)
        try:
            yield system, path_in_store(self.url)
        except (FileNotFoundError, FileExistsError, InputError):
            raise
        except Exception as error:
            # gcsfs has no PermissionError.
            if isinstance(error, PermissionError) or str(error).startswith("Forbidden"):
                raise InputError(
                    "access is denied", where=self.url, hint=credentials_hint(self.url)
                ) from error
            # The libraries' own texts are left out: they quote addresses and, some of them, keys.
            kind = type(error).__name__
            if "Credentials" in kind or "Token" in kind:
                raise InputError(
                    "there are no credentials", where=self.url, hint=credentials_hint(self.url)
                ) from error
            raise InputError(
                f"the storage cannot be reached or refuses ({kind})",
                where=self.url,
                hint="look at the network, the bucket's name and the address of the service; then the same again",
            ) from error


Place = Path | Remote
"""Where a score set, or a file of one, lies."""


def place_of(text: str | Path | Remote) -> Place:
    """The place that a path or a URL names. Nothing is opened.

    Raises:
        InputError: the URL names no bucket, or holds a password or a signature: who asks is said in the environment.
    """
    if isinstance(text, Remote):
        return text
    if not isinstance(text, str) or not URL.match(text):
        return Path(text)
    if text.lower().startswith("file://"):
        from urllib.request import url2pathname

        return Path(url2pathname(urlsplit(text).path))
    scheme, _, rest = text.partition("://")
    if has_user(text):
        hint = "take it out of the URL; " + credentials_hint(text)
        raise InputError("a URL is no place for a password", where=shown(text), hint=hint)
    if shown(text) != f"{scheme.lower()}://{rest}":
        hint = "leave away what follows the name, or download it; " + credentials_hint(text)
        raise InputError("a signed URL cannot be kept, and would be", where=shown(text), hint=hint)
    if not rest.partition("/")[0]:
        raise InputError("this names no bucket", where=text, hint=f"{scheme}://BUCKET/NAME.scores")
    return Remote(f"{scheme.lower()}://{rest.rstrip('/')}")


def here(path: str | Path) -> Path:
    """A path on this machine, for what is written to folders alone; `Path` would make `s3:/` of `s3://`.

    Raises:
        InputError: it is a URL.
    """
    if is_url(path):
        name = str(path).rstrip("/").rpartition("/")[2] or "NAME"
        hint = f"-o {name}, and copy what is written there"
        raise InputError("only `curate score` writes to a URL", where=str(path), hint=hint)
    return Path(path)


def write_whole(place: Place, data: bytes | memoryview) -> None:
    """Write a file in one step, replacing what was there; it is on disk, or in the store, for certain.

    Raises:
        InputError: the disk is full, or may not be written to; the store is out of reach. The old file, if any, is
            untouched.
    """
    if isinstance(place, Remote):
        place.write_bytes(data)
        return
    with replacing(place) as partial:
        partial.write_bytes(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that becomes `path` at the end, on disk for certain, or vanishes.

    The name is this writer's own: on a shared disk, several may write one file, and the last one has written it.

    Raises:
        InputError: the disk is full, or may not be written to.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        yield partial
        with partial.open("r+b") as file:  # Windows syncs what is open for writing only
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot be written: {reason}",
            where=str(path),
            hint="make room or choose another place with -o; the same command then goes on where this one stopped",
        ) from error


def sync_folder(folder: Path) -> None:
    """Make a rename last, where the system lets folders be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
