"""The column catalogue: every column of a score set, declared once.

Documentation, `curate columns`, validation of what a scorer returns, and the messages of queries are made
from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    PolarsType = pl.DataType | type[pl.DataType]

STATUSES = ("ok", "no_face", "unreadable", "too_small", "too_large", "crashed")
EXPRESSIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
INTENSITY_AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
PRESENCE_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
# AUs that have a presence but no intensity.
PRESENCE_ONLY_AUS = tuple(n for n in PRESENCE_AUS if n not in INTENSITY_AUS)
BANDS = ("frozen", "cool", "warm", "hot", "blazing")
LANDMARKS = 478

_AU_NAMES = {
    1: "inner brow raiser", 2: "outer brow raiser", 4: "brow lowerer", 5: "upper lid raiser",
    6: "cheek raiser", 7: "lid tightener", 9: "nose wrinkler", 10: "upper lip raiser",
    12: "lip corner puller", 14: "dimpler", 15: "lip corner depressor", 17: "chin raiser",
    20: "lip stretcher", 23: "lip tightener", 24: "lip pressor", 25: "lips part", 26: "jaw drop",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a score set.

    Attributes:
        name: as it stands in the Parquet files and in queries.
        dtype: a Polars type by name: String, Boolean, Int32, UInt64, Float32; "Landmarks" is 478 x 3 Float32.
        doc: one line for people.
        scorer: the scorer that fills it; "" for what is known of every input, "person" for what people say.
        unit: "" where it has none.
        low, high: the closed range of the values, where there is one.
        values: the words it may hold, where it is a category.
        formula: how it follows from other columns, where it does.
        source: where the formula comes from.
    """

    name: str
    dtype: str
    doc: str
    scorer: str = ""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    formula: str = ""
    source: str = ""

    @property
    def polars(self) -> PolarsType:
        """The column's type in a Polars frame."""
        import polars as pl

        if self.dtype == "Landmarks":
            return pl.Array(pl.Float32, (LANDMARKS, 3))
        types: dict[str, PolarsType] = {
            "String": pl.String, "Boolean": pl.Boolean, "Int32": pl.Int32, "UInt64": pl.UInt64, "Float32": pl.Float32
        }  # fmt: skip
        return types[self.dtype]


def _identity() -> Iterable[Column]:
    yield Column("image", "String", "the picture: an absolute path, or SOURCE#split/row for a data set's row")
    yield Column("sha256", "String", "of the file's bytes, in hexadecimal; null where it could not be read")
    yield Column("face", "Int32", "number of the face within its picture, from 0, the largest first", low=0)
    yield Column("n_faces", "Int32", "faces found in the picture; null where nobody looked", low=0)
    yield Column("width", "Int32", "of the upright picture", unit="px", low=1)
    yield Column("height", "Int32", "of the upright picture", unit="px", low=1)
    yield Column("format", "String", "what the file is: jpeg, png, webp ...")
    yield Column("status", "String", "what became of the input", values=STATUSES)
    yield Column("error", "String", "why it was not scored, in words; null where it was")


def _face() -> Iterable[Column]:
    for name, doc in (
        ("box_x", "left edge of the landmarks' bounding box, as a share of the width"),
        ("box_y", "top edge of the landmarks' bounding box, as a share of the height"),
        ("box_w", "width of the box, as a share of the picture's"),
        ("box_h", "height of the box, as a share of the picture's"),
    ):
        yield Column(name, "Float32", doc, "mesh")
    yield Column("eye_distance", "Float32", "between the centres of the eyes", "mesh", "px", 0)
    yield Column(
        "yaw", "Float32", "head turn; positive towards the picture's right", "mesh", "degrees", -90, 90
    )
    yield Column("pitch", "Float32", "head nod; positive is looking up", "mesh", "degrees", -180, 180)
    yield Column(
        "roll", "Float32", "head tilt; positive is counter-clockwise as seen", "mesh", "degrees", -180, 180
    )
    yield Column(
        "asymmetry",
        "Float32",
        "difference of the face's two sides; null at a yaw of 20 degrees and more",
        "mesh",
        low=0,
        high=1,
        formula="sum |L - R| / sum (L + R) over the distances inner brow - eye, brow arch - eye, upper - lower "
        "lid, mouth corner - inner corner of the eye, mouth corner - wing of the nose, in space",
        source="docs/affect.md",
    )


def landmarks_column() -> Column:
    """The optional column with the whole mesh (`--landmarks`)."""
    return Column("landmarks", "Landmarks", "x / width, y / height, z / width of the 478 mesh points", "mesh")


