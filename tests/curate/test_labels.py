from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pytest

from curate.errors import InputError
from curate.labels import read_labels
from curate.scorers.columns import EXPRESSIONS


def written(folder: Path, text: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_names_of_expressions_are_understood_in_any_case(tmp_path: Path) -> None:
    words = [
        "Happy",
        "joy",
        "SAD",
        "angry",
        "surprised",
        "Disgusted",
        "fearful",
        "happiness",
        "neutral",
        "contempt",
    ]
    rows = "".join(f"{i}.png,{word} \n" for i, word in enumerate(words))
    table = read_labels(written(tmp_path, f"image,Expression\n{rows}x.png,\n")).table
    assert table["expression"].to_list() == [
        "happiness", "happiness", "sadness", "anger", "surprise", "disgust", "fear", "happiness", "neutral",
        "contempt", None,
    ]  # fmt: skip


def test_columns_of_action_units_are_understood_as_people_write_them(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, "image, AU6 ,au12_p,AU 4\na.png,2.5,1,\nb.png,NA,0,5\n"))
    assert labels.columns == ("au06", "au12_p", "au04")
    assert labels.table["au06"].to_list() == [2.5, None]
    assert labels.table["au12_p"].to_list() == [1.0, 0.0]
    assert labels.table["au04"].to_list() == [None, 5.0]


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("image,expression\na,sad\nb,hapy\n", "row 2: there is no expression `hapy`; did you mean", "fear"),
        ("image,au12\na,1\nb,\nc,62.5\n", "row 3: `au12` does not lie between 0 and 5: 62.5", "0 to 5"),
        ("image,au12\na,-1\n", "row 1: `au12` does not lie between 0 and 5: -1", "empty"),
        ("image,au12_p\na,9\n", "row 1: `au12_p` does not lie between 0 and 1: 9", "au12"),
        ("image,au12\na,much\n", "row 1: `au12` is no number: much", "empty"),
        ("picture,au12\na,1\n", "which picture; there are picture, au12", "sha256"),
        ("image,smile\na,1\n", "no column of labels; there are image, smile", "au12"),
        ("image,neutral,happiness\na,1,0\n", "sadness, surprise, fear, disgust, anger, contempt is missing", "zeros"),
        ("image,au6,AU06\na,1,0\n", "two columns are `au06`", "one of them"),
        ("image,au12\n", "no labels in it", ""),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_with_its_row(text: str, said: str, hint: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as error:
        read_labels(path)
    assert said in error.value.message
    assert hint in error.value.hint
    assert error.value.where == str(path)


def test_most_votes_win_and_ties_are_no_label(tmp_path: Path) -> None:
    votes = [[7, 3, 0, 0, 0, 0, 0, 0], [4, 4, 2, 0, 0, 0, 0, 0], [0] * 8, [0, 0, 0, 0, 0, 0, 0, 1]]
    rows = "".join(f"{i}.png,{','.join(map(str, row))}\n" for i, row in enumerate(votes))
    labels = read_labels(written(tmp_path, f"image,{','.join(EXPRESSIONS)}\n{rows}4.png,,,,,,,,\n"))
    assert labels.table["expression"].to_list() == ["neutral", None, None, "contempt", None]
    assert labels.ties == 1


def test_shares_that_differ_by_rounding_are_tied(tmp_path: Path) -> None:
    shares = {name: [0.0] for name in EXPRESSIONS} | {
        "fear": [1 / 3],
        "anger": [0.1 + 0.1 + 0.4 / 3],
        "sadness": [1 / 3],
    }
    pl.DataFrame({"image": ["a"]} | shares).write_parquet(tmp_path / "labels.parquet")
    assert read_labels(tmp_path / "labels.parquet").ties == 1


def test_a_name_goes_before_votes(tmp_path: Path) -> None:
    table = {"image": ["a"], "expression": ["fear"]} | {name: [0.125] for name in EXPRESSIONS}
    pl.DataFrame(table).write_parquet(tmp_path / "labels.parquet")
    labels = read_labels(tmp_path / "labels.parquet")
    assert (labels.table["expression"].to_list(), labels.ties) == (["fear"], 0)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "ndjson", "parquet"])
def test_every_kind_of_table_reads_alike(ending: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"image": ["a.png", "b.png"], "au12": [1.5, None], "expression": ["sad", None]})
    path = tmp_path / f"labels.{ending}"
    if ending == "csv":
        frame.write_csv(path)
    elif ending == "tsv":
        frame.write_csv(path, separator="\t")
    elif ending == "parquet":
        frame.write_parquet(path)
    else:
        frame.write_ndjson(path)
    labels = read_labels(path)
    assert labels.table.rows() == [
        (1, "a.png", None, 1.5, "sadness"),
        (2, "b.png", None, None, None),
    ]
    assert labels.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_data_sets_own_file_is_a_table_of_labels(tmp_path: Path) -> None:
    hashes = [hashlib.sha256(data).hexdigest() for data in (b"one", b"two")]
    bare = pl.DataFrame({"image": [b"one", b"two"], "au12": [1.0, 2.0]})
    struct = bare.with_columns(image=pl.struct(bytes=pl.col("image"), path=pl.lit("a.png")))
    frame = bare.rename({"image": "pixels"}).with_columns(image=pl.lit("a.png"))
    for table in (bare, struct, frame):
        table.write_parquet(tmp_path / "labels.parquet")
        labels = read_labels(tmp_path / "labels.parquet")
        assert labels.key == "sha256"
        assert labels.table["key"].to_list() == hashes


def test_a_split_is_kept_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, "image,split,au12\na,train,99\nb,test,1\nc,test,2\n")
    assert read_labels(path, split="test").table["row"].to_list() == [2, 3]
    with pytest.raises(InputError, match="there is no split `valid`; there are test, train"):
        read_labels(path, split="valid")
    with pytest.raises(InputError, match="no column `split`"):
        read_labels(written(tmp_path, "image,au12\na,1\n"), split="test")


@pytest.mark.parametrize("name", ["gone.csv", "labels.xlsx", "broken.parquet", "empty.csv", "broken.jsonl"])
def test_files_that_cannot_be_read_are_said_on_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name != "gone.csv":
        path.write_text("" if name == "empty.csv" else "{nothing", encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_labels(path)
    assert "\n" not in str(error.value)
