"""A score set of a million faces that nobody drew, to time queries and recipes on.

    python benchmarks/make_rows.py OUT.scores --rows 1000000 [--seed 0]

Every default column is there, and they hang together as in a folder of generated faces: prompts ask for expressions,
checkpoints deliver some of them and otherwise make neutral or smiling faces, action units follow the expression
(logistic, so most are near nothing), and a fifth of the pictures are near-duplicates in clusters of 2 to 5,000, of
which a third shows another expression than its cluster. Perceptual hashes are drawn as they come about: 64 DCT
coefficients, of which the 32 above the median give ones. Means and four common factors of the coefficients were fitted
to the hashes of 658 aligned generated portraits (`_COEFFICIENTS`). Same seed, same set; memory does not grow with the
rows.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.affect import derive, open_tables
from curate.manifest import Manifest, ScorerRecord, SourceRecord, now, versions
from curate.scorers.columns import (
    EXPRESSIONS,
    FACE,
    GENERATION,
    IDENTITY,
    INTENSITY_AUS,
    PRESENCE_AUS,
    QUALITY,
    Column,
    expression_columns,
    schema,
)
from curate.shards import Shard, next_shard, write_shard

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]

SHARD = 50_000
CLUSTERED, LARGEST = 0.2, 5_000
OTHER_EXPRESSION, COPIES = 0.35, 0.03  # of the faces of a cluster
SECOND_FACE, NO_METADATA = 0.02, 0.25
STATUSES = {"no_face": 0.015, "unreadable": 0.002, "too_small": 0.002, "crashed": 0.0005}
REASONS = {
    "no_face": "no face was found",
    "unreadable": "cannot identify image file",
    "too_small": "the face is smaller than 20 pixels",
    "crashed": "a worker died twice on this picture",
}
# Prompts ask; what is not delivered is drawn from the shares of what generators make anyway.
SHARES = (0.46, 0.33, 0.06, 0.07, 0.015, 0.02, 0.035, 0.01)
WORDS = {
    "": -1, "smiling": 1, "happy": 1, "joyful": 1, "laughing": 1, "sad": 2, "crying": 2, "surprised": 3, "shocked": 3,
    "terrified": 4, "scared": 4, "disgusted": 5, "angry": 6, "furious": 6, "contemptuous": 7, "neutral expression": 0,
}  # fmt: skip
PEOPLE = (
    "a young woman", "a young man", "an old man", "an old woman", "a boy", "a girl", "a fisherman", "a nurse",
    "a student", "a farmer", "a woman with red hair", "a man with a beard", "a soldier", "a cook", "a singer",
    "a teacher", "a monk", "a runner", "a dancer", "a woman with freckles", "a man with glasses", "a pilot",
    "a painter", "a king", "a bride",
)  # fmt: skip
MODELS = (
    "sd_xl_base_1.0", "juggernautXL_v9", "realvisxlV40", "flux1-dev", "flux1-schnell", "dreamshaper_8", "epicrealism",
    "v1-5-pruned", "absoluteReality_v181", "photon_v1", "deliberate_v2", "sd3_medium",
)  # fmt: skip
LORAS = (None, None, None, "add_detail", "film_grain", "emotive_faces", "add_detail,film_grain", "skin_v2")
SAMPLERS = ("Euler a", "Euler", "DPM++ 2M Karras", "DPM++ SDE Karras", "UniPC", "DDIM")
# What the muscles do in each expression, at its strongest: AU -> share of the scale (FACS prediction tables).
MUSCLES: dict[str, dict[int, float]] = {
    "neutral": {},
    "happiness": {6: 0.7, 12: 1, 25: 0.6, 7: 0.5, 10: 0.4, 14: 0.3},
    "sadness": {1: 0.8, 4: 0.7, 15: 0.8, 17: 0.6},
    "surprise": {1: 0.8, 2: 0.8, 5: 0.8, 25: 0.8, 26: 0.8},
    "fear": {1: 0.8, 2: 0.5, 4: 0.6, 5: 0.8, 20: 0.7, 25: 0.7, 26: 0.4},
    "disgust": {9: 0.9, 10: 0.8, 17: 0.6, 4: 0.5},
    "anger": {4: 0.9, 5: 0.4, 7: 0.8, 9: 0.3, 17: 0.4, 23: 0.7, 24: 0.7},
    "contempt": {12: 0.4, 14: 0.9},
}
# Of the 64 low DCT coefficients, row by row: their means, then their loadings on four factors, in hundredths of a
# standard deviation. From the hashes of `diffusionfer.parquet` (principal factors of the tetrachoric correlations).
_COEFFICIENTS = """
317 -14 -201 20 -122 6 -58 -5 -3 -5 -19 15 -3 13 -47 7 -208 -10 71 15 167 7 99 -8 80 6 -41 2 -81 3 38 -2
16 14 88 -2 44 -7 -70 8 -96 21 13 0 102 -12 31 -10 -157 -6 161 -13 -56 5 -55 -6 52 6 -23 -21 7 -4 8 2
-8 55 -1 -14 -3 -44 -12 -38 4 -54 3 79 -2 37 5 33 1 -51 4 -56 9 25 6 13 -1 -10 9 12 1 23 -2 -50
-26 49 18 15 21 1 -6 18 -15 56 15 -10 -8 -73 8 9 -8 2 6 33 -18 -29 -7 -38 15 -46 -17 -36 -9 54 8 40
3 -54 -8 62 -12 34 -8 44 -13 -39 10 27 -6 36 -6 3 -11 22 6 35 9 -13 5 -56 -7 37 4 -1 -6 -14 -1 -25
5 39 2 -61 -4 -56 -1 14 10 51 -10 -39 -3 -34 -1 -7 3 15 -6 -40 7 26 6 34 -12 -7 -2 -30 9 2 3 14
0 24 -14 -16 -24 4 -12 -10 -36 -5 58 11 22 3 -7 -3 -6 -22 16 -4 15 6 12 15 29 6 1 -1 -27 -2 -11 -2
84 0 -23 3 -21 14 -16 -18 45 1 -66 -23 -5 4 12 -5 4 7 -20 6 7 -20 0 -3 -35 -4 -4 2 38 -4 13 -2
-7 8 27 -6 27 8 22 -5 -5 4 -36 21 -36 -6 -6 2 26 -10 16 12 -30 6 -53 8 -20 10 -7 -23 50 0 -4 1
0 4 -33 13 -43 -6 44 -26 20 5 -4 -22 -25 0 12 22 8 31 -20 -18 13 -28 34 7 -13 -20 15 4 31 29 -9 -6
"""
_OF_PICTURE = ("word", "person", "model", "coefficients", "pose", "place", "width", "height")
_AUS = tuple(sorted({*INTENSITY_AUS, *PRESENCE_AUS}))


@dataclass(frozen=True, slots=True)
class Latent:
    """What pictures are before anybody measures them: arrays of n.

    Attributes:
        word, person, model: indices into the prompts' parts and the checkpoints.
        expression: index of what the face does; strength, (0, 1): how much.
        muscles: (n, 17) its own way of doing so; doubt: (n, 8) what a classifier sees in it besides.
        coefficients: (n, 64) of the picture's DCT.
        pose: (n, 3) yaw, pitch, roll in degrees; place: (n, 3) size and position of the face, standard normal.
        width, height: of the picture.
    """

    word: Numbers
    person: Numbers
    model: Numbers
    expression: Numbers
    strength: Floats
    muscles: Floats
    doubt: Floats
    coefficients: Floats
    pose: Floats
    place: Floats
    width: Numbers
    height: Numbers

    def put(self, rows: NDArray[np.bool_], other: Latent, which: Numbers, names: tuple[str, ...]) -> None:
        """Overwrite some fields of some rows with those of other ones."""
        for name in names:
            getattr(self, name)[rows] = getattr(other, name)[which]


def draw(random: np.random.Generator, n: int) -> Latent:
    """Pictures that have nothing to do with each other."""
    table = np.array(_COEFFICIENTS.split(), np.float32).reshape(5, 64) / 100
    means, loadings = table[0], table[1:]
    own = np.sqrt(np.maximum(1 - (loadings**2).sum(axis=0), 0.05))
    coefficients = random.standard_normal((n, 64), np.float32) * own + means
    coefficients += random.standard_normal((n, 4), np.float32) @ loadings
    word = random.integers(len(WORDS), size=n)
    model = random.choice(len(MODELS), n, p=_falling(len(MODELS)))
    asked = np.array(list(WORDS.values()))[word]
    delivered = (asked >= 0) & (random.random(n) < 0.2 + 0.55 * model / len(MODELS))
    expression = np.where(delivered, asked, random.choice(len(EXPRESSIONS), n, p=SHARES))
    return Latent(
        word,
        random.integers(len(PEOPLE), size=n),
        model,
        expression,
        random.beta(1.4, 1.7, n).astype(np.float32),
        random.standard_normal((n, len(_AUS)), np.float32),
        random.standard_normal((n, len(EXPRESSIONS)), np.float32),
        coefficients,
        random.standard_t(4, (n, 3)).astype(np.float32) * np.float32([11, 7, 5]),
        random.standard_normal((n, 3), np.float32),
        width := random.choice([512, 768, 1024, 1216], n, p=[0.3, 0.2, 0.4, 0.1]),
        np.where(random.random(n) < 0.7, width, random.choice([512, 768, 1024, 1216], n)),
    )


def _falling(n: int) -> NDArray[np.float64]:
    shares = 1 / np.arange(1, n + 1)
    return np.asarray(shares / shares.sum())


def clusters(random: np.random.Generator, rows: int) -> tuple[NDArray[np.int32], int]:
    """The cluster of each row, -1 for none, and how many there are; sizes fall with their square."""
    sizes = np.arange(2, min(LARGEST, max(rows // 20, 3)) + 1)
    shares = sizes**-2.0
    drawn = random.choice(sizes, rows // 2 + 1, p=shares / shares.sum())
    drawn = drawn[: int(np.searchsorted(np.cumsum(drawn), CLUSTERED * rows))]
    group = np.full(rows, -1, np.int32)
    group[random.permutation(rows)[: drawn.sum()]] = np.repeat(np.arange(len(drawn), dtype=np.int32), drawn)
    return group, len(drawn)


def measured(random: np.random.Generator, faces: Latent) -> dict[str, NDArray[np.generic]]:
    """What the default scorers would say of them."""
    n = len(faces.word)
    pattern = np.zeros((len(EXPRESSIONS), len(_AUS)), np.float32)
    for e, expression in enumerate(EXPRESSIONS):
        for au, share in MUSCLES[expression].items():
            pattern[e, _AUS.index(au)] = share
    level = -3.3 + 1.1 * faces.muscles + 7 * pattern[faces.expression] * faces.strength[:, None]
    columns: dict[str, NDArray[np.generic]] = {
        f"au{au:02}": 5 * _logistic(level[:, _AUS.index(au)]) for au in INTENSITY_AUS
    }
    columns |= {f"au{au:02}_p": _logistic(1.4 * level[:, _AUS.index(au)] + 0.6) for au in PRESENCE_AUS}

    scores = 1.1 * faces.doubt - np.float32([0, 1.5, 1.0, 1.8, 2.5, 2.5, 1.8, 2.2])
    scores[np.arange(n), faces.expression] += 2 + 5 * faces.strength
    probabilities = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    columns |= {name: probabilities[:, e] for e, name in enumerate(EXPRESSIONS)}
    columns["expression"] = np.array(EXPRESSIONS)[probabilities.argmax(axis=1)]
    columns["confidence"] = probabilities.max(axis=1)

    ones = np.zeros((n, 64), np.bool_)
    np.put_along_axis(ones, np.argpartition(faces.coefficients, 32, axis=1)[:, 32:], True, axis=1)
    columns["phash"] = np.packbits(ones, axis=1).view(">u8")[:, 0].astype(np.uint64)

    width, height = faces.width, faces.height
    eyes = width * np.clip(np.exp(0.35 * faces.place[:, 0] - 1.7), 0.04, 0.45)
    box_w, box_h = 2.5 * eyes / width, 2.9 * eyes / height
    yaw = np.clip(faces.pose[:, 0], -75, 75)
    columns |= {
        "width": width, "height": height, "eye_distance": eyes, "box_w": box_w, "box_h": box_h,
        "box_x": 0.5 - box_w / 2 + 0.03 * faces.place[:, 1], "box_y": 0.42 - box_h / 2 + 0.03 * faces.place[:, 2],
        "yaw": yaw, "pitch": np.clip(faces.pose[:, 1] - 4, -60, 60), "roll": np.clip(faces.pose[:, 2], -60, 60),
        "asymmetry": np.where(np.abs(yaw) > 20, np.nan, random.beta(2, 14, n)),
        "sharpness": np.clip(random.normal(0.56, 0.06, n), 0, 1),
        "brightness": np.clip(random.normal(0.45, 0.1, n), 0, 1),
        "contrast": np.clip(random.normal(0.5, 0.1, n), 0, 1),
    }  # fmt: skip
    return columns


def _logistic(values: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-values)), np.float32)


def generated(random: np.random.Generator, faces: Latent) -> pl.DataFrame:
    """What the files say of their making."""
    n = len(faces.word)
    words = np.array(
        [f", {word}, closeup portrait, 85mm" if word else ", closeup portrait, 85mm" for word in WORDS]
    )
    prompts = np.array([f"photo of {person}{word}" for word in words for person in PEOPLE])
    frame = pl.DataFrame(
        {
            "prompt": prompts[faces.word * len(PEOPLE) + faces.person],
            "negative_prompt": np.array(["blurry, deformed", "lowres, bad anatomy", "cartoon, painting"])[
                faces.person % 3
            ],
            "generator": np.array(["AUTOMATIC1111", "ComfyUI", "InvokeAI"])[faces.model % 3],
            "model": np.array(MODELS)[faces.model],
            "lora": pl.Series(LORAS).gather(random.integers(len(LORAS), size=n)),
            "seed": random.integers(2**32, size=n, dtype=np.uint64),
            "steps": random.choice([20, 25, 28, 30, 40], n),
            "cfg": random.choice([3.5, 5, 7, 7.5, 9], n),
            "sampler": np.array(SAMPLERS)[random.integers(len(SAMPLERS), size=n)],
            "metadata": pl.repeat("file", n, eager=True),
            "metadata_error": pl.repeat(None, n, dtype=pl.String, eager=True),
        }
    )
    told = pl.Series("told", random.random(n) >= NO_METADATA)
    return frame.select(pl.when(told).then(pl.all()).name.keep())


def shard_rows(seed: int, first: int, group: NDArray[np.int32], centres: Latent) -> pl.DataFrame:
    """The rows of one shard.

    Args:
        seed: of the set.
        first: number of its first row.
        group: the cluster of each of its rows, or -1.
        centres: the picture in the middle of each cluster.
    """
    n = len(group)
    random = np.random.default_rng([seed, first + 1])
    faces = draw(random, n)
    inside = group >= 0
    copy = inside & (random.random(n) < COPIES)
    faces.put(inside, centres, group[inside], _OF_PICTURE)
    same = inside & ((random.random(n) >= OTHER_EXPRESSION) | copy)
    faces.put(same, centres, group[same], ("expression", "strength", "muscles", "doubt"))
    other = (~copy)[:, None]
    faces.coefficients[:] += other * inside[:, None] * 0.06 * random.standard_normal((n, 64), np.float32)
    faces.place[:] += other * 0.05 * random.standard_normal((n, 3), np.float32)
    faces.muscles[:] += other * 0.2 * random.standard_normal(faces.muscles.shape, np.float32)
    columns = pl.DataFrame(measured(random, faces)).with_columns(pl.col("asymmetry").fill_nan(None))
    numbers = range(first, first + n)
    files = [f"{seed} cluster {group[i]}" if copy[i] else f"{seed} {row}" for i, row in enumerate(numbers)]
    models = np.array(MODELS)[faces.model]
    rows = pl.DataFrame(
        {
            "image": [f"/faces/{model}/{row:08}.png" for model, row in zip(models, numbers, strict=True)],
            "sha256": [hashlib.sha256(name.encode()).hexdigest() for name in files],
            "face": pl.repeat(0, n, eager=True),
            "n_faces": pl.repeat(1, n, eager=True),
            "format": pl.repeat("png", n, eager=True),
            "status": random.choice(
                ["ok", *STATUSES], n, p=[1 - sum(STATUSES.values()), *STATUSES.values()]
            ).astype(str),
        }
    )
    rows = rows.hstack(columns).hstack(generated(random, faces))
    return _with_second_faces(_with_failures(rows), random)


def _with_failures(rows: pl.DataFrame) -> pl.DataFrame:
    """Nulls where nothing was scored, and the reason."""
    kept = {"image", "sha256", "format", "width", "height", "status"}
    ok = pl.col("status") == "ok"
    read = pl.col("status") != "unreadable"
    return rows.with_columns(
        pl.when(ok).then(pl.exclude(*kept, "n_faces")).name.keep(),
        pl.when(read).then(pl.col("sha256", "format", "width", "height")).name.keep(),
        n_faces=pl.when(ok).then(1).when(pl.col("status") == "no_face").then(0),
        error=pl.col("status").replace_strict(REASONS, default=None, return_dtype=pl.String),
    )


def _with_second_faces(rows: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """Make some rows the second face of the picture before them, beside its first."""
    chosen = random.random(rows.height) < SECOND_FACE
    ok = (rows["status"] == "ok").to_numpy()
    chosen &= ok & np.roll(ok, 1)
    chosen[0] = False
    chosen &= ~np.roll(chosen, 1)
    second, first = pl.Series(chosen), pl.Series(np.roll(chosen, -1))
    of_picture = [
        "image", "sha256", "format", "width", "height", "phash", *(c.name for c in GENERATION),
    ]  # fmt: skip
    return rows.with_columns(
        pl.when(second).then(pl.col(of_picture).shift(1)).otherwise(pl.col(of_picture)).name.keep(),
        face=pl.when(second).then(1).otherwise("face"),
        n_faces=pl.when(second | first).then(2).otherwise("n_faces"),
        box_x=pl.when(second).then(pl.col("box_x") + 0.4).otherwise("box_x"),
    )


def shards(rows: int, seed: int) -> Iterator[pl.DataFrame]:
    """The whole set, a shard at a time."""
    random = np.random.default_rng([seed, 0])
    group, count = clusters(random, rows)
    centres = draw(random, count)
    for first in range(0, rows, SHARD):
        yield shard_rows(seed, first, group[first : first + SHARD], centres)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    arguments.out.mkdir(parents=True)
    scorers: dict[str, tuple[Column, ...]] = {
        "mesh": FACE, "quality": QUALITY, "lite": expression_columns("lite"), "generation": GENERATION
    }  # fmt: skip
    types = schema([*IDENTITY, *(column for columns in scorers.values() for column in columns)])
    fingerprints = {name: hashlib.sha256(f"{name} made".encode()).hexdigest()[:16] for name in scorers}
    tables = open_tables()
    statuses: dict[str, int] = {}
    count = pictures = 0
    for rows in shards(arguments.rows, arguments.seed):
        frame = rows.select(pl.col(name).cast(dtype) for name, dtype in types.items())
        whole = derive(frame.lazy(), tables).collect()
        write_shard(Shard(next_shard(arguments.out), "made", fingerprints, tables.fingerprint), whole)
        count += frame.height
        pictures += frame["image"].n_unique()
        for status, number in frame["status"].value_counts().iter_rows():
            statuses[status] = statuses.get(status, 0) + number
    Manifest(
        created=now(),
        finished=now(),
        seconds=round(time.perf_counter() - start, 3),
        source=SourceRecord(kind="folder", location="/faces"),
        options={"made_by": "benchmarks/make_rows.py", "seed": arguments.seed},
        scorers={
            name: ScorerRecord(
                version="0",
                fingerprint=fingerprints[name],
                columns=[c.name for c in columns],
                packs=[],
                options={},
            )
            for name, columns in scorers.items()
        },
        packs={},
        versions=versions(),
        inputs=pictures,
        rows=count,
        statuses=statuses,
        derived=tables.fingerprint,
        **tables.records(types),
    ).write(arguments.out)
    print(f"{arguments.out}: {count:,} rows of {pictures:,} pictures in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
