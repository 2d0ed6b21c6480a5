from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from curate.recipes.stats import needed, statistics
from curate.scorers.columns import EXPRESSIONS

# expression, band, au12, au06
FACES = [
    ("happiness", "warm", 2.0, 0.2),  # a polite smile
    ("happiness", "warm", 2.0, 1.0),  # the eyes take part
    ("happiness", "hot", 3.0, 0.2),  # too hot to be polite
    ("neutral", "frozen", 0.1, 0.0),
    ("neutral", "cool", 1.0, 0.0),  # a smile of the mouth, whatever the classifier says
    ("anger", "blazing", 0.0, 3.0),
]


def made(faces: list[tuple[str, str, float, float]] = FACES, **more: Any) -> pl.DataFrame:
    """Faces that are sure of their expression."""
    columns: dict[str, Any] = {
        "image": [f"{i}.png" for i in range(len(faces))],
        "sha256": [f"{i:064x}" for i in range(len(faces))],
        "face": [0] * len(faces),
        "status": ["ok"] * len(faces),
        "expression": [face[0] for face in faces],
        "band": [face[1] for face in faces],
        "au12": [face[2] for face in faces],
        "au06": [face[3] for face in faces],
        "temperature": [10.0 * i for i in range(len(faces))],
        "tone": [50.0] * len(faces),
        "valence": [0.0] * len(faces),
        "arousal": [0.5] * len(faces),
    }
    columns |= {e: [1.0 if face[0] == e else 0.0 for face in faces] for e in EXPRESSIONS}
    return pl.DataFrame(columns | more)


def test_every_figure_of_six_faces_counted_by_hand() -> None:
    told = statistics(made())
    assert (told.rows, told.faces, told.statuses) == (6, 6, {"ok": 6})
    assert told.expressions is not None
    assert {e: n for e, n in told.expressions.items() if n} == {"neutral": 2, "happiness": 3, "anger": 1}
    assert list(told.expressions) == list(EXPRESSIONS)
    assert told.bands == {"frozen": 1, "cool": 1, "warm": 2, "hot": 1, "blazing": 1}
    assert (told.neutral, told.polite, told.smiles, told.duchenne) == (2, 1, 4, 1)
    figures = told.figures()
    assert figures["happiness share"] == pytest.approx(3 / 6)
    assert figures["warm share"] == pytest.approx(2 / 6)
    assert figures["neutral + polite smile share"] == pytest.approx(3 / 6)
    assert figures["Duchenne share of smiles"] == pytest.approx(1 / 4)
    # H(1/2, 1/3, 1/6) / log 8: 1.0114 / 2.0794; probabilities are certain, so both entropies are one.
    assert figures["entropy of shares"] == pytest.approx(0.4864, abs=1e-4)
    assert figures["entropy of mean probabilities"] == pytest.approx(figures["entropy of shares"])
    assert figures["temperature, mean"] == pytest.approx(25)
    assert figures["temperature, median"] == pytest.approx(25)
    assert figures["arousal, mean"] == pytest.approx(0.5)
    assert told.coverage is not None
    assert told.coverage.covered == 1
    assert told.missing == ()


def test_probabilities_that_hesitate_have_more_entropy_than_their_labels() -> None:
    frame = made([("neutral", "frozen", 0, 0)] * 4).with_columns(neutral=0.5, anger=0.5)
    told = statistics(frame)
    assert told.entropy_shares == 0
    assert told.entropy == pytest.approx(1 / 3)  # log 2 / log 8


def test_rows_without_a_face_are_counted_and_nothing_else() -> None:
    frame = made()
    others = frame.head(2).with_columns(
        pl.Series("status", ["no_face", "unreadable"]),
        *(
            pl.lit(None, frame.schema[c]).alias(c)
            for c in frame.columns
            if c not in ("image", "sha256", "status")
        ),
    )
    told = statistics(pl.concat([frame, others, others.head(1)]))
    assert told.statuses == {"ok": 6, "no_face": 2, "unreadable": 1}
    assert told.figures() == statistics(frame).figures()


def test_order_of_rows_does_not_matter() -> None:
    frame = made(model=["a", "b", "a", "b", "a", "b"])
    first, second = (statistics(f).as_dict() for f in (frame, frame.reverse()))
    assert first["figures"] == pytest.approx(second["figures"])
    assert first["associations"] == second["associations"]


@pytest.mark.parametrize(
    ("dropped", "gone", "kept"),
    [
        (["au12", "au06"], ["polite", "smiles", "duchenne", "vendi_au"], ["expressions", "entropy", "vendi"]),
        (
            [*EXPRESSIONS, "expression", "band", "temperature", "tone", "valence", "arousal"],
            ["expressions", "bands", "polite", "entropy", "temperature", "coverage", "vendi"],
            ["smiles", "duchenne", "vendi_au"],
        ),
    ],
)
def test_what_a_set_lacks_leaves_the_rest(dropped: list[str], gone: list[str], kept: list[str]) -> None:
    told = statistics(made().drop(dropped))
    assert len(told.missing) == 1
    assert [name for name in gone if getattr(told, name) is not None] == []
    assert [name for name in kept if getattr(told, name) is None] == []
    json.dumps(told.as_dict())


def test_one_face_and_none() -> None:
    one = statistics(made(FACES[:1]))
    assert one.vendi == one.vendi_au == pytest.approx(1)
    assert one.entropy_shares == 0
    none = statistics(made().clear())
    assert (none.rows, none.faces, none.statuses) == (0, 0, {})
    assert none.vendi is None
    assert none.temperature is None
    assert none.figures()["neutral share"] is None
    bare = statistics(pl.DataFrame({"status": ["no_face"]}))
    assert bare.faces == 0
    assert len(bare.missing) == 2
    json.dumps([none.as_dict(), bare.as_dict()], allow_nan=False)


def test_columns_that_nothing_reads_are_not_read() -> None:
    have = ["image", "status", "au12", "au07_p", "anger", "landmarks", "phash", "prompt", "mine"]
    assert needed(have) == ["image", "status", "au12", "au07_p", "anger", "prompt"]
    assert needed(have, ["mine"]) == [*needed(have), "mine"]
