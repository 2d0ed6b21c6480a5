"""The tables of docs/performance.md, from the files of results that `all.py` has written.

In the page a table stands between `<!-- table: NAME -->` and `<!-- end -->`; everything between them is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

Results = dict[str, dict[str, Any]]
BLANK = "–"
_MARKED = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_QUICK = ("jpeg-512-unpadded", "png-512-unpadded", "jpeg-1024-unpadded", "png-1024-unpadded")
_COMMANDS = {
    ("lite", "exact"): "`curate score FOLDER`",
    ("lite", "fast"): "`curate score FOLDER --profile fast`",
    ("libreface", "exact"): "`curate score FOLDER --scorers mesh,quality,libreface`",
    ("libreface", "fast"): "the same with `--profile fast`",
}


def read(folder: Path) -> Results:
    """Every file of results by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def filled(text: str, results: Results) -> str:
    """A page with all its tables made anew."""

    def table(found: re.Match[str]) -> str:
        name, needs = found[2], _TABLES[found[2]][0]
        result = results.get(needs)
        if result is None or "reason" in result:
            body = f"{BLANK} not measured: {result['reason'] if result else 'no results'}\n"
        else:
            body = _TABLES[name][1](result)
        return f"{found[1]}{body}{found[3]}"

    return _MARKED.sub(table, text)


