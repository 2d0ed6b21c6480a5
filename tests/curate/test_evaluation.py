from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.stats
import sklearn.metrics
from runs import run
from scoresets import SOURCE, certain, digest, scores, write_set

from curate import open_scores
from curate.errors import InputError
from curate.evaluation import evaluate
from curate.evaluation_plot import plot
from curate.scorers.columns import EXPRESSIONS


def labels(folder: Path, **columns: Sequence[Any]) -> Path:
    path = folder / "labels.parquet"
    pl.DataFrame(columns, strict=False).write_parquet(path)
    return path


def files(count: int) -> list[str]:
    return [f"{i:03}.png" for i in range(count)]


def test_every_measure_is_that_of_the_joined_columns(tmp_path: Path) -> None:
    names = files(80)
    answers, truth = scores(80, seed=1), scores(80, seed=2)
    told = [EXPRESSIONS[i % 8] for i in range(80)]
    there = [float(p > 0.6) for p in truth["au06_p"]]
    table = labels(
        tmp_path,
        image=list(reversed(names)),
        au12=list(reversed(truth["au12"])),
        au01=list(reversed(truth["au01"])),
        au06_p=list(reversed(there)),
        expression=list(reversed(told)),
    )
    answer = evaluate(write_set(tmp_path / "a.scores", names, answers), table, bootstrap=50)
    au01, au12 = answer.intensities
    assert (au01.column, au12.column, au12.n) == ("au01", "au12", 80)
    x, y = np.float32(answers["au12"]), np.array(truth["au12"])
    pcc = [scipy.stats.pearsonr(np.float32(answers[c]), truth[c]).statistic for c in ("au01", "au12")]
    assert au12.pcc.value == pytest.approx(pcc[1])
    assert au12.mae.value == pytest.approx(np.abs(x - y).mean())
    assert answer.intensity_mean is not None
    assert answer.intensity_mean.pcc.value == pytest.approx(np.mean(pcc))
    (au06,) = answer.presences
    said = np.array(answers["au06_p"]) >= 0.5
    assert (au06.positives, au06.f1.value) == (
        sum(there),
        pytest.approx(sklearn.metrics.f1_score(there, said)),
    )
    assert answer.expression is not None
    assert answer.expression.accuracy.value == pytest.approx(
        np.mean([a == b for a, b in zip(told, answers["expression"], strict=True)])
    )
    assert np.array(answer.expression.confusion).tolist() == sklearn.metrics.confusion_matrix(
        told, answers["expression"], labels=EXPRESSIONS
    ).tolist()  # fmt: skip
    for estimate in (au12.pcc, answer.intensity_mean.icc, au06.accuracy, answer.expression.ece):
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low < estimate.high
    assert au12.mae.low is not None
    assert au12.mae.high is not None
    assert au12.mae.low < np.abs(x - y).mean() < au12.mae.high


def test_what_became_of_every_label_is_counted(tmp_path: Path) -> None:
    names = files(8)
    status = {names[5]: "no_face", names[6]: "unreadable"}
    truth = ["neutral", "fear", "fear", None, "anger", "fear", "fear"]
    made = write_set(
        tmp_path / "a.scores", names, certain(["neutral", "fear", "anger", *["fear"] * 5]), status=status
    )
    table = labels(
        tmp_path, image=[*names[:7], names[0], "other.png"], expression=[*truth, "neutral", "disgust"]
    )
    answer = evaluate(made, table, bootstrap=0)
    counts = answer.counts
    assert (counts.labels, counts.not_in_set, counts.repeated, counts.without_label) == (9, 1, 1, 1)
    assert counts.statuses == {"ok": 4, "no_face": 1, "unreadable": 1}
    assert counts.evaluated == 6
    assert counts.set_without_labels == 1
    assert answer.expression is not None
    assert (answer.expression.n, answer.expression.unanswered) == (4, 2)
    # neutral, fear right; fear taken for anger, anger for fear; two fears without a face.
    assert answer.expression.accuracy.value == 2 / 4
    assert answer.expression.accuracy_of_all.value == 2 / 6
    fear = answer.expression.per_class[EXPRESSIONS.index("fear")]
    assert (fear.labelled, fear.answered, fear.unanswered, fear.recall) == (2, 2, 2, 0.5)
    assert answer.expression.accuracy.low is None


