"""`manifest.json`: what is needed to make a score set again."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from curate.errors import InputError
from curate.models.pack import ModelPack, find_pack
from curate.place import Place, write_whole
from curate.scorers.scorer import MESH_PACK, fingerprint
from curate.scoring import Scoring

FILE = "manifest.json"
FORMAT = 1
_PACKAGES = (
    "curate-faces", "numpy", "opencv-python-headless", "pillow", "polars", "onnxruntime-gpu", "onnxruntime", "mediapipe"
)  # fmt: skip


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class SourceRecord(_Part):
    """Where the pictures came from."""

    kind: str
    location: str
    split: str | None = None


class ScorerRecord(_Part):
    """A scorer whose columns are in the set."""

    version: str
    fingerprint: str
    columns: list[str]
    packs: list[str]
    options: dict[str, str]


class PackRecord(_Part):
    """A model pack that was used."""

    title: str
    version: str
    licence: str
    files: dict[str, str]

    @classmethod
    def of(cls, pack: ModelPack) -> PackRecord:
        """What a manifest says of a pack: every file by its sha256."""
        files = {name: file.sha256 for name, file in pack.files.items()}
        return cls(title=pack.title, version=pack.version, licence=pack.licence.name, files=files)


class AffectRecord(_Part):
    """The table of affect that the set's derived columns were made with.

    `file` is the user's own; `energy` names the columns that energy is made of, or says that there are none.
    """

    name: str
    version: str
    sha256: str
    file: str | None = None
    energy: str


class LexiconRecord(_Part):
    """The words that intents were read with; `file` is the user's own."""

    words: int
    sha256: str
    file: str | None = None


class Manifest(_Part):
    """The whole of it. Times are UTC in ISO 8601; `finished` is null while a run goes on or after it was killed.

    `derived` is the fingerprint of the tables that the derived columns of all its rows were made with; null while
    some were made with others. `choice` is there in a set that a recipe chose from others: recipe, inputs, counts.
    """

    format: int = FORMAT
    created: str
    finished: str | None = None
    seconds: float = 0.0
    source: SourceRecord
    options: dict[str, str | int | bool | None]
    scorers: dict[str, ScorerRecord]
    packs: dict[str, PackRecord]
    versions: dict[str, str]
    inputs: int = 0
    rows: int = 0
    statuses: dict[str, int] = {}
    affect: AffectRecord | None = None
    lexicon: LexiconRecord | None = None
    derived: str | None = None
    choice: dict[str, Any] | None = None

    @property
    def own_tables(self) -> bool:
        """Whether derived columns were made with a table of the user's own."""
        return any(record is not None and record.file for record in (self.affect, self.lexicon))

    def write(self, folder: Place) -> None:
        """Replace the set's manifest in one step; InputError where it cannot be written."""
        write_whole(folder / FILE, f"{self.model_dump_json(indent=2)}\n".encode())


def read_manifest(folder: Place) -> Manifest:
    """The folder's manifest; InputError where there is none or it makes no sense."""
    path = folder / FILE
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError("not a score set: it has no manifest.json", where=str(folder)) from None
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        hint = "curate score SOURCE -o FOLDER --overwrite"
        raise InputError(f"the manifest cannot be read: {reason}", where=str(path), hint=hint) from error


def now() -> str:
    """The time, as manifests write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Of Python, the platform, and the packages whose versions may matter to a number."""
    found = {"python": sys.version.split()[0], "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def begin_manifest(
    source: SourceRecord, scoring: Scoring, options: dict[str, str | int | None], earlier: Manifest | None
) -> Manifest:
    """What is known at the start.

    Args:
        source: what is scored; where single pictures are added to a set, the set's own source.
        scoring: what is done to them.
        options: what else the user said.
        earlier: the manifest of the set as it is; its beginning and duration are carried on.
    """
    packs = {name for scorer in scoring.scorers for name in scorer.packs}
    if scoring.needs_mesh:
        packs.add(MESH_PACK)
    manifest = Manifest(
        created=now(),
        source=source,
        options={"faces": scoring.faces, "mesh": scoring.mesh, "device": scoring.device, **options},
        scorers={
            scorer.name: ScorerRecord(
                version=scorer.version,
                fingerprint=fingerprint(scorer, scoring.mesh),
                columns=[column.name for column in scorer.columns],
                packs=list(scorer.packs),
                options=dict(scorer.options),
            )
            for scorer in scoring.scorers
        },
        packs={name: PackRecord.of(find_pack(name)) for name in sorted(packs)},
        versions=versions(),
    )
    if earlier is not None:
        manifest = manifest.model_copy(update={"created": earlier.created, "seconds": earlier.seconds})
    return manifest
