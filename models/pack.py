"""Model packs: a folder with the files of a model and a card that says what they are.

The card, `card.yaml`, is the one source of truth about a model: where it came from, under which licence, the
sha256 of every file, how to prepare its input and what its outputs mean. Scorers read it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curate.errors import ModelError

CARD = "card.yaml"
_SHIPPED = Path(__file__).resolve().parent / "packs"
# What each pack is made again by; any other pack comes from a folder that the user knows.
_CURES = {
    "libreface": "curate models pull libreface",
    "face-mesh": "pip install --force-reinstall curate-faces",
    "lite": "pip install --force-reinstall curate-faces",
}

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Licence(_Card):
    """`name` is an SPDX identifier where there is one; `summary` is in our own words."""

    name: str
    url: str = ""
    summary: str = ""


class File(_Card):
    """One file of a pack. `role` is `network`, `notice`, `source` or `log`."""

    sha256: Sha256
    bytes: int
    role: str = "network"


class Input(_Card):
    """How to prepare what a network is fed.

    A picture (layout NCHW, RGB): `resize` its shorter side to that many pixels with `resample`, cut the
    central `crop` x `crop`, divide by 255, subtract `mean`, divide by `std`. Without `resize` the caller
    warps straight to `size` (height, width). Features (layout NF): float32 [N, size[0]], as they are.
    """

    size: tuple[int, ...]
    layout: Literal["NCHW", "NF"] = "NCHW"
    resize: int | None = None
    resample: Literal["bilinear", "bicubic"] | None = None
    crop: int | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    note: str = ""


class Output(_Card):
    """One output of a network: `activation` is what the network applied last, `range` is what comes out.

    A consumer multiplies by `factor`; from `threshold` on (before the factor) a label counts as present.
    """

    labels: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    factor: float = 1.0
    threshold: float | None = None
    unit: str = ""
    note: str = ""


class Network(_Card):
    """One network of a pack. Outputs are keyed by their ONNX names.

    `input` is the only input or the first; `more_inputs` are the others of a network that takes several, by
    their ONNX names.
    """

    file: FileName
    input: Input
    more_inputs: dict[str, Input] = {}
    outputs: dict[str, Output]


class ModelPack(_Card):
    """A pack that has been found. `folder` is where; everything else is its card."""

    folder: Path = Field(exclude=True)
    name: FileName
    title: str
    version: str
    licence: Licence
    source: str
    training_data: str
    accuracy: str
    files: dict[FileName, File]
    networks: dict[str, Network]

    @classmethod
    def open(cls, folder: Path) -> ModelPack:
        """Read the card of `folder`; the files themselves are looked at by `verify` and `verified_path`.

        Raises:
            ModelError: there is no card, or it does not make sense.
        """
        import yaml  # type: ignore[import-untyped, unused-ignore]

        card = folder / CARD
        try:
            content = yaml.safe_load(card.read_text(encoding="utf-8"))
        except FileNotFoundError as missing:
            raise ModelError(
                "there is no card.yaml: this is not a model pack", where=str(folder)
            ) from missing
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as broken:
            raise ModelError(f"the card cannot be read: {broken}", where=str(card)) from broken
        if not isinstance(content, dict):
            raise ModelError("the card is not a table of fields", where=str(card))
        try:
            pack = cls(folder=folder, **{str(key): value for key, value in content.items()})
        except (ValidationError, TypeError) as wrong:
            raise ModelError(f"the card does not make sense: {wrong}", where=str(card)) from wrong
        unknown = sorted({network.file for network in pack.networks.values()} - set(pack.files))
        if unknown:
            raise ModelError(
                f"the card names {', '.join(unknown)} but lists no sha256 for it", where=str(card)
            )
        return pack

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with a file, its name, or the card's version; prose does not count."""
        parts = [
            self.name,
            self.version,
            *(f"{name}={self.files[name].sha256}" for name in sorted(self.files)),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def network(self, role: str) -> Network:
        """Raises ModelError where the pack has no such network."""
        if role not in self.networks:
            raise ModelError(
                f"the pack {self.name} has no network `{role}`, only {', '.join(sorted(self.networks))}",
                where=str(self.folder),
            )
        return self.networks[role]

    def path(self, role: str) -> Path:
        """The ONNX file of a network. Raises ModelError where the pack has no such network."""
        return self.folder / self.network(role).file

    def verified_path(self, role: str) -> Path:
        """`path`, after its sha256 has been compared with the card's: once a process and file state."""
        self._verify_file(self.network(role).file)
        return self.path(role)

    def verify(self) -> None:
        """Compare every file with the card.

        Raises:
            ModelError: naming the missing or damaged file and the command that brings it back.
        """
        for name in self.files:
            self._verify_file(name)

    def _verify_file(self, name: str) -> None:
        path, expected = self.folder / name, self.files[name]
        cure = _CURES.get(self.name, "")
        try:
            state = path.stat()
        except OSError as missing:
            raise ModelError(
                f"a file of the pack {self.name} is missing", where=str(path), hint=cure
            ) from missing
        if state.st_size != expected.bytes:
            problem = f"{state.st_size:,} bytes long, the card says {expected.bytes:,}"
        elif _hash_once(str(path), state.st_mtime_ns, state.st_size) != expected.sha256:
            problem = "its sha256 is not the one on the card"
        else:
            return
        raise ModelError(f"a file of the pack {self.name} is damaged: {problem}", where=str(path), hint=cure)


def cache_dir() -> Path:
    """Where packs that are not shipped live: $CURATE_CACHE, or the platform's cache folder for `curate`."""
    own = os.environ.get("CURATE_CACHE")
    if own:
        return Path(own).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("curate", appauthor=False))


