from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.errors import QueryError, RecipeError
from curate.recipes.choose import Choice, plan
from curate.recipes.recipe import parse_recipe
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS

UNITS = [f"au{n:02}" for n in INTENSITY_AUS]
CLAUSES = (
    "abs(yaw) < 20",
    "sharpness > .3",
    "expression <> 'neutral'",
    "pct(au12) > 40",
    "z(yaw) < 1",
    "confidence > 2",
)
BALANCES = (
    "{by: expression, per_cell: 2}",
    "{by: [expression, {column: yaw, edges: [-10, 10]}], total: 9}",
    "{by: {column: au12, quantiles: 3}}",
    "{by: expression, target: {anger: .7, fear: .3}, total: 5}",
    "{marginals: [{by: expression}, {by: {column: yaw, edges: [0]}, target: {'< 0': .8}}], total: 8}",
)  # fmt: skip


def faces(count: int, seed: int = 0, *, copies: int = 3) -> pl.DataFrame:
    """Faces with everything a recipe may ask for, among them near-duplicates, pictures with two faces and failures."""
    random = np.random.default_rng(seed)
    kinds = random.integers(0, max(count // copies, 1), count)
    hashes = random.integers(0, 1 << 63, count, np.uint64)[kinds] ^ (
        np.uint64(1) << random.integers(0, 63, count).astype(np.uint64)
    )
    units = random.uniform(0, 5, (count, len(UNITS)))[kinds] + random.normal(0, 0.3, (count, len(UNITS)))
    status = random.choice(["ok", "no_face", "unreadable"], count, p=[0.8, 0.15, 0.05])
    ok = pl.Series(status) == "ok"
    names = [f"/p/{i:03}.png" for i in range(count)]
    frame = pl.DataFrame(
        {
            "image": names,
            "sha256": [hashlib.sha256(name.encode()).hexdigest() for name in names],
            "face": pl.Series(np.zeros(count), dtype=pl.Int32),
            "status": status,
            "error": pl.Series([None if s == "ok" else "no face was found" for s in status], dtype=pl.String),
            "phash": pl.Series(hashes),
            "yaw": random.uniform(-40, 40, count),
            "sharpness": random.random(count),
            "eye_distance": random.integers(20, 30, count),
            "expression": [EXPRESSIONS[i] for i in random.integers(0, 8, count)],
            "confidence": random.random(count).round(1),
            **{name: units[:, i].clip(0, 5) for i, name in enumerate(UNITS)},
        }
    )
    scored = [c for c in frame.columns if c not in ("image", "sha256", "status", "error")]
    return frame.with_columns(pl.when(ok).then(pl.col(c)) for c in scored)


def chosen(text: str, rows: pl.DataFrame, **like: pl.DataFrame) -> Choice:
    return plan(parse_recipe(text).recipe, rows.schema).choose(rows, like)


@st.composite
def recipes(draw: st.DrawFn) -> str:
    lines = [f"seed: {draw(st.integers(0, 3))}"]
    if where := draw(st.lists(st.sampled_from(CLAUSES), max_size=3)):
        lines.append("where: [" + ", ".join(f'"{clause}"' for clause in where) + "]")
    if draw(st.booleans()):
        bits, distance = draw(st.integers(0, 8)), draw(st.sampled_from([".1", ".3", "null"]))
        lines.append(f"dedupe: {{hash_bits: {bits}, au_distance: {distance}}}")
    diversity = draw(st.sampled_from(["", ", diversity: au"]))
    if draw(st.booleans()):
        lines.append(f"balance: {draw(st.sampled_from(BALANCES))}")
        lines.append(f"pick: {{order: confidence{diversity}}}")
    else:
        lines.append(f"pick: {{total: {draw(st.integers(1, 12))}, order: yaw asc{diversity}}}")
    return "\n".join(lines)


@settings(max_examples=60, deadline=None)
@given(recipes(), st.integers(1, 60), st.integers(0, 5))
def test_no_row_is_lost_without_a_reason_and_no_order_matters(text: str, count: int, seed: int) -> None:
    rows = faces(count, seed)
    choice = chosen(text, rows)
    ledger = rows.select("image", "status").with_columns(choice.ledger)
    assert ledger.height == count
    out = ledger.filter(pl.col("rejected_by").is_not_null())
    assert (out["reason"].str.len_chars() > 0).all()
    assert ledger.filter(pl.col("rejected_by").is_null())["reason"].is_null().all()
    assert set(ledger.filter(pl.col("rejected_by").is_null())["status"]) <= {"ok"}
    # Every step counts what it let through, and the last one what is kept.
    for before, after in zip(choice.steps, choice.steps[1:], strict=False):
        assert before.rows_out == after.rows_in
    assert choice.steps[-1].rows_out == choice.kept.sum()
    assert sum(step.rows_in - step.rows_out for step in choice.steps) == out.height

    shuffled = rows.sample(fraction=1, shuffle=True, seed=seed + 1)
    again = shuffled.select("image", "status").with_columns(chosen(text, shuffled).ledger)
    assert again.sort("image").equals(ledger.sort("image"))


def test_a_row_falls_by_the_first_clause_it_does_not_meet() -> None:
    rows = faces(30).with_columns(
        status=pl.lit("ok"),
        yaw=pl.Series([50.0] * 10 + [0.0] * 20),
        sharpness=pl.Series([0.9] * 15 + [0.0] * 15),
    )
    choice = chosen('where: ["abs(yaw) < 20", "sharpness > .3"]', rows)
    assert (
        choice.ledger["rejected_by"].to_list()
        == ["abs(yaw) < 20"] * 10 + [None] * 5 + ["sharpness > .3"] * 15
    )
    assert [(s.clause, s.rows_in, s.rows_out) for s in choice.steps[1:]] == [
        ("abs(yaw) < 20", 30, 20),
        ("sharpness > .3", 20, 5),
    ]
    assert choice.steps[2].share == 0.25


def test_a_percentile_is_one_of_the_whole_set_whatever_fell_before() -> None:
    rows = faces(100).with_columns(
        status=pl.lit("ok"),
        au12=pl.int_range(100).cast(pl.Float64),
        yaw=pl.when(pl.int_range(100) < 95).then(0).otherwise(60.0),
    )
    choice = chosen('where: ["abs(yaw) < 20", "pct(au12) > 90"]', rows)
    assert choice.kept.arg_true().to_list() == [90, 91, 92, 93, 94]


def test_what_has_no_answer_meets_no_condition() -> None:
    rows = faces(10).with_columns(status=pl.lit("ok"), yaw=pl.lit(None, pl.Float64))
    assert chosen("where: yaw < 20", rows).kept.sum() == 0
    assert chosen("where: not yaw < 20", rows).kept.sum() == 0


def test_a_duplicate_names_the_face_that_was_kept_instead() -> None:
    rows = faces(3).with_columns(
        status=pl.lit("ok"),
        phash=pl.Series([7, 7, 7], dtype=pl.UInt64),
        sharpness=pl.Series([0.2, 0.9, 0.5]),
        **{u: pl.lit(1.0) for u in UNITS},
    )
    choice = chosen("dedupe: {hash_bits: 2, keep: sharpness}", rows)
    assert choice.kept.to_list() == [False, True, False]
    assert choice.ledger["reason"].to_list() == [
        "a near-duplicate of /p/001.png",
        None,
        "a near-duplicate of /p/001.png",
    ]


def test_a_new_expression_is_data_and_not_a_duplicate() -> None:
    rows = faces(2).with_columns(
        status=pl.lit("ok"), phash=pl.lit(7, pl.UInt64), **{u: pl.Series([0.0, 4.0]) for u in UNITS}
    )
    assert chosen("dedupe: {hash_bits: 2}", rows).kept.sum() == 2
    assert chosen("dedupe: {hash_bits: 2, au_distance: null}", rows).kept.sum() == 1


def test_the_best_of_each_cell_stay() -> None:
    rows = faces(40).with_columns(
        status=pl.lit("ok"), expression=pl.Series(["anger", "fear"] * 20), confidence=pl.int_range(40) / 40
    )
    choice = chosen("balance: {by: expression, per_cell: 3}\npick: {order: confidence desc}", rows)
    assert choice.kept.arg_true().to_list() == [34, 35, 36, 37, 38, 39]
    assert choice.balanced is not None
    table = choice.balanced.table
    assert table.height == 8  # what no face shows is missing, too
    assert (
        dict(table.filter(pl.col("missing") > 0).select("expression", "missing").iter_rows())["disgust"] == 3
    )
    reasons = set(choice.ledger["reason"].drop_nulls())
    assert reasons == {"anger: 3 of 20 are kept", "fear: 3 of 20 are kept"}


def test_ascending_order_is_obeyed() -> None:
    rows = faces(10).with_columns(status=pl.lit("ok"), yaw=pl.int_range(10).cast(pl.Float64))
    assert chosen("pick: {total: 2, order: yaw asc}", rows).kept.arg_true().to_list() == [0, 1]
    assert chosen("pick: {total: 2, order: yaw}", rows).kept.arg_true().to_list() == [8, 9]


def test_another_seed_breaks_ties_otherwise() -> None:
    rows = faces(60).with_columns(status=pl.lit("ok"), confidence=pl.lit(0.5))
    kept = [tuple(chosen(f"seed: {seed}\npick: {{total: 20}}", rows).kept) for seed in (0, 0, 1)]
    assert kept[0] == kept[1] != kept[2]


def test_the_target_may_be_another_sets() -> None:
    rows = faces(200).with_columns(status=pl.lit("ok"), expression=pl.Series(["anger", "fear"] * 100))
    other = faces(100).with_columns(expression=pl.Series(["anger"] * 20 + ["fear"] * 80))
    choice = chosen(
        "balance: {by: expression, target: {like: other.scores}, total: 50}", rows, **{"other.scores": other}
    )
    counts = dict(rows.filter(choice.kept)["expression"].value_counts().iter_rows())
    assert counts == {"anger": 10, "fear": 40}
    assert choice.balanced is not None
    assert choice.balanced.distances[0].tv_before == pytest.approx(0.3)
    assert choice.balanced.distances[0].tv_after == 0


def test_several_distributions_are_met_at_once() -> None:
    rows = faces(3000).with_columns(status=pl.lit("ok"))
    choice = chosen(
        "balance: {marginals: [{by: expression}, {by: {column: yaw, edges: [-20, 20]}}], total: 240}", rows
    )
    kept = rows.filter(choice.kept)
    assert set(kept["expression"].value_counts()["count"]) == {30}
    assert kept.filter(pl.col("yaw") < -20).height == pytest.approx(80, abs=1)
    assert choice.balanced is not None
    assert [d.of for d in choice.balanced.distances] == ["expression", "yaw"]


def test_faces_without_a_value_to_balance_by_say_so() -> None:
    rows = faces(4).with_columns(status=pl.lit("ok"), expression=pl.Series(["anger", None, "fear", None]))
    ledger = chosen("balance: {by: expression, per_cell: 9}", rows).ledger
    assert ledger["reason"].to_list() == [
        None,
        "no value to balance by: expression",
        None,
        "no value to balance by: expression",
    ]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("where: temprature > 5", QueryError, "temprature"),
        ("where: yaw + 5", QueryError, "not a condition"),
        ("dedupe: {keep: shrpness}", QueryError, "shrpness"),
        ("balance: {by: modell, per_cell: 3}", RecipeError, "modell"),
        ("balance: {by: yaw, per_cell: 3}", RecipeError, "fraction"),
        ("balance: {by: expression, target: {angry: 1}, total: 3}", RecipeError, "angry"),
        ("pick: {total: 3, order: yaw > 3}", QueryError, "condition"),
    ],
)  # fmt: skip
def test_what_the_set_cannot_give_is_refused_in_words(text: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        chosen(text, faces(10))


def test_an_empty_set_gives_an_empty_choice() -> None:
    choice = chosen(
        "where: yaw < 5\ndedupe: {}\nbalance: {by: expression, per_cell: 3}\npick: {diversity: au}",
        faces(5).clear(),
    )
    assert choice.kept.sum() == 0
    assert [step.rows_in for step in choice.steps] == [0] * len(choice.steps)


def test_diversity_takes_the_best_and_then_what_is_farthest() -> None:
    values: dict[str, Any] = {u: pl.Series([0.0, 0.1, 0.2, 5.0, 2.5]) for u in UNITS}
    rows = faces(5).with_columns(
        status=pl.lit("ok"), confidence=pl.Series([0.9, 0.8, 0.7, 0.1, 0.2]), **values
    )
    assert chosen("pick: {total: 3, diversity: au}", rows).kept.to_list() == [True, False, False, True, True]
    assert chosen("pick: {total: 3}", rows).kept.to_list() == [True, True, True, False, False]
