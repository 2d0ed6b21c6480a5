"""Pictures that are at hand, scored in this process: `curate.score_images`, for anybody's pipeline."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from curate.affect import Tables, derive, open_tables
from curate.decoded import MAX_PIXELS
from curate.errors import CurateError, InputError, ModelError
from curate.models.session import Profile, resolve_device
from curate.scorers.columns import suggest
from curate.scorers.device.faults import DeviceFullError
from curate.scorers.geometry import Geometry
from curate.scorers.scorer import check_columns, make_scorer
from curate.scoring import Batch, FacesKept, MeshKind, Scoring, crashed
from curate.sources.remote import is_url
from curate.sources.source import Input, absolute, file_input, url_input

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray
    from PIL.Image import Image

    Picture = str | os.PathLike[str] | bytes | Image | NDArray[np.uint8]

# What `curate score` runs, less what reads the words in a file.
DEFAULT_SCORERS = ("mesh", "quality", "lite")
_SHAPE = "(H, W, 3) uint8 RGB"


def score_images(
    batch: Iterable[Picture],
    *,
    scorers: Sequence[str] | None = None,
    faces: FacesKept = "largest",
    landmarks: bool = False,
    mesh: MeshKind = "onnx",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    profile: Profile = "exact",
) -> pl.DataFrame:
    """Score pictures here and now, in this process and thread; nothing is written anywhere.

    Models are opened with the first call and stay, one set of them for each choice of options. Threads take turns;
    processes do not, so a pipeline that has several is a faster one. OpenCV's own threads are off from then on.

    Args:
        batch: pictures, also of several kinds: paths and URLs (`str` or `Path`), encoded bytes, Pillow's images,
            (H, W, 3) uint8 RGB arrays (whatever NumPy takes for one). For Pillow's images the decoder's rules
            hold: they are turned by their EXIF orientation, alpha is dropped, grey becomes RGB.
        scorers: their names; mesh, quality and lite if None.
        faces: score the `largest` face of a picture, or `all` of them.
        landmarks: with the column of all 478 landmarks.
        mesh: `mediapipe` takes the original face mesh instead of ours (`onnx`).
        device: `auto` is CUDA where it truly works.
        profile: `fast` runs networks with fewer bits (docs/profiles.md).

    Returns:
        At least a row a picture, in the order of the batch: `item` (UInt32, which picture of the batch it is of),
        then the columns of a score set in its order: identity, the scorers', and what follows from them (affect,
        measures, intent). `image` is the path, and null where there is none; so are `sha256` and `format` of
        pictures that were decoded already. Whatever is wrong with a picture (None, another kind of object, no
        face, damaged) is said in its row by `status` and `error`. An empty batch has all columns and no row.

    Raises:
        InputError: `batch` is one picture; no such scorer; two scorers fill one column.
        ModelError: a model is missing or damaged, or CUDA does not open.
        CurateError: a process that was forked off one in which Polars had run: it would wait for ever.
    """
    pictures = _pictures(batch)
    names = tuple(dict.fromkeys(scorers or DEFAULT_SCORERS))
    opened = _opened(_Options(names, faces, landmarks, mesh, device, profile))
    return opened.rows([_input(picture) for picture in pictures])


@dataclass(frozen=True, slots=True)
class _Options:
    scorers: tuple[str, ...]
    faces: FacesKept
    landmarks: bool
    mesh: MeshKind
    device: Literal["auto", "cpu", "cuda"]
    profile: Profile

    def scoring(self) -> Scoring:
        """The same that `curate score` runs."""
        for name, value, allowed in (
            ("faces", self.faces, FacesKept),
            ("mesh", self.mesh, MeshKind),
            ("profile", self.profile, Profile),
        ):
            words = get_args(allowed)
            if value not in words:
                raise InputError(
                    f"`{value}` is none of {', '.join(words)}{suggest(value, words)}", where=name
                )
        device = resolve_device(self.device)
        made = [make_scorer(name, self.profile, device) for name in self.scorers]
        scorers = tuple(Geometry(self.landmarks) if isinstance(s, Geometry) else s for s in made)
        check_columns(scorers, where="scorers", hint="ask for one of them")
        return Scoring(scorers, faces=self.faces, mesh=self.mesh, device=device)


class _Opened:
    """A Scoring with its models loaded, and what derived columns are made with."""

    def __init__(self, scoring: Scoring) -> None:
        self._call: Callable[[Batch], pl.DataFrame] = scoring.open()
        self._scorers = scoring.scorers
        self._tables: Tables = open_tables()
        self._turn = threading.Lock()

    def rows(self, inputs: Sequence[Input]) -> pl.DataFrame:
        """The rows of these inputs, whatever is wrong with them."""
        import polars as pl

        # What is no picture gives an empty batch its columns.
        asked = inputs or [Input("", problem="an empty batch")]
        with self._turn:
            found = self._scored(Batch(tuple(asked), tuple(scorer.name for scorer in self._scorers)))
        stored = pl.concat(found, how="diagonal")
        columns = [column for scorer in self._scorers for column in scorer.columns]
        absent = [pl.lit(None, c.polars).alias(c.name) for c in columns if c.name not in stored.columns]
        rows = derive(stored.with_columns(absent).lazy(), self._tables).collect()
        # Only the first row of a picture has no number of a face, or 0.
        first = rows["face"].fill_null(0) == 0
        item = (first.cum_sum() - 1).cast(pl.UInt32).alias("item")
        decoded = pl.col("item").is_in([i for i, one in enumerate(asked) if isinstance(one, _Decoded)])
        rows = rows.select(item, pl.all()).with_columns(
            pl.when(pl.col("image") != "").then("image"),
            *(pl.when(~decoded).then(name).alias(name) for name in ("sha256", "format")),
        )
        return rows if inputs else rows.clear()

    def _scored(self, batch: Batch) -> list[pl.DataFrame]:
        """As an engine does it: a batch that fails is taken apart, and a picture that fails alone is a row."""
        try:
            return [self._call(batch)]
        except ModelError as error:  # no picture's fault: a GPU that is lost, or has room for fewer
            if not isinstance(error, DeviceFullError) or len(batch) == 1:
                raise
            return [frame for single in batch.singles() for frame in self._scored(single)]
        except Exception as error:
            if len(batch) == 1:
                return [crashed(batch.inputs[0], f"{type(error).__name__}: {error}")]
            return [frame for single in batch.singles() for frame in self._scored(single)]


@dataclass(frozen=True)
class _Decoded(Input):
    """A picture that somebody has decoded. It is read as the file that holds nothing but its pixels."""

    pixels: Image | NDArray[np.uint8] | None = None

    def read(self) -> bytes:
        """A PPM file."""
        from curate.scorers.decode import upright_rgb

        if isinstance(self.pixels, np.ndarray):
            return _ppm(self.pixels.shape[1], self.pixels.shape[0], self.pixels.tobytes())
        assert self.pixels is not None  # noqa: S101 - it is one of the two
        width, height = self.pixels.size
        if width * height > MAX_PIXELS:
            return _ppm(width, height, b"")  # the header is enough to refuse it
        try:
            pixels = upright_rgb(self.pixels)
        except InputError:
            raise
        except Exception as error:  # an image whose file is read only now, and is damaged
            raise InputError(f"the picture is damaged or ends too early ({error})") from error
        return _ppm(pixels.shape[1], pixels.shape[0], pixels.tobytes())


def _ppm(width: int, height: int, pixels: bytes) -> bytes:
    return b"P6 %d %d 255\n" % (width, height) + pixels


def _pictures(batch: object) -> list[object]:
    """The pictures of a batch; InputError where it is a single one, whose letters or rows would be taken apart."""
    from PIL.Image import Image

    single = isinstance(batch, str | os.PathLike | bytes | bytearray | memoryview | Mapping | Image)
    if single or not isinstance(batch, Iterable) or getattr(batch, "shape", None) == ():
        raise InputError("a batch is a sequence of pictures", where="batch", hint="score_images([picture])")
    shape: tuple[int, ...] = getattr(batch, "shape", ())
    if len(shape) == 3 and shape[2] == 3:
        raise InputError("this is one picture, not a batch", where="batch", hint="score_images([picture])")
    return list(batch)


def _input(picture: Any) -> Input:
    """The input that a picture is: what cannot be read says so when it is."""
    from PIL.Image import Image

    if hasattr(picture, "as_py"):  # Arrow's scalars
        picture = picture.as_py()
    if isinstance(picture, os.PathLike):
        picture = os.fspath(picture)
    if isinstance(picture, str):
        return url_input(picture) if is_url(picture) else file_input(absolute(picture))
    if isinstance(picture, bytes | bytearray | memoryview):
        return Input("", data=bytes(picture))
    if isinstance(picture, Image):
        return _Decoded("", pixels=picture)
    if not hasattr(picture, "__array__"):
        problem = "there is no picture" if picture is None else f"not a picture: {type(picture).__name__}"
        return Input("", problem=problem)
    try:
        array = np.asarray(picture)
    except Exception as error:  # a tensor on a GPU, or one that wants gradients
        return Input("", problem=f"not an array in memory: {error}")
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        shape = ", ".join(map(str, array.shape))
        return Input("", problem=f"an array of {array.dtype} ({shape}); {_SHAPE} is wanted")
    return _Decoded("", pixels=array)


_open_ones: dict[_Options, _Opened] = {}
_opening = threading.RLock()
# What a forked process inherits is never closed there: libraries do not expect that.
_inherited: list[object] = []
# Whether this process is a fork that Polars would wait in for ever, and whether the next one will be.
_stranded = _strands = False


def _opened(options: _Options) -> _Opened:
    """The models for these options, opened once a process."""
    if _stranded:
        raise CurateError(
            "this process was forked off one in which Polars had run, and a fork has none of its threads",
            hint="start the workers by spawn: DataLoader(..., multiprocessing_context='spawn')",
        )
    with _opening:
        if options not in _open_ones:
            _open_ones[options] = _Opened(options.scoring())
        return _open_ones[options]


def _polars_has_run() -> bool:
    """Whether Polars has started its threads, as it does with the first work that it shares out."""
    try:
        names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
    except OSError:  # a thread has just ended: somebody has threads
        return True
    return bool(_open_ones) or any(name.startswith("polars-0") for name in names)


def _before_fork() -> None:
    global _strands
    _opening.acquire()
    _strands = _stranded or _polars_has_run()


def _after_fork_there() -> None:
    global _opening, _stranded
    _inherited.extend([dict(_open_ones), _opening])
    _open_ones.clear()
    _opening = threading.RLock()
    _stranded = _strands


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=lambda: _opening.release(), after_in_child=_after_fork_there
    )