def _quality() -> Iterable[Column]:
    doc = "1 - blur effect (Crete et al. 2007) of the face crop at no more than 256 px"
    yield Column("sharpness", "Float32", doc, "quality", low=0, high=1)
    yield Column("brightness", "Float32", "mean luma of the face crop", "quality", low=0, high=1)
    yield Column(
        "contrast", "Float32", "2 x standard deviation of the face crop's luma", "quality", low=0, high=1
    )
    yield Column("phash", "UInt64", "64-bit perceptual hash (DCT) of the picture", "quality")


def expression_columns(scorer: str) -> tuple[Column, ...]:
    """Intensities, presences, expression: what a full expression scorer fills."""
    columns = [
        Column(f"au{n:02}", "Float32", f"AU{n} {_AU_NAMES[n]}, intensity", scorer, "FACS points", 0, 5)
        for n in INTENSITY_AUS
    ]
    columns += [
        Column(
            f"au{n:02}_p", "Float32", f"AU{n} {_AU_NAMES[n]}, probability that it is there", scorer, "", 0, 1
        )
        for n in PRESENCE_AUS
    ]
    columns += [Column(name, "Float32", f"probability of {name}", scorer, "", 0, 1) for name in EXPRESSIONS]
    columns.append(Column("expression", "String", "the most probable expression", scorer, values=EXPRESSIONS))
    columns.append(Column("confidence", "Float32", "probability of that expression", scorer, "", 0, 1))
    return tuple(columns)


def gaze_columns(scorer: str) -> tuple[Column, ...]:
    """Where the eyes look, in the frame of the aligned face."""
    return (
        Column("gaze_yaw", "Float32", "gaze, sideways, as the network gives it", scorer, "degrees"),
        Column("gaze_pitch", "Float32", "gaze, up and down, as the network gives it", scorer, "degrees"),
    )


def _affect() -> Iterable[Column]:
    russell = "Russell & Mehrabian 1977"
    yield Column(
        "valence",
        "Float32",
        "how pleasant the expression is",
        "affect",
        "",
        -1,
        1,
        formula="sum p_k V_k",
        source=russell,
    )
    yield Column(
        "arousal",
        "Float32",
        "how excited the expression is",
        "affect",
        "",
        -1,
        1,
        formula="sum p_k A_k",
        source=russell,
    )
    yield Column(
        "energy",
        "Float32",
        "how much the muscles do",
        "affect",
        "",
        0,
        1,
        formula="E = 1 - exp(-S / 5), S = sum w_j x_j + sum over AU 7, 10, 14, 23, 24 of "
        "2 clip(2 q_j - 1, 0, 1); w = 1, but .5 for AU25 and AU26; null without action units",
        source="FACS intensities (Ekman, Friesen & Hager 2002)",
    )
    yield Column(
        "temperature",
        "Float32",
        "how much the face expresses",
        "affect",
        "",
        0,
        100,
        formula="100 sqrt(I E), I = sum p_k |(V, A)_k| / .957; 100 I without action units",
        source="docs/affect.md",
    )
    yield Column(
        "tone",
        "Float32",
        "how pleasant it is; 50 is neither",
        "affect",
        "",
        0,
        100,
        formula="50 + 50 clip(valence / .81, -1, 1)",
        source="docs/affect.md",
    )
    yield Column(
        "agreement",
        "Float32",
        "whether classifier and muscles say the same",
        "affect",
        "",
        0,
        1,
        formula="1 - |I - E|",
        source="docs/affect.md",
    )
    yield Column(
        "ambivalence",
        "Float32",
        "how far the expressions that are seen contradict each other",
        "affect",
        "",
        0,
        1,
        formula="I - |(valence, arousal)| / .957",
        source="docs/affect.md",
    )
    yield Column(
        "band",
        "String",
        "of the temperature",
        "affect",
        values=BANDS,
        formula="frozen < 15 <= cool < 35 <= warm < 60 <= hot < 80 <= blazing",
        source="docs/affect.md",
    )


