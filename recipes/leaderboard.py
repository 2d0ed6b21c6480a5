"""Who delivers which expression: intended and measured expressions of faces, by any column."""

from __future__ import annotations

import polars as pl

from curate.errors import QueryError
from curate.scorers.columns import EXPRESSIONS, suggest

# Where the group is everybody, and where a face has no value; no name of a model looks like these.
ALL_GROUPS = "(all)"
NO_GROUP = "(none)"
ALL_INTENTS = "all"
_Z = 1.959963984540054  # of the normal distribution, for 95 %
# Several to a face, separated by commas: a face counts for each.
_LISTS = ("lora", "intent_words")
_ORDER = (ALL_INTENTS, *EXPRESSIONS)


def leaderboard(frame: pl.DataFrame, by: str | None = None, *, min_faces: int = 1) -> pl.DataFrame:
    """How often the intended expression is the one that is displayed.

    Args:
        frame: rows with `intent`, `intent_p`, `intent_rank`, `expression`, perhaps `temperature`, and the column
            `by`. Rows with a null in one of the first four do not count.
        by: the column to group by; `lora` and `intent_words` hold several values, and a face counts for each. Null
            makes a group of its own, `(none)`. None: no groups.
        min_faces: groups with fewer faces of an intent have no row for it.

    Returns:
        A row for each intent (and for `all` of them together) and group (and `(all)` of them together):
        `intent`, `group` (String), `faces` (UInt32), `intent_p` (mean, Float64), `hits` (faces with an
        `intent_rank` of 1), `hit` (their share), `hit_low` and `hit_high` (its Wilson 95 % interval), `first_two`
        (share with a rank of 1 or 2), `temperature` (mean), `instead` (the most frequent measured expression of
        the faces that are no hit; of equally frequent ones the first of the catalogue) and `instead_share` (of all
        the faces). Intents in the order of the catalogue, `all` first; within them the highest `hit_low` first,
        since a share of few faces is worth less, and `(all)` last.

    Raises:
        QueryError: there is no column `by`, or it holds no words and no numbers.
    """
    rows = frame.drop_nulls(["intent", "intent_p", "intent_rank", "expression"])
    if "temperature" not in rows.columns:
        rows = rows.with_columns(temperature=pl.lit(None, dtype=pl.Float32))
    wanted = ["intent", "intent_p", "intent_rank", "expression", "temperature"]
    together = rows.select(*wanted, group=pl.lit(ALL_GROUPS))
    groups = [together]
    if by is not None:
        groups.append(rows.select(*wanted, group=_groups(rows, by)).explode("group"))
    faces = pl.concat(groups)
    faces = pl.concat([faces, faces.with_columns(intent=pl.lit(ALL_INTENTS))])
    # Sums of sorted numbers: the same to the last bit, whatever the order of the rows.
    table = faces.group_by("intent", "group").agg(
        faces=pl.len(),
        intent_p=pl.col("intent_p").cast(pl.Float64).sort().mean(),
        hits=(pl.col("intent_rank") == 1).sum(),
        first_two=(pl.col("intent_rank") <= 2).mean(),
        temperature=pl.col("temperature").cast(pl.Float64).sort().mean(),
    )
    table = table.filter((pl.col("faces") >= min_faces) | (pl.col("group") == ALL_GROUPS))
    table = table.with_columns(hit=pl.col("hits") / pl.col("faces"), **_wilson())
    table = table.join(_instead(faces), on=["intent", "group"], how="left")
    return (
        table.with_columns(instead_share=pl.col("instead_faces") / pl.col("faces"))
        .sort(
            pl.col("intent").replace_strict(_ORDER, range(len(_ORDER))),
            pl.col("group") == ALL_GROUPS,
            -pl.col("hit_low"),
            -pl.col("intent_p"),
            "group",
        )
        .select(
            "intent", "group", "faces", "intent_p", "hits", "hit", "hit_low", "hit_high", "first_two",
            "temperature", "instead", "instead_share",
        )
    )  # fmt: skip


def _groups(rows: pl.DataFrame, by: str) -> pl.Expr:
    """The groups of each row, a list of String with at least one."""
    if by not in rows.columns:
        raise QueryError(
            f"there is no column `{by}`{suggest(by, rows.columns)}",
            hint="--by model, lora, sampler, cfg, seed ...",
        )
    kind = rows.schema[by]
    if kind.is_nested() or kind == pl.Binary:
        raise QueryError(
            f"`{by}` holds neither words nor numbers", hint="--by model, lora, sampler, cfg, seed ..."
        )
    value = pl.col(by).cast(pl.String)
    if kind.is_float():
        value = value.str.strip_suffix(".0")
    several = value.str.split(",") if by in _LISTS else pl.concat_list(value)
    cleaned = several.list.eval(pl.element().str.strip_chars()).list.unique(maintain_order=True)
    cleaned = cleaned.list.eval(pl.element().filter(pl.element() != ""))
    return pl.when(cleaned.list.len() > 0).then(cleaned).otherwise(pl.concat_list(pl.lit(NO_GROUP)))


def _wilson() -> dict[str, pl.Expr]:
    """Wilson's score interval of `hits` of `faces` (1927, JASA 22:209): fair to few faces and to shares of 0 and 1."""
    n = pl.col("faces").cast(pl.Float64)
    share = pl.col("hits") / n
    centre = share + _Z**2 / (2 * n)
    spread = _Z * (share * (1 - share) / n + _Z**2 / (4 * n**2)).sqrt()
    scale = 1 + _Z**2 / n
    return {
        "hit_low": ((centre - spread) / scale).clip(0, 1),
        "hit_high": ((centre + spread) / scale).clip(0, 1),
    }


def _instead(faces: pl.DataFrame) -> pl.DataFrame:
    """Of each intent and group the expression that came most often where the intended one did not, and how often."""
    place = pl.col("expression").replace_strict(EXPRESSIONS, range(len(EXPRESSIONS)), default=None)
    return (
        faces.filter(pl.col("intent_rank") > 1)
        .group_by("intent", "group", "expression")
        .agg(instead_faces=pl.len())
        .sort("intent", "group", -pl.col("instead_faces").cast(pl.Int64), place)
        .group_by("intent", "group", maintain_order=True)
        .first()
        .rename({"expression": "instead"})
    )