@pytest.mark.parametrize(
    "spelling",
    [
        lambda name: f"{SOURCE}/{name}",
        lambda name: name,
        lambda name: f"./sub/../{name}",
        lambda name: f"pictures/{name}",
        lambda name: Path(name).name,
    ],
)
def test_pictures_are_found_however_they_are_named(spelling: Any, tmp_path: Path) -> None:
    names = ["a.png", "deep/b.png", "deep/er/c.png"]
    made = write_set(tmp_path / "a.scores", names, {"au12": [1.0, 2.0, 3.0]})
    answer = evaluate(
        made, labels(tmp_path, image=[*map(spelling, names)], au12=[1.0, 2.0, 3.0]), bootstrap=0
    )
    assert answer.counts.not_in_set == 0
    assert answer.intensities[0].mse.value == 0


def test_rows_of_a_data_set_are_found_by_split_and_number(tmp_path: Path) -> None:
    data = "/data/faces.parquet"
    images = [f"{data}#train/{i}" for i in range(12)]
    intensities = {"au12": [i / 4 for i in range(12)]}
    made = write_set(tmp_path / "a.scores", images, intensities, kind="dataset", source=data)
    named = [images[1], "train/2", "#train/10"]
    answer = evaluate(made, labels(tmp_path, image=named, au12=[0.25, 0.5, 2.5]), bootstrap=0)
    assert (answer.counts.evaluated, answer.intensities[0].mse.value) == (3, 0)


def test_a_name_that_two_pictures_have_is_an_error_and_a_path_is_not(tmp_path: Path) -> None:
    made = write_set(tmp_path / "a.scores", ["x/a.png", "y/a.png"], {"au12": [1.0, 2.0]})
    with pytest.raises(InputError, match=r"`a.png` may be /pictures/x/a.png or /pictures/y/a.png"):
        evaluate(made, labels(tmp_path, image=["a.png"], au12=[1.0]))
    assert evaluate(made, labels(tmp_path, image=["y/a.png"], au12=[2.0])).intensities[0].mse.value == 0


def test_content_finds_a_picture_once_even_if_it_is_there_twice(tmp_path: Path) -> None:
    folder = tmp_path / "a.scores"
    write_set(folder, ["a.png", "b.png"], {"au12": [1.0, 2.0]})
    shard = next(folder.glob("part-*"))
    rows = pl.read_parquet(shard)
    copies = rows.with_columns(image=pl.col("image") + ".copy")
    metadata = pl.read_parquet_metadata(shard)
    pl.concat([rows, copies]).write_parquet(shard, metadata={"curate": metadata["curate"]})
    table = labels(
        tmp_path, sha256=[digest("a.png").upper(), digest("b.png"), "0" * 64], au12=[1.0, 2.0, 3.0]
    )
    answer = evaluate(folder, table, bootstrap=0)
    assert (answer.counts.evaluated, answer.counts.not_in_set) == (2, 1)


def test_of_several_faces_the_largest_counts(tmp_path: Path) -> None:
    made = write_set(tmp_path / "a.scores", ["a", "a", "b"], {"au12": [1.0, 4.0, 2.0]})
    answer = evaluate(made, labels(tmp_path, image=["a", "b"], au12=[1.0, 2.0]), bootstrap=0)
    assert (answer.intensities[0].n, answer.intensities[0].mse.value) == (2, 0)


def test_restricted_to_labelled_classes_the_rest_is_shared_out(tmp_path: Path) -> None:
    columns = certain(["contempt", "fear"])
    columns["fear"][0], columns["contempt"][0] = 0.3, 0.6
    columns["neutral"][0] = 0.1
    for name in set(EXPRESSIONS) - {"fear", "contempt", "neutral"}:
        columns[name][0] = 0.0
    made = write_set(tmp_path / "a.scores", ["a", "b"], columns)
    table = labels(tmp_path, image=["a", "b", "elsewhere"], expression=["fear", "fear", "neutral"])
    every = evaluate(made, table, bootstrap=0).expression
    some = evaluate(made, table, bootstrap=0, classes="labelled").expression
    assert every is not None
    assert some is not None
    assert (every.classes, every.accuracy.value) == (EXPRESSIONS, 0.5)
    assert (some.classes, some.accuracy.value) == (("neutral", "fear"), 1.0)
    assert some.confusion == ((0, 0), (0, 2))
    sure = sorted(b.confidence or 0.0 for b in some.reliability if b.n)
    # .3 of .3 + .1; .9 of .9 + .1 / 7
    assert sure == pytest.approx([0.75, 0.9 / (0.9 + 0.1 / 7)])