def _table(head: list[str], rows: list[list[object]]) -> str:
    numbers = ["---"] + ["---:"] * (len(head) - 1)
    lines = [head, numbers, *[[str(cell) for cell in row] for row in rows]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def host(result: dict[str, Any]) -> str:
    """What the figures were made on."""
    at = result["host"]
    versions = ", ".join(f"{name} {version}" for name, version in at["versions"].items())
    quick = " A quick run: these figures say that it works, not how fast." if result.get("quick") else ""
    return (
        f"{at['cores']} cores of an {at['cpu']}, {at['memory_gb']} GB, {at['system']}, Python {at['python']}, "
        f"{versions}. "
        f"{at['date']}, commit {at['commit']}; pictures made from `{result['pictures']}`, medians of {result['turns']} "
        f"turn{'s' * (result['turns'] > 1)}, one batch or more to warm up.{quick}\n"
    )


def speed(result: dict[str, Any]) -> str:
    """What a user gets from two workers, or as many as were measured."""
    workers = max(row["workers"] for row in result["rows"])
    sets = [name for name in _QUICK if any(row["set"] == name for row in result["rows"])]
    rows = []
    for (scorer, profile), command in _COMMANDS.items():
        key = {"engine": "local", "scorer": scorer, "profile": profile, "workers": workers}
        cells = [_cell(_find(result, **key, set=name)) for name in sets]
        note = _why(result, scorer, profile)
        rows.append([f"{command}{note}", *cells])
    return _table([f"pictures/s, {workers} workers", *map(_title, sets)], rows)


def matrix(scorer: str) -> Callable[[dict[str, Any]], str]:
    """Every figure of a scorer."""

    def made(result: dict[str, Any]) -> str:
        found = [row for row in result["rows"] if row["scorer"] == scorer and row["engine"] == "local"]
        if not found:
            return f"{BLANK} not measured: {_reason(result, scorer)}\n"
        head = [
            "pictures", "workers", "profile", "pictures/s", "floor", "of it", "CPU-ms a picture", "floor", "of it",
        ]  # fmt: skip
        names = list(dict.fromkeys(row["set"] for row in found))
        found.sort(key=lambda row: (names.index(row["set"]), row["profile"], row["workers"]))
        rows: list[list[object]] = [
            [
                _title(row["set"]),
                row["workers"],
                row["profile"],
                f"**{row['images_s']:.1f}**",
                f"{1000 * row['workers'] / row['floor_ms']:.1f}",
                f"{100 * row['of_floor_by_the_clock']:.0f} %",
                f"{row['cpu_ms']:.1f}",
                f"{row['floor_ms']:.1f}",
                f"{100 * row['of_floor']:.0f} %",
            ]
            for row in found
        ]
        return _table(head, rows)

    return made


def engines(result: dict[str, Any]) -> str:
    """The ways to run a scorer, every one with every profile, on as many workers as were measured."""
    workers = max(row["workers"] for row in result["rows"])
    of_engines = {row["set"] for row in result["rows"] if row["engine"] == "score_images"}
    sets = [name for name in result["stages"] if name in of_engines]
    names = {
        "local": "`curate score`",
        "ray": "`curate score --engine ray`",
        "score_images": "`score_images` in processes",
    }
    rows: list[list[object]] = []
    for scorer, profile in _COMMANDS:
        for engine, name in names.items():
            key = {"engine": engine, "scorer": scorer, "profile": profile, "workers": workers}
            cells = [_cell(_find(result, **key, set=of)) for of in sets]
            run = next((run for run in result["runs"] if key.items() <= run.items()), None)
            note = "" if run else f" ({_reason(result, engine, scorer, profile)})"
            started = f"{run['start']:.1f} s" if run else BLANK
            rows.append([f"{name}{note}", scorer, profile, *cells, started])
    return _table(
        [f"pictures/s, {workers} workers", "scorer", "profile", *map(_title, sets), "start-up"], rows
    )


def stages(result: dict[str, Any]) -> str:
    """Each stage alone, by set."""
    sets = list(result["stages"])
    names = list(dict.fromkeys(stage for of_set in result["stages"].values() for stage in of_set))
    rows: list[list[object]] = [
        [
            name,
            *(f"{result['stages'][of][name]:.2f}" if name in result["stages"][of] else BLANK for of in sets),
        ]
        for name in names
    ]
    for scorer in ("lite", "libreface"):
        for profile in ("exact", "fast"):
            of_sets = [
                _find(result, engine="local", scorer=scorer, profile=profile, set=name) for name in sets
            ]
            cells = [f"**{row['floor_ms']:.1f}**" if row else BLANK for row in of_sets]
            rows.append([f"**floor, {scorer}, {profile}**{_why(result, scorer, profile)}", *cells])
    return _table(["CPU-ms a picture, one thread", *map(_title, sets)], rows)


def peers(result: dict[str, Any]) -> str:
    """Us beside others."""
    rows: list[list[object]] = [
        [
            row["name"],
            f"{row['images_s']:.2f}",
            f"{row['cpu_ms']:.1f}",
            f"{row['floor_ms']:.1f}" if "floor_ms" in row else BLANK,
            f"{row['ratio']:.1f} ×" if "ratio" in row else BLANK,
        ]
        for row in result["rows"]
    ]
    notes = []
    for number, (name, reason) in enumerate(result["missing"].items(), 1):
        rows.append([f"{name} ({number})", *[BLANK] * 4])
        notes.append(f"({number}) {reason}.")
    made = _table(["", "pictures/s", "CPU-ms a picture", "floor", "against the same job"], rows)
    turns = f"{result['turns']} turn{'s' * (result['turns'] > 1)}"
    made += f"\n{result['count']} pictures of `{result['pictures']}`, medians of {turns}. "
    made += " ".join(notes) + "\n"
    if result["answers"]:
        said = result["answers"]
        made += (
            f"On {said['pictures']} of them our action units (0 to 5) are {said['au_apart']} apart from the "
            f"package's on average, and {100 * said['labels_equal']:.0f} % of the expressions have the same name "
            "(seeded networks magnify the last bits).\n"
        )
    return made


def profiles(result: dict[str, Any]) -> str:
    """Exact beside fast, in one process."""
    rows: list[list[object]] = [
        [row["stage"], f"{row['exact']:.1f}", f"{row['fast']:.1f}", f"{row['ratio']:.2f} ×"]
        for row in result["stages"]
    ]
    taken = ", ".join(
        f"{role} {words.split()[0]}" for role, words in result["options"].items() if role != "profile"
    )
    apart = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in result["apart"].items())
    made = _table(["CPU-ms a picture, one thread", "exact", "fast", "ratio"], rows)
    return f"{made}\n`fast` took here: {taken}. Answers apart: {apart}.\n"


