from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
from scoresets import certain, scores, write_set

from curate.comparison import compare
from curate.errors import InputError
from curate.scorers.columns import EXPRESSIONS

NAMES = [f"{i}.png" for i in range(30)]


def test_every_column_that_both_fill_is_compared_face_by_face(tmp_path: Path) -> None:
    one, two = scores(30, seed=1), scores(30, seed=2)
    del two["au26"]
    a = write_set(tmp_path / "a.scores", NAMES, one, scorer="ours")
    shuffled = [names[::-1] for names in (NAMES, *two.values())]
    b = write_set(
        tmp_path / "b.scores",
        shuffled[0],
        dict(zip(two, shuffled[1:], strict=True)),
        scorer="theirs",
        source="/moved",
    )
    answer, ranked = compare("ours", "theirs", [a, b])
    assert (answer.faces, answer.only) == (30, (0, 0))
    told = {c.column: c for c in answer.columns}
    assert "au26" not in told
    assert "expression" not in told
    x, y = np.float32(one["au12"]), np.float32(two["au12"])
    assert told["au12"].correlation == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-6)
    assert told["au12"].mean_difference == pytest.approx(float((x - y).mean()), abs=1e-6)
    assert told["au12"].mean_absolute_difference == pytest.approx(float(np.abs(x - y).mean()), abs=1e-6)
    assert answer.expression is not None
    kappa = sklearn.metrics.cohen_kappa_score(one["expression"], two["expression"])
    assert answer.expression.kappa == pytest.approx(kappa)
    row, column = EXPRESSIONS.index(one["expression"][0]), EXPRESSIONS.index(two["expression"][0])
    assert answer.expression.table[row][column] >= 1
    assert ranked["disagreement"].is_sorted(descending=True)
    assert ranked["image"][0].startswith("/pictures/")
    swapped, _ = compare("theirs", "ours", [a, b])
    assert swapped.columns[0].mean_difference == pytest.approx(-(answer.columns[0].mean_difference or 0))


def test_the_picture_they_disagree_on_most_comes_first(tmp_path: Path) -> None:
    columns = scores(30)
    other = {name: list(values) for name, values in columns.items()}
    other["au12"][7] = 5.0 if columns["au12"][7] < 2.5 else 0.0
    a = write_set(tmp_path / "a.scores", NAMES, columns, scorer="ours")
    b = write_set(tmp_path / "b.scores", NAMES, other, scorer="theirs")
    answer, ranked = compare("ours", "theirs", [a, b])
    assert ranked["image"][0] == "/pictures/7.png"
    # One of twelve intensities; presences and expression are alike.
    apart = abs(other["au12"][7] - columns["au12"][7]) / 5 / 12 / 3
    assert ranked["disagreement"].to_list() == pytest.approx([apart] + [0.0] * 29, abs=1e-6)
    assert answer.expression is not None
    assert (answer.expression.agreement, answer.expression.kappa) == (1, 1)


def test_disagreement_on_the_expression_is_the_share_of_probability_that_moved(tmp_path: Path) -> None:
    a = write_set(tmp_path / "a.scores", ["a", "b"], certain(["fear", "fear"]), scorer="ours")
    b = write_set(tmp_path / "b.scores", ["a", "b"], certain(["anger", "fear"]), scorer="theirs")
    answer, ranked = compare("ours", "theirs", [a, b])
    assert ranked["disagreement"].to_list() == pytest.approx([0.9 - 0.1 / 7, 0.0], abs=1e-6)
    assert answer.expression is not None
    assert answer.expression.table[EXPRESSIONS.index("fear")][EXPRESSIONS.index("anger")] == 1


def test_several_sets_of_a_scorer_are_put_together_and_lonely_faces_are_counted(tmp_path: Path) -> None:
    columns = scores(30)

    def part(low: int, high: int) -> dict[str, list[float]]:
        return {"au12": columns["au12"][low:high]}

    sets = [
        write_set(tmp_path / "a1.scores", NAMES[:10], part(0, 10), scorer="ours"),
        write_set(tmp_path / "a2.scores", NAMES[5:20], part(5, 20), scorer="ours"),
        write_set(
            tmp_path / "b.scores", NAMES[15:], part(15, 30), scorer="theirs", status={NAMES[16]: "no_face"}
        ),
    ]
    answer, _ = compare("ours", "theirs", sets)
    assert (answer.faces, answer.only) == (4, (16, 10))
    assert answer.columns[0].mean_absolute_difference == 0
    assert answer.expression is None


def test_scorers_that_share_no_known_column_are_compared_all_the_same(tmp_path: Path) -> None:
    a = write_set(tmp_path / "a.scores", NAMES[:3], {"wide": [1.0, 2.0, 3.0]}, scorer="ours")
    b = write_set(tmp_path / "b.scores", NAMES[:3], {"wide": [1.0, 9.0, 4.0]}, scorer="theirs")
    _, ranked = compare("ours", "theirs", [a, b])
    assert ranked["image"].to_list() == [f"/pictures/{name}" for name in ("1.png", "2.png", "0.png")]


def test_what_cannot_be_compared_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    a = write_set(tmp_path / "a.scores", NAMES[:3], {"au12": [1.0, 2.0, 3.0]}, scorer="ours")
    b = write_set(tmp_path / "b.scores", NAMES[:3], {"au01": [1.0, 9.0, 4.0]}, scorer="theirs")
    c = write_set(tmp_path / "c.scores", NAMES[5:8], {"au12": [1.0, 9.0, 4.0]}, scorer="others")
    for first, second, sets, said in (
        ("ours", "their", [a, b], "did you mean `theirs`?"),
        ("ours", "theirs", [a], "no such scorer in these sets"),
        ("ours", "theirs", [a, b], "fill no common column"),
        ("ours", "others", [a, c], "have no face in common"),
        ("ours", "ours", [a, b], "agrees with itself"),
    ):
        with pytest.raises(InputError) as error:
            compare(first, second, sets)
        assert said in error.value.message
        assert error.value.hint


def test_two_versions_of_a_scorer_are_not_mixed(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_set(
            tmp_path / name, NAMES[:2], {"au12": [1.0, 2.0]}, scorer="theirs" if name == "c" else "ours"
        )
    manifest = tmp_path / "b" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("f" * 16, "e" * 16))
    with pytest.raises(InputError, match="different versions"):
        compare("ours", "theirs", [tmp_path / name for name in ("a", "b", "c")])
