"""The training set on disk: prepared crops, landmarks and labels, written as a stream and read by mapping.

A folder with `pixels.npy` (uint8 [N, S, S, 3], RGB), `shapes.npy` (float32 [N, 478, 3]), `rows.parquet` (N rows
in the same order) and `set.json`. The folder appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from curate.errors import InputError
from curate.models.libreface import EXPRESSIONS, INTENSITIES, PRESENCES

if TYPE_CHECKING:
    import polars as pl

POINTS = 478
# The columns of rows.parquet; the labels in the order in which `TrainingSet.labels` has them.
IDENTITY = ("image", "sha256", "dataset", "subject", "split")
LABELS = (*INTENSITIES, *(f"{name}_p" for name in PRESENCES), *EXPRESSIONS)
TASKS = ("intensity", "presence", "expression")
COLUMNS_OF = {"intensity": slice(0, 12), "presence": slice(12, 24), "expression": slice(24, 32)}

_REMAKE = "prepare the data again: curate train CONFIG --prepare"
_HEADER = 128


@dataclass(frozen=True)
class Crop:
    """How the crops were cut.

    `kind` is `lite` or `libreface`, `version` changes when the cutting does, `side` is what is stored (S) and
    `inner` the central part that a network sees without augmentation, both in pixels.
    """

    kind: str
    side: int
    inner: int
    version: str = "1"


class SetWriter:
    """Takes the rows of a training set, batch by batch. Made by `write_training_set`."""

    def __init__(self, folder: Path, crop: Crop) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.crop = crop
        self._count = 0
        self._sources: list[dict[str, Any]] = []
        self._files: dict[str, BinaryIO] = {}
        for name in ("pixels", "shapes"):
            file = (folder / f"{name}.npy").open("wb")
            file.write(b"\0" * _HEADER)
            self._files[name] = file
        text, number = pa.string(), pa.float32()
        self._schema = pa.schema([*((c, text) for c in IDENTITY), *((c, number) for c in LABELS)])
        self._rows = pq.ParquetWriter(folder / "rows.parquet", self._schema, compression="zstd")

    def add(
        self,
        pixels: npt.NDArray[np.uint8],
        shapes: npt.NDArray[np.float32],
        rows: pl.DataFrame,
    ) -> None:
        """Append a batch.

        Args:
            pixels: uint8 [n, S, S, 3], RGB.
            shapes: float32 [n, 478, 3], pose-normalised, in eye distances.
            rows: n rows with `image` and `sha256`, `dataset`, and what there is of `subject`, `split` and the
                labels: expression as eight columns, or as one column `expression` of names. Other columns are
                left out.

        Raises:
            InputError: a shape, a type, a split or an expression's name is not as it should be.
        """
        import polars as pl

        side, n = self.crop.side, rows.height
        for name, array, shape, dtype in (
            ("pixels", pixels, (n, side, side, 3), np.uint8),
            ("shapes", shapes, (n, POINTS, 3), np.float32),
        ):
            if array.shape != shape or array.dtype != dtype:
                raise InputError(f"{name} are {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}")
        rows = _spread_expression(rows)
        splits = set(rows["split"].drop_nulls()) if "split" in rows.columns else set()
        if wrong := sorted(splits - {"train", "valid", "test"}):
            raise InputError(f"a split is train, valid, test or null, not {', '.join(map(repr, wrong))}")
        lacking = [c for c in ("image", "sha256", "dataset") if c not in rows.columns]
        if lacking:
            raise InputError(f"the rows of a training set need {', '.join(lacking)}")
        table = rows.select(
            *(_column(rows, c).cast(pl.String) for c in IDENTITY),
            *(_column(rows, c).cast(pl.Float32).fill_nan(None) for c in LABELS),
        )
        self._files["pixels"].write(np.ascontiguousarray(pixels).tobytes())
        self._files["shapes"].write(np.ascontiguousarray(shapes).tobytes())
        self._rows.write_table(table.to_arrow().cast(self._schema))
        self._count += n

    def source(self, facts: Mapping[str, Any]) -> None:
        """Note where rows came from: location, sha256, counts of rows, of faces found and not found."""
        self._sources.append(dict(facts))

    def _finish(self, folder: Path) -> None:
        side = self.crop.side
        self._rows.close()
        for name, shape, dtype in (
            ("pixels", (self._count, side, side, 3), "|u1"),
            ("shapes", (self._count, POINTS, 3), "<f4"),
        ):
            file = self._files[name]
            file.seek(0)
            file.write(_npy_header(shape, dtype))
            file.flush()
            os.fsync(file.fileno())
            file.close()
        crop = {"kind": self.crop.kind, "version": self.crop.version}
        facts = {"crop": crop, "side": side, "inner": self.crop.inner, "rows": self._count}
        text = json.dumps({**facts, "sources": self._sources}, indent=1, ensure_ascii=False)
        (folder / "set.json").write_text(text + "\n", encoding="utf-8")

    def _abandon(self) -> None:
        for file in self._files.values():
            file.close()
        self._rows.close()


@contextlib.contextmanager
def write_training_set(out: Path, crop: Crop, *, overwrite: bool = False) -> Iterator[SetWriter]:
    """Write a training set at `out`; memory stays flat, and the folder appears when the block ends well.

        with write_training_set(out, Crop("lite", side=120, inner=96)) as writer:
            for pixels, shapes, rows in batches:
                writer.add(pixels, shapes, rows)
            writer.source({"location": ..., "sha256": ..., "rows": ..., "found": ..., "not_found": ...})

    Raises:
        InputError: `out` is there already, and is not a training set that may be overwritten.
    """
    if out.exists() and not (overwrite and (out / "set.json").is_file()):
        hint = "--overwrite" if (out / "set.json").is_file() else "use another folder"
        raise InputError("there is something already", where=str(out), hint=hint)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        fresh = scratch / "new"
        fresh.mkdir()
        writer = SetWriter(fresh, crop)
        try:
            yield writer
            writer._finish(fresh)
        except BaseException:
            writer._abandon()
            raise
        if out.exists():
            out.rename(scratch / "old")
        fresh.rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True)
class TrainingSet:
    """A training set that has been opened.

    `pixels` (uint8 [N, S, S, 3]) and `shapes` (float32 [N, 478, 3]) are mapped, not read. `labels` is float32
    [N, 32] in the order of `LABELS`, NaN where there is none; `rows` has the identity columns; `facts` is
    set.json.
    """

    folder: Path
    crop: Crop
    pixels: npt.NDArray[np.uint8]
    shapes: npt.NDArray[np.float32]
    rows: pl.DataFrame = field(repr=False)
    labels: npt.NDArray[np.float32] = field(repr=False)
    facts: dict[str, Any] = field(repr=False)

    def __len__(self) -> int:
        return self.rows.height

    @classmethod
    def open(cls, folder: Path) -> TrainingSet:
        """Map the arrays and read the rows.

        Raises:
            InputError: it is not a training set, or its parts do not fit each other.
        """
        import polars as pl

        if not (folder / "set.json").is_file():
            raise InputError("this is not a training set: no set.json", where=str(folder), hint=_REMAKE)
        try:
            facts = json.loads((folder / "set.json").read_text(encoding="utf-8"))
            crop = Crop(facts["crop"]["kind"], facts["side"], facts["inner"], str(facts["crop"]["version"]))
            table = pl.read_parquet(folder / "rows.parquet")
            rows = table.select(IDENTITY)
            labels = table.select(LABELS).cast(pl.Float32).fill_null(float("nan")).to_numpy()
            arrays = [_mapped(folder / f"{name}.npy", len(table)) for name in ("pixels", "shapes")]
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as broken:
            raise InputError(
                f"the training set cannot be read: {broken}", where=str(folder), hint=_REMAKE
            ) from broken
        pixels, shapes = arrays
        if pixels.shape != (len(table), crop.side, crop.side, 3) or shapes.shape != (len(table), POINTS, 3):
            raise InputError(
                f"{len(table)} rows, but pixels {pixels.shape} and shapes {shapes.shape}",
                where=str(folder),
                hint=_REMAKE,
            )
        return cls(folder, crop, pixels, shapes, rows, np.ascontiguousarray(labels), facts)


def _mapped(path: Path, rows: int) -> npt.NDArray[Any]:
    # Nothing can be mapped where there is nothing.
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r" if rows else None, allow_pickle=False)
    return array


def _column(rows: pl.DataFrame, name: str) -> pl.Expr:
    import polars as pl

    return pl.col(name) if name in rows.columns else pl.lit(None).alias(name)


def _spread_expression(rows: pl.DataFrame) -> pl.DataFrame:
    """A column `expression` of names as eight columns of zeros and ones."""
    import polars as pl

    if "expression" not in rows.columns or EXPRESSIONS[0] in rows.columns:
        return rows
    for name in rows["expression"].drop_nulls().unique().sort():
        if name not in EXPRESSIONS:
            close: Sequence[str] = get_close_matches(str(name), EXPRESSIONS, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"one of {', '.join(EXPRESSIONS)}"
            raise InputError(f"there is no expression {name!r}", hint=hint)
    return rows.with_columns(
        (pl.col("expression") == name).cast(pl.Float32).alias(name) for name in EXPRESSIONS
    )


def _npy_header(shape: tuple[int, ...], dtype: str) -> bytes:
    """The head of a .npy file (version 1.0) in a fixed 128 bytes, so that it can be written last."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    body = text.ljust(_HEADER - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body.encode("latin1")