def find_pack(name: str) -> ModelPack:
    """The pack in the user's cache or, failing that, the one shipped with the package.

    Raises:
        ModelError: there is none, or its card is broken.
    """
    for root in (cache_dir() / "models", _SHIPPED):
        card = root / name / CARD
        if card.is_file():
            state = card.stat()
            return _open_once(str(card.parent), state.st_mtime_ns, state.st_size)
    raise ModelError(f"the model pack {name} is not installed", hint=_CURES.get(name, "curate models list"))


def list_packs() -> list[ModelPack]:
    """Every pack that `find_pack` finds, by name.

    Raises:
        ModelError: a card is broken.
    """
    names = set()
    for root in (cache_dir() / "models", _SHIPPED):
        if root.is_dir():
            names |= {folder.name for folder in root.iterdir() if (folder / CARD).is_file()}
    return [find_pack(name) for name in sorted(names)]


def write_pack(
    folder: Path,
    *,
    name: str,
    title: str,
    version: str,
    licence: Licence,
    source: str,
    training_data: str,
    accuracy: str,
    networks: Mapping[str, Network],
    other_files: Mapping[str, str] | None = None,
) -> ModelPack:
    """Write the card for files that already lie in `folder`, and open the pack.

    The networks' own files are listed by themselves; `other_files` maps further file names to their roles.
    The card is written last and at once, so a folder with a card is a whole pack.
    """
    roles = dict.fromkeys((network.file for network in networks.values()), "network") | dict(
        other_files or {}
    )
    files = {
        file: File(sha256=sha256_of(folder / file), bytes=(folder / file).stat().st_size, role=role)
        for file, role in sorted(roles.items())
    }
    pack = ModelPack(
        folder=folder,
        name=name,
        title=title,
        version=version,
        licence=licence,
        source=source,
        training_data=training_data,
        accuracy=accuracy,
        files=files,
        networks=dict(networks),
    )
    import yaml  # type: ignore[import-untyped, unused-ignore]

    text = yaml.safe_dump(
        pack.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True, width=110
    )
    partial = folder / f"{CARD}.part"
    partial.write_text(text, encoding="utf-8", newline="\n")
    partial.replace(folder / CARD)
    return ModelPack.open(folder)


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A fresh folder beside `out`, which takes the place of `out` when the block ends well.

    Raises:
        ModelError: `out` is there and is neither empty nor a pack: it is somebody's, and stays.
    """
    if out.exists() and not (out / CARD).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise ModelError(
            "there is something else already, not a model pack", where=str(out), hint="use another -o"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{out.name}-", dir=out.parent, ignore_cleanup_errors=True
    ) as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        yield fresh
        if out.exists():
            out.rename(Path(scratch) / "old")
        fresh.rename(out)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=64)
def _open_once(folder: str, mtime_ns: int, size: int) -> ModelPack:
    # A card takes many milliseconds to parse, and scorers ask for theirs with every batch.
    return ModelPack.open(Path(folder))


@lru_cache(maxsize=256)
def _hash_once(path: str, mtime_ns: int, size: int) -> str:
    # Time and size are part of the key, so a file that changes under us is hashed again.
    return sha256_of(Path(path))
