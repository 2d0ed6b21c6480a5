"""What a generator has to make more of: prompts for the cells that ran dry, in the lexicon's words."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence

import polars as pl

from curate.recipes.affect import affect_columns, load_affect
from curate.recipes.lexicon import Lexicon, Word, ideal_faces
from curate.scorers.columns import BANDS, EXPRESSIONS

# Of a cell's columns those that become words, and those that are counts; any other is passed through.
_ASKED = ("expression", "intent", "muscles")
_COUNTS = ("share", "wanted", "had", "kept", "missing")
# No more different prompts a cell than this: a generator varies the rest by its seed.
_MOST = 6
# A word stands for an expression if most of it is that expression.
_MOSTLY = 0.5
_COOL = ("frozen", "cool", "warm")
# Action units in words, together first; neither is a word of the lexicon, so that they intend nothing.
_MUSCLES: Mapping[tuple[int, ...], str] = {
    (1, 2): "eyebrows raised", (25, 26): "mouth open", (1,): "inner eyebrows raised",
    (2,): "outer eyebrows raised", (4,): "eyebrows lowered", (5,): "upper eyelids raised", (6,): "cheeks raised",
    (7,): "eyelids tightened", (9,): "nose wrinkled", (10,): "upper lip raised",
    (12,): "corners of the mouth pulled up", (14,): "corners of the mouth tucked in",
    (15,): "corners of the mouth pulled down", (17,): "chin raised", (20,): "lips stretched sideways",
    (23,): "lips tightened", (24,): "lips pressed together", (25,): "lips parted", (26,): "jaw dropped open",
}  # fmt: skip
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def prompts(missing: pl.DataFrame, lexicon: Lexicon, seed: int = 0) -> pl.DataFrame:
    """Prompts for cells that lack faces.

    Words fit the cell's expression (more than half of their mixture is) and its band (the temperature of the face
    that the word describes); where no word does both, the nearest ones are made stronger or weaker. Bins of `yaw`
    become a view. The negative prompt holds what lies farthest away in valence and arousal, and a neutral face
    where the cell is hot or blazing. The same rows in any order, with the same seed, give the same prompts.

    Args:
        missing: a row a cell: its labels (String; `expression`, `intent` or `muscles`, `band`, `yaw`, any other
            column), and `missing`, how many faces it lacks (an integer). `share`, `wanted`, `had` and `kept` are
            passed over.
        lexicon: the words.
        seed: of the choice among words.

    Returns:
        A row a prompt: `cell` (`expression=anger, band=hot`), `n` (Int64, pictures to make with it), `prompt`,
        `negative_prompt`, and the columns that are no words, as String (`model`). The `n` of a cell sum to what it
        lacks, if every picture became a face of that cell; ask for more than that.
    """
    labels = [name for name in missing.columns if name not in _COUNTS]
    passed = [name for name in labels if name not in (*_ASKED, "band", "yaw")]
    heat = _temperatures(lexicon)
    rows = []
    cells = missing.filter(pl.col("missing") > 0).select(
        *[pl.col(n).cast(pl.String) for n in labels], "missing"
    )
    for cell in cells.sort(labels).iter_rows(named=True):
        name = ", ".join(f"{label}={cell[label]}" for label in labels)
        expression = next((cell[n] for n in _ASKED if cell.get(n) in EXPRESSIONS), None)
        band = cell.get("band") if cell.get("band") in BANDS else None
        words = _shuffled(_fitting(lexicon, heat, expression, band), f"{seed}\n{name}")
        chosen: list[tuple[Word | None, str]] = [*words[: min(_MOST, cell["missing"])]] or [(None, "")]
        for i, (word, degree) in enumerate(chosen):
            share, rest = divmod(cell["missing"], len(chosen))
            rows.append(
                {
                    "cell": name,
                    "n": share + (i < rest),
                    "prompt": _prompt(word, degree, _view(cell.get("yaw"))),
                    "negative_prompt": _negative(lexicon, expression, band),
                }
                | {label: cell[label] for label in passed}
            )
    schema = {"cell": pl.String, "n": pl.Int64, "prompt": pl.String, "negative_prompt": pl.String}
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(passed, pl.String))


def _temperatures(lexicon: Lexicon) -> dict[str, float]:
    """Of each word, the temperature of the face that it describes."""
    faces = ideal_faces(lexicon.words.values())
    told = faces.select(
        "word", affect_columns(load_affect(), faces.columns)["temperature"].alias("temperature")
    )
    return dict(told.iter_rows())


def _fitting(
    lexicon: Lexicon, heat: Mapping[str, float], expression: str | None, band: str | None
) -> list[tuple[Word, str]]:
    """Words for an expression and a band, with what makes them stronger or weaker; none where neither is asked."""
    if expression is None and band is None:
        return []
    words = [
        word
        for word in lexicon.words.values()
        if word.mixture.get(expression or word.expression, 0) > _MOSTLY
    ]
    if band is None or not words:
        return [(word, "") for word in words]
    edges = [*load_affect().bands.values(), 100.0]
    place = BANDS.index(band)
    low, high = edges[place], edges[place + 1] if place + 1 < len(BANDS) else math.inf
    within = [word for word in words if low <= heat[word.name] < high]
    if within:
        return [(word, "") for word in within]
    nearest = sorted(words, key=lambda word: (max(low - heat[word.name], heat[word.name] - high), word.name))
    return [(word, "extremely " if heat[word.name] < low else "slightly ") for word in nearest[:2]]


def _shuffled(words: Sequence[tuple[Word, str]], seed: str) -> list[tuple[Word, str]]:
    """In an order that depends on the seed and the words alone, on any machine."""
    return sorted(words, key=lambda one: hashlib.sha256(f"{seed}\n{one[0].name}".encode()).digest())


def _prompt(word: Word | None, degree: str, view: str) -> str:
    parts = ["portrait photo of a person"]
    if word is not None:
        # "slight smile" and "in pain" need no "expression"; "content" alone would not be one.
        alone = word.name.endswith("smile") or word.name.startswith("in ")
        parts += [f"{degree}{word.name}" + ("" if alone else " expression"), *_muscles(word)]
    return ", ".join([*parts, *([view] if view else [])])


def _muscles(word: Word) -> list[str]:
    """The strongest three of what a word's face does, in words; traces are left out."""
    left = {number for number, strength in word.aus.items() if strength >= 2}
    told = []
    for numbers, text in _MUSCLES.items():
        if left.issuperset(numbers):
            left -= set(numbers)
            told.append((-max(word.aus[number] for number in numbers), numbers[0], text))
    return [text for *_, text in sorted(told)[:3]]