def gpu(result: dict[str, Any]) -> str:
    """Decoders, the device alone, and both."""
    rows: list[list[object]] = [
        [f"decoders alone, {n} processes", f"{rate:,.0f}"] for n, rate in result["decoders"].items()
    ]
    rows += [[f"device alone, {stage}", f"{1000 / ms:,.0f}"] for stage, ms in result["stages"].items()]
    rows.append(
        ["**end to end**", f"**{result['end_to_end']:,.0f}** ({100 * result['share']:.0f} % of the decoders)"]
    )
    return _table([f"{', '.join(result['scorers'])} on `{result['device']}`", "pictures/s"], rows)


def growth(result: dict[str, Any]) -> str:
    """Steps by rows."""
    steps = list(next(iter(result["rows"].values())))
    rows: list[list[object]] = [
        [f"{int(n):,}", *(f"{c['seconds']:.1f} s, {c['megabytes']:,.0f} MB" for c in costs.values())]
        for n, costs in result["rows"].items()
    ]
    return _table(["rows", *steps], rows)


def memory(result: dict[str, Any]) -> str:
    """Peaks by pictures."""
    rows: list[list[object]] = [
        [
            f"{r['pictures']:,}",
            f"{r['pictures'] / r['seconds']:.0f}",
            f"{r['parent_mib']} MiB",
            f"{r['worker_mib']} MiB",
        ]
        for r in result["rows"]
    ]
    return _table(["pictures", "pictures/s", "parent, peak", "largest worker, peak"], rows)


def choosing(result: dict[str, Any]) -> str:
    """Queries and recipes."""
    rows: list[list[object]] = [
        [
            row["step"],
            f"{row['seconds']:.2f} s",
            f"{row['memory_gb']:.2f} GB",
            f"{row['pandas_seconds']:.2f} s" if row["pandas_seconds"] else BLANK,
        ]
        for row in result["rows"]
    ]
    return _table([f"{result['faces']:,} faces", "time", "memory", "pandas"], rows)


def browsing(result: dict[str, Any]) -> str:
    """Imports into FiftyOne."""
    labels = {
        "first": "`curate browse`, first import, with indexes and views",
        "1 % changed": "again, 1 % of the rows changed",
        "nothing changed": "again, nothing changed",
        "plain": "the plain way, scaled up",
    }
    rows: list[list[object]] = [[label, f"{result[key]:.2f} s"] for key, label in labels.items()]
    return _table([f"{result['rows']:,} rows", "time"], rows)


def exporting(result: dict[str, Any]) -> str:
    """Exports by kind."""
    rows: list[list[object]] = [
        [
            row["export"],
            f"{row['seconds']:.2f} s",
            f"{result['pictures'] / row['seconds']:,.0f}",
            f"{row['memory_gb']:.2f} GB",
        ]
        for row in result["rows"]
    ]
    return _table([f"{result['pictures']:,} pictures", "time", "pictures/s", "memory"], rows)


_TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "host": ("speed", host),
    "speed": ("speed", speed),
    "lite": ("speed", matrix("lite")),
    "libreface": ("speed", matrix("libreface")),
    "engines": ("speed", engines),
    "stages": ("speed", stages),
    "peers": ("peers", peers),
    "profiles": ("profiles", profiles),
    "gpu": ("gpu", gpu),
    "growth": ("growth", growth),
    "memory": ("memory", memory),
    "choosing": ("choosing", choosing),
    "browsing": ("browsing", browsing),
    "exporting": ("exporting", exporting),
}


def _find(result: dict[str, Any], **key: Any) -> dict[str, Any] | None:
    return next((row for row in result["rows"] if all(row[k] == v for k, v in key.items())), None)


def _cell(row: dict[str, Any] | None) -> str:
    """Pictures a second, and how far from the floor."""
    return f"**{row['images_s']:.0f}** of {1000 * row['workers'] / row['floor_ms']:.0f}" if row else BLANK


def _reason(result: dict[str, Any], *names: str) -> str:
    return (
        "; ".join(result["missing"][name] for name in names if name in result["missing"]) or "not in this run"
    )


def _why(result: dict[str, Any], *names: str) -> str:
    return f" ({_reason(result, *names)})" if set(names) & result["missing"].keys() else ""


def _title(name: str) -> str:
    kind, side, frame = name.split("-")
    return f"{kind.upper()} {side}" + (", padded" if frame == "padded" else "")
