"""What `curate stats` shows people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from curate.output import Output, visible

if TYPE_CHECKING:
    import polars as pl

    from curate.recipes.against import Comparison, Distance
    from curate.recipes.stats import Statistics

_BAR = 30
_LONG = 44
_COLUMNS = 8
# Among a million faces any difference is beyond chance; one this small is not worth a name.
_WEAK = 0.05
_PLAIN = 1.5
_CELLS = 12


def tell(name: str, told: Statistics, output: Output) -> None:
    """One set."""
    _heading(name, told, output)
    for title, counts in (("expression", told.expressions), ("temperature", told.bands)):
        whole = sum((counts or {}).values())
        if counts and whole:
            most = max(counts.values())
            rows = [
                [value, f"{n:,}", _percent(n / whole), "█" * round(_BAR * n / most)]
                for value, n in counts.items()
            ]
            output.table([title, "faces", "share", ""], rows, right=["faces", "share"])
    output.table(["", ""], [row for row in _summary(told) if row[1]])
    if told.coverage is not None and told.faces:
        _plane(told, output)
    _associations(told, output)


def tell_both(
    names: tuple[str, str], told: tuple[Statistics, Statistics], difference: Comparison, output: Output
) -> None:
    """Two sets: every figure in two columns, what sets them apart, and the faces that do."""
    for name, one, letter in zip(names, told, "AB", strict=True):
        _heading(f"{letter}  {name}", one, output)
    a, b = (one.figures() for one in told)
    rows = [[key, _figure(key, a.get(key)), _figure(key, b.get(key)), _change(key, a.get(key), b.get(key))]
            for key in dict.fromkeys([*a, *b]) if (a.get(key), b.get(key)) != (None, None)]  # fmt: skip
    output.table(["", "A", "B", "A - B"], rows, right=["A", "B", "A - B"])
    output.table(["how far apart", ""], _distances(difference))
    columns = difference.columns.drop_nulls("d").head(_COLUMNS)
    if not columns.is_empty():
        output.table(
            ["differs most", "mean of A", "mean of B", "in deviations"],
            ([c, f"{x:.3g}", f"{y:.3g}", f"{d:+.2f}"] for c, x, y, d in columns.iter_rows()),
            right=["mean of A", "mean of B", "in deviations"],
        )
    for letter, other, faces in (("A", "B", difference.only_a), ("B", "A", difference.only_b)):
        _faces(f"only in {letter}: least like any face of {other}", faces, output)
    _both_associations(told, output)


def _heading(name: str, told: Statistics, output: Output) -> None:
    others = ", ".join(f"{n:,} {status}" for status, n in told.statuses.items() if status != "ok")
    output.plain(f"{name}: {told.faces:,} faces" + (f", and {others}" if others else ""))


def _summary(told: Statistics) -> list[tuple[str, str]]:
    """Figures that a set has beside its shares, each with what it is of."""
    figures = told.figures()

    def both(name: str) -> str:
        mean, median = figures[f"{name}, mean"], figures[f"{name}, median"]
        return "" if mean is None or median is None else f"mean {mean:.1f}, median {median:.1f}"

    flat = figures["neutral + polite smile share"]
    eyes = figures["Duchenne share of smiles"]
    vendi, alone = figures["effective expressions (Vendi)"], figures["effective expressions, AUs alone"]
    mean, shares = figures["entropy of mean probabilities"], figures["entropy of shares"]
    return [
        ("neutral or polite smile", "" if flat is None else f"{_percent(flat)} (polite smiles: {told.polite:,})"),
        ("smiles with the eyes", "" if eyes is None else f"{_percent(eyes)} of {told.smiles:,} (Duchenne)"),
        ("temperature", both("temperature")),
        ("tone", both("tone")),
        (
            "entropy of the expressions",
            "" if mean is None or shares is None else f"{mean:.2f} (probabilities), {shares:.2f} (shares); 1 is even",
        ),
        (
            "effective number of expressions",
            ", ".join(
                part for part in (vendi and f"{vendi:.1f} (Vendi)", alone and f"{alone:.1f} by action units alone")
                if part
            ),
        ),
    ]  # fmt: skip


def _plane(told: Statistics, output: Output) -> None:
    """How much of the plane the set reaches, and where nothing is."""
    plane = told.coverage
    if plane is None:
        return
    empty = plane.empty
    more = f" and {len(empty) - _CELLS} more" if len(empty) > _CELLS else ""
    nothing = f"; no face is {', '.join(empty[:_CELLS])}{more}" if empty else ""
    line = (
        f"{plane.covered} of the {plane.cells} cells of valence and arousal that expressions reach{nothing}."
    )
    for part in wrapped(line):
        output.text(part)


def _associations(told: Statistics, output: Output) -> None:
    """What the expression and the band go with."""
    if "expression" not in told.associations:
        return
    table = told.associations["expression"]
    bands = _by_column(told.associations.get("band"))
    known = [row for row in table.iter_rows(named=True) if row["v"] is not None]
    if known:
        output.table(
            ["goes with", "faces", "V", "V of band", "times as frequent as overall"],
            (
                [row["column"], f"{row['faces']:,}", _v(row), _v(bands.get(row["column"])), _outstanding(row)]
                for row in known
            ),
            right=["faces", "V", "V of band"],
        )
    for part in wrapped(_not_compared(table)):
        output.plain(part)


def _not_compared(table: pl.DataFrame) -> str:
    """Which columns have no figure, and why; those that no face has a value of, together."""
    skipped = {row["column"]: row["skipped"] for row in table.iter_rows(named=True) if row["skipped"]}
    nothing = [column for column, reason in skipped.items() if reason.startswith("no face")]
    parts = [f"{column} ({reason})" for column, reason in skipped.items() if column not in nothing]
    parts += [f"{', '.join(nothing)} (no face has a value)"] if nothing else []
    return f"Not compared: {', '.join(parts)}." if parts else ""


def _both_associations(told: tuple[Statistics, Statistics], output: Output) -> None:
    a, b = (_by_column(one.associations.get("expression")) for one in told)
    rows = []
    for column in dict.fromkeys([*a, *b]):
        x, y = (side.get(column, {}).get("v") for side in (a, b))
        if x is not None or y is not None:
            change = f"{x - y:+.2f}" if isinstance(x, float) and isinstance(y, float) else ""
            rows.append([column, _v(a.get(column)), _v(b.get(column)), change])
    if rows:
        output.table(
            ["expression goes with", "V of A", "V of B", "A - B"], rows, right=["V of A", "V of B", "A - B"]
        )


def _distances(difference: Comparison) -> list[tuple[str, str]]:
    rows = []
    for name, pair in (("expressions", difference.expressions), ("bands", difference.bands)):
        if pair is not None:
            rows.append((name, f"total variation {pair[0]:.3f}, Jensen-Shannon {pair[1]:.3f} bit"))
    for name, energy in (("action units", difference.action_units), ("valence, arousal", difference.affect)):
        if energy is not None:
            rows.append((name, _energy(energy)))
    if difference.flat is not None:
        share, low, high = (100 * x for x in difference.flat)
        rows.append(
            ("neutral or polite smile", f"{share:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}")
        )
    return rows


def _energy(distance: Distance) -> str:
    sign = "p <= 0.005" if distance.p <= 0.005 else f"p = {distance.p:.2g}"
    return f"energy distance {distance.coefficient:.3f} of 1, {sign}"


def _faces(title: str, faces: pl.DataFrame, output: Output) -> None:
    if faces.is_empty():
        return
    rows = [
        [
            _end(row["image"]),
            row["face"],
            row.get("expression"),
            "" if row.get("temperature") is None else f"{row['temperature']:.0f}",
            f"{row['distance']:.2f}",
        ]
        for row in faces.iter_rows(named=True)
    ]
    output.table(
        [title, "face", "expression", "temperature", "distance"],
        rows,
        right=["face", "temperature", "distance"],
    )


def _by_column(table: pl.DataFrame | None) -> dict[str, dict[str, object]]:
    return {} if table is None else {row["column"]: row for row in table.iter_rows(named=True)}


def _v(row: dict[str, object] | None) -> str:
    v = row and row["v"]
    return f"{v:.2f}" if isinstance(v, float) else ""


def _outstanding(row: dict[str, object]) -> str:
    """`anger 3.1x with man`."""
    lift = row["lift"]
    if not isinstance(lift, float):
        return "nothing beyond chance"
    if cast(float, row["v"]) < _WEAK and 1 / _PLAIN < lift < _PLAIN:
        return "next to nothing"
    level = str(row["level"])
    level = level if len(level) <= _LONG else f"{level[: _LONG - 1]}…"
    return f"{row['value']} {lift:.2g}x with {level}" if lift else f"{row['value']} never with {level}"


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name.endswith("share") or name.startswith("Duchenne"):
        return _percent(value)
    return f"{value:,.0f}" if name in ("faces", "cells of the plane") else f"{value:.2f}"


def _change(name: str, a: float | None, b: float | None) -> str:
    if a is None or b is None:
        return ""
    share = name.endswith("share") or name.startswith("Duchenne")
    # What rounds to nothing is no loss.
    change = round(100 * (a - b), 1) + 0.0 if share else round(a - b, 2) + 0.0
    if name in ("faces", "cells of the plane"):
        return f"{a - b:+,.0f}"
    return f"{change:+.1f}" if share else f"{change:+.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _end(path: str) -> str:
    """A picture's folder and name, as much of it as fits."""
    name = "/".join(Path(path).parts[-2:])
    name = visible(name)
    return name if len(name) <= _LONG else f"…{name[-_LONG + 1 :]}"


def wrapped(line: str) -> list[str]:
    """A sentence in lines of a window's width."""
    from textwrap import wrap

    return wrap(line, 98, break_long_words=False, break_on_hyphens=False)