def _negative(lexicon: Lexicon, expression: str | None, band: str | None) -> str:
    words = []
    if expression is not None:
        # By the plain words: what each expression is called.
        plain = {name: word for name in EXPRESSIONS if (word := lexicon.find(name)) is not None}
        own = plain.get(expression)
        others = [
            word for name, word in plain.items() if own is not None and name not in (expression, "neutral")
        ]
        others.sort(
            key=lambda w: -math.hypot(w.valence - own.valence, w.arousal - own.arousal) if own else 0.0
        )
        words = [word.name for word in others[:2]]
    if band in _COOL and expression != "neutral":
        words.append("exaggerated")
    if band in ("hot", "blazing") and expression != "neutral":
        words.append("neutral expression")
    return ", ".join(words)


def _view(label: str | None) -> str:
    """How far the head is turned, from a bin's label (`-30..-10`, `>= 30`): degrees, positive to the right."""
    bounds = [float(number) for number in _NUMBER.findall(label or "")]
    if not bounds:
        return ""
    # An open bin begins or ends at its one bound: a little beyond it.
    yaw = (
        sum(bounds) / 2
        if len(bounds) == 2
        else bounds[0] + math.copysign(10, -1 if "<" in (label or "") else 1)
    )
    side = "right" if yaw > 0 else "left"
    if abs(yaw) < 12:
        return "frontal view, facing the camera"
    if abs(yaw) < 25:
        return f"head turned slightly to the {side} of the picture"
    return f"{'three-quarter' if abs(yaw) < 60 else 'profile'} view, facing the {side} of the picture"