def _measures() -> Iterable[Column]:
    yield Column(
        "duchenne",
        "Float32",
        "share of the eyes in a smile; null without one (au12 < 1)",
        "measures",
        "",
        0,
        1,
        formula="x6 / (x6 + x12)",
        source="Duchenne smile; says little of felt enjoyment (Ambadar, Cohn & Reed 2009)",
    )
    yield Column(
        "pspi_lite",
        "Float32",
        "pain, without the closing of the eyes (AU43), which no scorer measures",
        "measures",
        "",
        0,
        15,
        formula="x4 + max(x6, 2 [q7 > .5]) + max(x9, 2 [q10 > .5])",
        source="PSPI (Prkachin & Solomon 2008)",
    )
    yield Column(
        "congruence",
        "Float32",
        "how much of the expression's muscle pattern is there; null for neutral",
        "measures",
        "",
        0,
        1,
        formula="mean over the AUs of the pattern of min(x_j / 3, 1), or of q_j; of several patterns the largest: "
        "happiness 6+12+25, 6+12; sadness 1+4+15; surprise 1+2+5+26; fear 1+2+4+5+20+25, 1+2+4+5+20+26; "
        "disgust 4+10+17, 9+15; anger 4+5+7+24, 4+5+7+23; contempt 14",
        source="FACS manual, table 11-1 (Ekman & Friesen 1978); EMFACS (Friesen & Ekman 1983)",
    )
    yield Column(
        "muscles",
        "String",
        "the expression whose muscle pattern is there most; neutral where none is",
        "measures",
        values=EXPRESSIONS,
        formula="the expression whose congruence would be largest, if that is .5 or more",
        source="as congruence",
    )
    yield Column(
        "au_conflicts",
        "Int32",
        "suspicious pairs of AUs, and AUs whose two answers contradict each other",
        "measures",
        low=0,
        formula="count of the pairs (12, 15), (24, 25), (24, 26) with both there (q > .5; x >= 1 for 25 and 26), "
        "and of the AUs 1 2 4 6 12 15 17 with q > .5 and x < .5, or q <= .5 and x >= 2",
        source="docs/affect.md",
    )


def _generation() -> Iterable[Column]:
    yield Column("prompt", "String", "what the picture was made from", "generation")
    yield Column("negative_prompt", "String", "what it was to avoid", "generation")
    yield Column("generator", "String", "the program: AUTOMATIC1111, ComfyUI, InvokeAI ...", "generation")
    yield Column("model", "String", "the checkpoint", "generation")
    yield Column("lora", "String", "LoRAs, sorted, separated by commas", "generation")
    yield Column("seed", "UInt64", "of the sampler", "generation")
    yield Column("steps", "Int32", "of the sampler", "generation", low=0)
    yield Column("cfg", "Float32", "guidance scale", "generation")
    yield Column("sampler", "String", "as the program names it", "generation")
    yield Column(
        "metadata",
        "String",
        "where this was read",
        "generation",
        values=("file", "sidecar", "table", "dataset"),
    )
    yield Column("metadata_error", "String", "why what is there could not be read, in words", "generation")


def _intent() -> Iterable[Column]:
    yield Column(
        "intent",
        "String",
        "the expression that was asked for, by prompt or folder",
        "intent",
        values=EXPRESSIONS,
        formula="the largest share of the intended mixture",
        source="docs/intent.md",
    )
    yield Column("intent_words", "String", "the lexicon's words that say so, separated by commas", "intent")
    yield Column(
        "intent_p",
        "Float32",
        "how much of it is displayed",
        "intent",
        "",
        0,
        1,
        formula="sum t_k p_k, t the intended mixture",
        source="docs/intent.md",
    )
    yield Column(
        "intent_rank",
        "Int32",
        "rank of the intended expression among the measured ones, 1 the first",
        "intent",
        "",
        1,
        8,
    )


def _decision() -> Iterable[Column]:
    yield Column(
        "decision",
        "String",
        "what a person decided of the face; null where nobody did",
        "person",
        values=("accept", "reject"),
    )


IDENTITY = tuple(_identity())
FACE = tuple(_face())
QUALITY = tuple(_quality())
GENERATION = tuple(_generation())
AFFECT = tuple(_affect())
MEASURES = tuple(_measures())
INTENT = tuple(_intent())
DECISION = tuple(_decision())
CATALOGUE = (
    *IDENTITY, *FACE, landmarks_column(), *QUALITY, *expression_columns("lite or libreface"),
    *gaze_columns("libreface"), *AFFECT, *MEASURES, *GENERATION, *INTENT, *DECISION,
)  # fmt: skip


def schema(columns: Iterable[Column]) -> dict[str, PolarsType]:
    """Column names and Polars types, in order."""
    return {column.name: column.polars for column in columns}


def suggest(name: str, among: Iterable[str]) -> str:
    """`; did you mean ...?` for a name that does not exist, or nothing."""
    close = get_close_matches(name, list(among), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""