def test_subjects_are_resampled_where_there_are_several(tmp_path: Path) -> None:
    names = files(40)
    made = write_set(tmp_path / "a.scores", names, scores(40))
    truth = scores(40, seed=5)["au12"]
    plain = evaluate(made, labels(tmp_path, image=names, au12=truth))
    assert (plain.inputs.resampled, plain.inputs.units) == ("pictures", 40)
    of = [str(i // 10) for i in range(40)]
    grouped = evaluate(made, labels(tmp_path, image=names, au12=truth, subject=of))
    assert (grouped.inputs.resampled, grouped.inputs.units) == ("subjects", 4)
    assert grouped.intensities[0].pcc.value == plain.intensities[0].pcc.value
    assert grouped.intensities[0].pcc.low != plain.intensities[0].pcc.low
    alone = evaluate(made, labels(tmp_path, image=names, au12=truth, subject=["s"] * 40))
    assert alone.inputs.resampled == "pictures"


def test_a_seed_gives_the_same_answer_twice(tmp_path: Path) -> None:
    names = files(20)
    made = write_set(tmp_path / "a.scores", names, scores(20))
    table = labels(tmp_path, image=names, au12=scores(20, seed=5)["au12"])
    first, second, other = (evaluate(made, table, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first.intensities[0].pcc.low != other.intensities[0].pcc.low


def test_action_units_that_never_move_have_no_correlation_and_no_part_in_the_mean(tmp_path: Path) -> None:
    names = files(10)
    made = write_set(tmp_path / "a.scores", names, {"au01": [0.1] * 10, "au12": [i / 2 for i in range(10)]})
    table = labels(tmp_path, image=names, au01=[0.0] * 10, au12=[i / 4 for i in range(10)])
    answer = evaluate(made, table)
    assert answer.intensities[0].pcc.value is None
    assert answer.intensity_mean is not None
    assert answer.intensity_mean.pcc.value == pytest.approx(1)
    assert plot(answer)[:4] == b"\x89PNG"


def test_columns_without_a_partner_are_named(tmp_path: Path) -> None:
    made = write_set(tmp_path / "a.scores", ["a"], {"au12": [1.0]})
    answer = evaluate(made, labels(tmp_path, image=["a"], au12=[1.0], au99=[1.0], expression=["fear"]))
    assert answer.not_compared == ("au99", "expression")
    with pytest.raises(InputError, match="they label au04_p; the set has au12"):
        evaluate(made, labels(tmp_path, image=["a"], au04_p=[1.0]))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"image": ["z.png"], "au12": [1.0]},
            "none of these pictures: it says /pictures/a, the labels say z.png",
        ),
        ({"image": ["a", "a"], "au12": [1.0, 2.0]}, "rows 1 and 2 label /pictures/a differently"),
        ({"image": ["a"], "au12": [None]}, "no picture of the set has a label"),
        ({"image": [None], "au12": [1.0]}, "none of these pictures"),
    ],
)
def test_labels_that_do_not_fit_are_errors(columns: dict[str, Any], said: str, tmp_path: Path) -> None:
    made = write_set(tmp_path / "a.scores", ["a"], {"au12": [1.0]})
    with pytest.raises(InputError) as error:
        evaluate(made, labels(tmp_path, **columns))
    assert said in str(error.value)


def test_a_set_in_which_no_face_was_found_is_measured_all_the_same(tmp_path: Path) -> None:
    made = write_set(
        tmp_path / "a.scores", ["a", "b"], certain(["fear"] * 2), status={"a": "no_face", "b": "no_face"}
    )
    answer = evaluate(made, labels(tmp_path, image=["a", "b"], expression=["fear", "anger"]))
    assert answer.expression is not None
    assert answer.expression.accuracy.value is None
    assert answer.expression.accuracy_of_all.value == 0
    assert plot(answer)[:4] == b"\x89PNG"


def test_a_run_is_evaluated_against_its_own_scores_without_error(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "fake.scores"
    run(pictures, out, "fake")
    rows = open_scores(out).read()
    table = labels(
        tmp_path,
        image=[Path(i).name for i in rows["image"]],
        au12=rows["au12"],
        expression=rows["expression"],
    )
    answer = evaluate(out, table)
    assert answer.intensities[0].mse.value == 0
    assert answer.expression is not None
    assert answer.expression.accuracy.value == 1
    assert answer.inputs.scorers["fake"].fingerprint == open_scores(out).manifest.scorers["fake"].fingerprint


def test_only_panels_with_data_are_drawn(tmp_path: Path) -> None:
    from io import BytesIO

    from PIL import Image

    names = files(10)
    made = write_set(tmp_path / "a.scores", names, scores(10))
    truth = scores(10, seed=4)
    heights = []
    for columns in (("expression",), ("au12", "au06_p"), ("expression", "au12", "au06_p")):
        answer = evaluate(made, labels(tmp_path, image=names, **{c: truth[c] for c in columns}))
        heights.append(Image.open(BytesIO(plot(answer))).height)
    assert heights[0] == heights[1] < heights[2]
    assert plot(answer, "svg").startswith(b"<?xml")
    assert plot(answer, "pdf").startswith(b"%PDF")
