"""What a report says is what is in the set."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from page import Page, read_page, share, whole
from scoresets import certain, scores, write_set

from curate import write_report
from curate.choosing import REJECTED
from curate.decisions import decide
from curate.errors import ExportError, InputError
from curate.manifest import PackRecord, read_manifest
from curate.recipes.against import compare
from curate.recipes.association import association
from curate.recipes.stats import statistics
from curate.reports import thumbnails
from curate.scorers.columns import BANDS, EXPRESSIONS
from curate.scoreset import open_scores

HOSTILE = "</script><img src=x onerror=alert(1)>{{7*7}}<b>\u202egnp"


@pytest.fixture(scope="session")
def page(scored: Path) -> Page:
    write_report(scored, scored.parent / "page.html")
    return read_page((scored.parent / "page.html").read_text())


@pytest.fixture(scope="session")
def rows(scored: Path) -> pl.DataFrame:
    return open_scores(scored).read(landmarks=False)


def report(folder: Path) -> Page:
    out = folder.with_suffix(".html")
    write_report(folder, out, overwrite=True)
    return read_page(out.read_text())


def test_counts_by_expression_band_and_status_are_those_of_the_rows(page: Page, rows: pl.DataFrame) -> None:
    expressions, bands = Counter(rows["expression"]), Counter(rows["band"])
    told = page.table("Faces by their most probable expression")
    assert [(r[0], whole(r[1])) for r in told] == [(e, expressions[e]) for e in EXPRESSIONS]
    assert all(share(r[2]) == pytest.approx(expressions[r[0]] / rows.height, abs=0.006) for r in told)
    assert [(r[0], whole(r[2])) for r in page.table("Faces by band")] == [(b, bands[b]) for b in BANDS]
    assert [(r[0], whole(r[2])) for r in page.table("Rows by status")] == [("ok", 32)]


def test_what_people_decided_is_told_with_the_inputs(scored: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(scored, tmp_path / "decided.scores")
    assert "Faces by what people decided about them" not in report(folder).tables
    keys = list(open_scores(folder).read(landmarks=False).select("sha256", "face").iter_rows())
    decide(folder, keys[:5], "accept")
    decide(folder, keys[4:8], "reject")
    told = report(folder).table("Faces by what people decided about them")
    assert [(r[0], whole(r[1])) for r in told] == [("accepted", 4), ("rejected", 4), ("undecided", 24)]
    assert share(told[0][2]) == pytest.approx(4 / 32, abs=0.006)


def test_the_headline_is_the_share_of_neutral_and_polite_faces(page: Page, rows: pl.DataFrame) -> None:
    flat = sum(
        r["expression"] == "neutral"
        or (r["expression"] == "happiness" and r["temperature"] < 60 and r["au06"] < 1)
        for r in rows.iter_rows(named=True)
    )
    title = page.texts[page.texts.index("faces.scores") + 1]
    assert title == f"{100 * flat / 32:.0f} % of the 32 faces are neutral or politely smiling."


def test_the_histogram_has_every_face_where_it_belongs(page: Page, rows: pl.DataFrame) -> None:
    heading, *bins = page.tables["Temperature: faces by temperature and expression"]
    assert len(bins) == 20
    for i, row in enumerate(bins):
        assert row[0] == f"{5 * i} to {5 * i + 5}"
        for name, told in zip(heading[1:-1], row[1:-1], strict=True):
            within = [
                t
                for t, e in rows.select("temperature", "expression").iter_rows()
                if e == name and t // 5 == i
            ]
            assert whole(told) == len(within)
    assert sum(whole(row[-1]) for row in bins) == rows.height


def test_the_grid_counts_each_cell_and_shows_a_face_of_it(page: Page, rows: pl.DataFrame) -> None:
    cells = Counter(zip(rows["expression"], rows["band"], strict=True))
    for row in page.table("Expression by band"):
        expression = row[0].split()[0]
        assert [whole(cell) for cell in row[1:]] == [cells[expression, band] for band in BANDS]
    by_name = {Path(r["image"]).name: r for r in rows.iter_rows(named=True)}
    shown = [a["alt"] for tag, a in page.elements if tag == "img"]
    assert len(cells) <= len(shown)
    for alt in shown:
        name, _, told = alt.partition(": ")
        face = by_name[name]
        assert told == f"{face['expression']}, temperature {face['temperature']:.0f}"


def test_shares_of_action_units_and_the_face_with_most_are_right(page: Page, rows: pl.DataFrame) -> None:
    table = {row[0].split()[0]: row for row in page.table("Intensity from 0 to 5")}
    assert set(table) == {
        "AU" + str(n) for n in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26)
    }
    for n in (1, 4, 12, 25):
        points = np.asarray(rows[f"au{n:02}"])
        row = table[f"AU{n}"]
        assert share(row[2]) == pytest.approx((points >= 1).mean(), abs=0.006)
        assert share(row[3]) == pytest.approx((points >= 3).mean(), abs=0.006)
        assert row[6] == f"{points.max():.1f} of 5"
    assert share(table["AU7"][5]) == pytest.approx((np.asarray(rows["au07_p"]) > 0.5).mean(), abs=0.006)


def test_the_map_counts_directions_and_strengths(page: Page, rows: pl.DataFrame) -> None:
    table = page.table("Faces by direction and strength")
    assert sum(whole(cell) for row in table for cell in row[1:] if cell != "–") == rows.height
    pleased = {row[0]: [0 if cell == "–" else whole(cell) for cell in row[1:]] for row in table}
    angle = np.degrees(np.arctan2(rows["arousal"], rows["valence"])) % 360
    length = np.hypot(rows["arousal"], rows["valence"])
    far = length > 0.957 / 3
    assert sum(pleased["excited"][1:]) == int((far & (angle > 22.5) & (angle < 67.5)).sum())


def test_quality_clauses_are_counted_and_can_be_typed(page: Page, scored: Path, rows: pl.DataFrame) -> None:
    from typed import curate

    told = {clause: whole(n) for _, clause, n, _ in page.table("What speaks against faces")}
    assert told["n_faces > 1"] == int((rows["n_faces"] > 1).sum())
    assert told["eye_distance < 40"] == int((rows["eye_distance"] < 40).sum())
    assert told["abs(yaw) >= 45"] == int((rows["yaw"].abs() >= 45).sum())
    done = curate("query", scored, " or ".join(f"({clause})" for clause in told), "--json")
    bad = json.loads(done.stdout)["matches"]
    assert f"({bad} of 32) have something" in page.text or not bad


def test_near_duplicates_are_found(tmp_path: Path) -> None:
    columns = scores(40)
    for name, values in columns.items():
        columns[name] = [values[0]] * 3 + values[3:]
    hashes = np.random.default_rng(1).integers(0, 2**63, 40, np.uint64)
    hashes[1], hashes[2] = hashes[0] ^ np.uint64(1), hashes[0] ^ np.uint64(0b110)
    columns["phash"] = [float(0)] * 40
    folder = write_set(tmp_path / "d.scores", [f"{i}.png" for i in range(40)], columns)
    part = folder / "part-000000.parquet"
    frame = pl.read_parquet(part).with_columns(phash=pl.Series(hashes))
    rewrite(part, frame)
    page = report(folder)
    assert "2 faces of 40 (5 %) repeat another one, in 1 group." in page.text
    assert page.table("Groups of near-duplicates") == [["3", "1"]]


def rewrite(part: Path, frame: pl.DataFrame) -> None:
    """Other rows in a shard that keeps what it says of itself."""
    import pyarrow.parquet as pq

    said = pq.read_schema(part).metadata
    pq.write_table(frame.to_arrow().replace_schema_metadata(said), part)


def test_intents_are_held_against_what_came(page: Page, rows: pl.DataFrame) -> None:
    meant = rows.drop_nulls(["intent", "intent_rank"])
    hits = {
        intent: [r == 1 for i, r in meant.select("intent", "intent_rank").iter_rows() if i == intent]
        for intent in set(meant["intent"])
    }
    told = page.table("By intended expression")
    assert {row[0]: (whole(row[1]), share(row[2])) for row in told} == {
        intent: (len(found), pytest.approx(sum(found) / len(found), abs=0.006))
        for intent, found in hits.items()
    }
    assert [row[0] for row in page.table("By model")] == ["sd_xl_base_1.0", "dreamshaper_8", "flux1-dev"]


def test_provenance_names_every_file_and_licence(page: Page, scored: Path) -> None:
    manifest = read_manifest(scored)
    for pack in manifest.packs.values():
        assert pack.licence in page.text
        assert all(sha256 in page.text for sha256 in pack.files.values())
    for name, version in manifest.versions.items():
        assert name in page.text
        assert version in page.text
    assert "displayed expression as scored by the models" in page.text
    assert "research" not in page.text.lower()


def test_a_licence_for_research_alone_is_said_plainly(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "r.scores", ["a"], certain(["fear"]))
    manifest = read_manifest(folder)
    manifest.packs["libreface"] = PackRecord(
        title="LibreFace", version="1", licence="USC Research License", files={"au.onnx": "ab" * 32}
    )
    manifest.write(folder)
    page = report(folder)
    assert "Made with libreface, whose licence allows research and non-profit use only." in page.text
    assert "For research and non-profit use only." in page.text
    assert "ab" * 32 in page.text


def test_a_chosen_set_shows_its_funnel_and_the_set_before(chosen: Path, rows: pl.DataFrame) -> None:
    page = report(chosen)
    kept = open_scores(chosen).read(landmarks=False)
    steps = (read_manifest(chosen).choice or {})["steps"]
    told = page.table("The funnel")
    assert [(row[0], whole(row[2]), whole(row[3])) for row in told] == [
        (s["kind"], s["in"], s["out"]) for s in steps
    ]
    before, after = Counter(rows["expression"]), Counter(kept["expression"])
    for name, a, _, b, *_ in page.table("Shares of the expressions: the upper, pale bar before"):
        assert (whole(a), whole(b)) == (before[name], after[name])
    first = page.table("Shares of the faces by temperature, before and after")[0]
    assert share(first[1]) == pytest.approx((rows["temperature"] < 5).mean(), abs=0.006)
    assert share(first[2]) == pytest.approx((kept["temperature"] < 5).mean(), abs=0.006)
    v = {row["column"]: row["v"] for row in association(rows).to_dicts()}
    told_v = {row[0]: row[1] for row in page.table("What the expression goes with (Cramér")}
    assert told_v["yaw"] == f"{v['yaw']:.2f}"
    wanted = {row[0]: [whole(cell) for cell in row[1:]] for row in page.table("Faces that were wanted")}
    assert wanted["contempt"] == [3, 0, 0, 3]
    assert (
        f"few.yaml keeps {kept.height} of 32 rows" in page.text
        or f"few keeps {kept.height} of 32" in page.text
    )


def test_a_chosen_set_without_its_rejected_rows_says_so(chosen: Path, tmp_path: Path) -> None:
    folder = tmp_path / "few.scores"
    shutil.copytree(chosen, folder)
    shutil.rmtree(folder / REJECTED)
    page = report(folder)
    assert "The rejected rows are not in this set any more" in page.text
    assert len(page.table("The funnel")) == 4


def test_what_a_query_chose_is_told(scored: Path, tmp_path: Path) -> None:
    from typed import curate

    assert curate("query", scored, "temperature > 60", "-o", tmp_path / "hot.scores").returncode == 0
    assert "temperature > 60" in report(tmp_path / "hot.scores").text


def test_the_next_command_of_a_chosen_set_goes_by_the_set_that_it_is_from(
    scored: Path, chosen: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "few.scores"
    shutil.copytree(chosen, folder)
    part = folder / "part-000000.parquet"
    rewrite(part, pl.read_parquet(part).drop("phash"))
    page = report(folder)
    command = f"-o {scored} --scorers mesh,quality,lite && curate apply few.scores/recipe.yaml {scored}"
    assert command in page.text


def test_a_recipe_that_keeps_nothing_still_tells_why(scored: Path, tmp_path: Path) -> None:
    import curate

    (tmp_path / "none.yaml").write_text("where: [confidence > 2]\n")
    curate.apply(tmp_path / "none.yaml", scored, tmp_path / "none.scores")
    page = report(tmp_path / "none.scores")
    assert [row[1:4] for row in page.table("The funnel")][1][1:] == ["32", "0"]
    assert "none keeps 0 of 32 rows, 0 %." in page.text
    for a, b in ((scored, tmp_path / "none.scores"), (tmp_path / "none.scores", scored)):
        write_report(a, tmp_path / "both.html", against=b, overwrite=True)
        both = read_page((tmp_path / "both.html").read_text())
        assert "no scores in common that could be compared" in both.text


@pytest.mark.parametrize(
    ("expressions", "said"),
    [
        (["neutral"] * 3, "All 3 faces are neutral."),
        (["neutral"], "The one face is neutral."),
        (["fear"], "The one face is not neutral."),
        (["fear"] * 2, "None of the 2 faces is neutral."),
        (["neutral"] * 1 + ["fear"] * 2000, "< 0.1 % of the 2,001 faces are neutral."),
        (["neutral"] * 2000 + ["fear"], "> 99.9 % of the 2,001 faces are neutral."),
    ],
)
def test_the_headline_is_said_as_a_person_would(tmp_path: Path, expressions: list[str], said: str) -> None:
    names = [f"{i}.png" for i in range(len(expressions))]
    folder = write_set(tmp_path / "x.scores", names, certain(expressions))
    assert write_report(folder, tmp_path / "x.html").finding == said


def test_two_sets_stand_side_by_side(scored: Path, chosen: Path, rows: pl.DataFrame, tmp_path: Path) -> None:
    write_report(chosen, tmp_path / "both.html", against=scored)
    page = read_page((tmp_path / "both.html").read_text())
    kept = open_scores(chosen).read(landmarks=False)
    difference = compare(kept, rows, statistics(kept), statistics(rows))
    assert difference.expressions is not None
    assert f"total variation {difference.expressions[0]:.3f}" in page.text
    table = page.table("What differs most")
    assert [row[0] for row in table] == difference.columns["column"].head(10).to_list()
    grids = [rows for caption, rows in page.tables.items() if caption.startswith("Expression by band of")]
    assert len(grids) == 2
    for grid, frame in zip(grids, (kept, rows), strict=True):
        assert sum(whole(c) for row in grid[1:] for c in row[1:]) == frame.height
    assert {c for c in page.tables if "temperature of" in c} == {
        "A: temperature of few.scores: faces by temperature and expression",
        "B: temperature of faces.scores: faces by temperature and expression",
    }


@pytest.mark.parametrize(
    ("names", "columns", "status", "said"),
    [
        ([], {}, {}, ["This set is empty.", "No face was scored in this set."]),
        (["a", "b"], {}, {"a": "no_face", "b": "crashed"}, ["No face was scored in 2 pictures.", "none was scored"]),
        (["a", "b"], {}, {}, ["2 faces, without expressions.", "Action units are not scored in this set."]),
        (
            ["a", "b"],
            certain(["fear", "anger"]),
            {},
            ["Action units are not scored", "perceptual hash, which this set lacks", "no picture has a prompt"],
        ),
        (["a"], {"au07_p": [0.3]}, {}, ["presences of action units, and no intensities", "without expressions"]),
        (["a", "b"], scores(2) | {"yaw": [float("nan"), float("inf")]}, {}, ["None of the 2 faces is neutral"]),
    ],
    ids=["empty", "not scored", "nothing but rows", "no action units", "presences", "no numbers"],
)  # fmt: skip
def test_what_a_set_lacks_is_said_with_the_command(
    tmp_path: Path,
    names: list[str],
    columns: dict[str, list[object]],
    status: dict[str, str],
    said: list[str],
) -> None:
    folder = write_set(tmp_path / "x.scores", names, columns, status=status)
    page = report(folder)
    for words in said:
        assert words in page.text
    assert "curate score /pictures -o x.scores" in page.text


def test_hostile_words_are_shown_and_do_nothing(tmp_path: Path, chromium: str) -> None:
    from browser import open_page

    name = HOSTILE.replace("/", "")
    columns = certain(["fear", "anger"] * 10)
    folder = write_set(
        tmp_path / "h<b>.scores", [f"{i}{name}.png" for i in range(20)] + ["gone"], columns,
        status={"gone": "crashed"}, source=f"/{HOSTILE}",
    )  # fmt: skip
    part = folder / "part-000000.parquet"
    words = pl.lit(HOSTILE)
    model = pl.Series([f"{HOSTILE}{i % 2}" for i in range(21)])
    rewrite(part, pl.read_parquet(part).with_columns(
        prompt=pl.concat_str(pl.lit("an angry man "), words), model=model, lora=words, sampler=model,
        error=pl.when(pl.col("status") == "crashed").then(words),
    ))  # fmt: skip
    manifest = read_manifest(folder)
    manifest.versions["x"] = HOSTILE
    manifest.packs["p"] = PackRecord(
        title=HOSTILE, version=HOSTILE, licence=HOSTILE, files={HOSTILE: HOSTILE}
    )
    manifest.choice = {"kind": "recipe", "name": HOSTILE, "recipe": HOSTILE, "steps": [
        {"kind": "where", "clause": HOSTILE, "in": 3, "out": 2}]}  # fmt: skip
    manifest.write(folder)
    out = tmp_path / "h.html"
    write_report(folder, out)
    content = out.read_text()
    assert "<img src=x" not in content
    assert "\u202e" not in content
    assert "&lt;img src=x onerror=alert(1)&gt;{{7*7}}" in content
    with open_page() as (opened, heard):
        opened.goto(out.as_uri())
        assert opened.locator("script, img[src='x'], b:not(strong)").count() == 0
        assert (heard.errors, heard.outside) == ([], [])


def test_pictures_that_are_gone_or_changed_have_a_placeholder(scored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "f.scores"
    shutil.copytree(scored, folder)
    part = folder / "part-000000.parquet"
    pictures = tmp_path / "pictures"
    images = pl.read_parquet(part)["image"]
    shutil.copytree(Path(images[0]).parent, pictures)
    moved = pl.read_parquet(part).with_columns(
        image=pl.format("{}/{}", pl.lit(str(pictures)), pl.col("image").str.split("/").list.last())
    )
    rewrite(part, moved)
    whole_report = write_report(folder, tmp_path / "all.html")
    assert whole_report.missing == 0
    shown = sorted(pictures.iterdir())
    shown[0].unlink()
    shown[1].write_bytes(b"another")
    shown[2].write_bytes(b"")
    found = write_report(folder, tmp_path / "some.html")
    page = read_page((tmp_path / "some.html").read_text())
    assert 0 < found.missing <= 3
    assert found.shown == whole_report.shown
    gone = {a["aria-label"].split(":")[0] for _, a in page.elements if a.get("class") == "gone"}
    assert gone <= {path.name for path in shown[:3]}
    assert f"{found.missing} of the pictures to be shown here" in page.text


def test_only_the_pictures_that_are_shown_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_set(tmp_path / "many.scores", [f"{i}.png" for i in range(3_000)], scores(3_000))
    wanted: list[str] = []
    monkeypatch.setattr(thumbnails, "read_pictures", lambda _, names: wanted.extend(names) or iter(()))
    found = write_report(folder, tmp_path / "many.html")
    assert len(wanted) == found.shown == found.missing < 200


def test_rows_of_a_dataset_are_shown(scored: Path, tmp_path: Path) -> None:
    import datasets

    import curate

    images = open_scores(scored).read(landmarks=False)["image"].head(3)
    features = datasets.Features({"image": datasets.Image()})
    pictures = [{"bytes": Path(image).read_bytes(), "path": None} for image in images]
    datasets.Dataset.from_dict({"image": pictures}, features=features).save_to_disk(str(tmp_path / "set"))
    curate.score(str(tmp_path / "set"), tmp_path / "set.scores")
    found = write_report(tmp_path / "set.scores", tmp_path / "set.html")
    page = read_page((tmp_path / "set.html").read_text())
    assert (found.faces, found.missing) == (3, 0)
    assert any(a["alt"].startswith("train/0: ") for tag, a in page.elements if tag == "img")


def test_the_same_set_gives_the_same_bytes(scored: Path, chosen: Path, tmp_path: Path) -> None:
    write_report(chosen, tmp_path / "a.html", against=scored)
    program = "import sys; from curate import write_report; write_report(sys.argv[1], sys.argv[2], against=sys.argv[3])"
    subprocess.run(
        [sys.executable, "-c", program, chosen, tmp_path / "b.html", scored],
        check=True, cwd=tmp_path, env=os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
    )  # fmt: skip
    assert hashlib.sha256((tmp_path / "a.html").read_bytes()).hexdigest() == (
        hashlib.sha256((tmp_path / "b.html").read_bytes()).hexdigest()
    )


def test_nothing_is_overwritten_unasked_and_what_fails_leaves_what_was(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    out.write_text("mine")
    with pytest.raises(ExportError, match="it is there already"):
        write_report(scored, out)
    with pytest.raises(InputError, match="no such score set"):
        write_report(scored, out, against=tmp_path / "no.scores", overwrite=True)
    assert out.read_text() == "mine"
    write_report(scored, out, overwrite=True)
    assert out.read_text().startswith("<!doctype html>")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    with pytest.raises(ExportError, match="no such folder"):
        write_report(scored, tmp_path / "no" / "r.html")
