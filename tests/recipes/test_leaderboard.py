from __future__ import annotations

import math

import polars as pl
import pytest

from curate.errors import QueryError
from curate.recipes.leaderboard import leaderboard

# intent, intent_p, rank, measured, temperature, model, lora, cfg
FACES = [
    ("anger", 0.9, 1, "anger", 80.0, "flux", "film, grit", 7.0),
    ("anger", 0.5, 1, "anger", 60.0, "flux", "grit", 7.0),
    ("anger", 0.2, 2, "neutral", 20.0, "flux", None, 3.5),
    ("anger", 0.1, 3, "neutral", 10.0, "sdxl", None, 3.5),
    ("anger", 0.3, 2, "disgust", 40.0, "sdxl", "", 7.0),
    ("anger", 0.7, 1, "anger", 90.0, None, "grit", 7.0),
    ("fear", 0.0, 5, "surprise", 70.0, "flux", None, 7.0),
    ("fear", 0.1, 4, "neutral", None, "flux", None, 7.0),
    (None, None, None, "happiness", 50.0, "flux", None, 7.0),
    ("fear", None, None, None, None, "flux", None, 7.0),
]
COLUMNS = ["intent", "intent_p", "intent_rank", "expression", "temperature", "model", "lora", "cfg"]
TABLE = pl.DataFrame(FACES, schema=COLUMNS, orient="row").with_columns(pl.col("cfg").cast(pl.Float32))


def row(table: pl.DataFrame, intent: str, group: str) -> dict[str, object]:
    return table.row(by_predicate=(pl.col("intent") == intent) & (pl.col("group") == group), named=True)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The two solutions of (p - hits/n)^2 = z^2 p (1 - p) / n."""
    z2 = 1.959963984540054**2
    a, b, c = 1 + z2 / n, -(2 * hits / n + z2 / n), (hits / n) ** 2
    root = math.sqrt(max(b * b - 4 * a * c, 0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def test_every_figure_by_hand() -> None:
    table = leaderboard(TABLE, "model")
    assert row(table, "anger", "flux") == pytest.approx({
        "intent": "anger", "group": "flux", "faces": 3, "intent_p": 1.6 / 3, "hits": 2, "hit": 2 / 3,
        "hit_low": wilson(2, 3)[0], "hit_high": wilson(2, 3)[1], "first_two": 1.0, "temperature": 160 / 3,
        "instead": "neutral", "instead_share": 1 / 3,
    })  # fmt: skip
    # neutral and disgust came once each: the catalogue's order decides.
    assert row(table, "anger", "sdxl") == pytest.approx({
        "intent": "anger", "group": "sdxl", "faces": 2, "intent_p": 0.2, "hits": 0, "hit": 0.0,
        "hit_low": 0.0, "hit_high": wilson(0, 2)[1], "first_two": 0.5, "temperature": 25.0,
        "instead": "neutral", "instead_share": 0.5,
    })  # fmt: skip
    lucky = row(table, "anger", "(none)")
    assert (lucky["faces"], lucky["hits"], lucky["instead"], lucky["instead_share"]) == (1, 1, None, None)
    assert lucky["hit_high"] == 1.0
    fear = row(table, "fear", "flux")
    assert (fear["faces"], fear["temperature"], fear["instead"]) == (2, 70.0, "neutral")
    everybody = row(table, "all", "(all)")
    assert (everybody["faces"], everybody["hits"], everybody["instead"]) == (8, 3, "neutral")
    assert everybody["instead_share"] == 3 / 8
    assert row(table, "all", "flux")["faces"] == 5


def test_wilsons_interval_is_that_of_the_books() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 81 of 263 is .2553 to .3662; 15 of 148 .0624 to .1605.
    rows = pl.DataFrame(
        {
            "intent": ["fear"] * 411,
            "intent_p": [0.5] * 411,
            "intent_rank": [1] * 81 + [2] * 182 + [1] * 15 + [2] * 133,
            "expression": ["fear"] * 411,
            "model": ["a"] * 263 + ["b"] * 148,
        }
    )
    table = leaderboard(rows, "model")
    told = [round(row(table, "fear", g)[c], 4) for g in "ab" for c in ("hit_low", "hit_high")]  # type: ignore[call-overload]
    assert told == [0.2553, 0.3662, 0.0624, 0.1605]
    assert row(table, "fear", "a")["temperature"] is None


def test_the_best_come_first_and_a_single_lucky_face_does_not() -> None:
    table = leaderboard(TABLE, "model")
    assert table["intent"].unique(maintain_order=True).to_list() == ["all", "fear", "anger"]
    order = table.filter(pl.col("intent") == "anger")["group"].to_list()
    # 2 of 3 is at least .208, 1 of 1 at least .207.
    assert order == ["flux", "(none)", "sdxl", "(all)"]


def test_a_face_counts_for_each_of_its_loras() -> None:
    table = leaderboard(TABLE, "lora").filter(pl.col("intent") == "anger")
    assert dict(table.select("group", "faces").iter_rows()) == {"grit": 3, "film": 1, "(none)": 3, "(all)": 6}


def test_numbers_and_any_other_column_make_groups() -> None:
    assert set(leaderboard(TABLE, "cfg")["group"]) == {"7", "3.5", "(all)"}
    assert set(leaderboard(TABLE, "expression")["group"]) == {
        "anger", "neutral", "disgust", "surprise", "(all)",
    }  # fmt: skip


def test_small_groups_are_left_out_but_not_of_the_whole() -> None:
    table = leaderboard(TABLE, "model", min_faces=3).filter(pl.col("intent") == "anger")
    assert dict(table.select("group", "faces").iter_rows()) == {"flux": 3, "(all)": 6}


def test_without_a_column_there_is_one_row_an_expression() -> None:
    table = leaderboard(TABLE)
    assert table.select("intent", "group", "faces").rows() == [
        ("all", "(all)", 8), ("fear", "(all)", 2), ("anger", "(all)", 6),
    ]  # fmt: skip


def test_the_order_of_rows_does_not_matter() -> None:
    table = leaderboard(TABLE, "lora")
    for seed in range(5):
        assert leaderboard(TABLE.sample(fraction=1, shuffle=True, seed=seed), "lora").equals(table)


def test_a_column_that_makes_no_groups_is_an_error() -> None:
    with pytest.raises(QueryError, match=r"no column `modle`; did you mean `model`\?"):
        leaderboard(TABLE, "modle")
    with pytest.raises(QueryError, match="neither words nor numbers"):
        leaderboard(TABLE.with_columns(landmarks=pl.concat_list("cfg", "cfg")), "landmarks")
