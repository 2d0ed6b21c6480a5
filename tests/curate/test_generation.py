"""Prompts in a run: from files, from beside them, from tables and data sets; resumed as well as anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pictures import noise
from PIL import Image, PngImagePlugin
from plugin import Log
from runs import rows, run

from curate import InputError, open_scores, score
from curate.metadata import open_metadata
from curate.metadata_sidecar import MAX_BYTES, read_sidecars
from curate.scorers.columns import GENERATION
from curate.sources.source import file_input

COLUMNS = [column.name for column in GENERATION]
SETTINGS = (
    "Negative prompt: blur\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 5, Model: dream, Version: v1.9"
)


def prompted(path: Path, prompt: str) -> None:
    """Give a picture a prompt in its file."""
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", f"{prompt}\n{SETTINGS}")
    with Image.open(path) as image:
        image.load()
        image.save(path, pnginfo=info)


def told(out: Path) -> dict[str, tuple[Any, ...]]:
    """Prompt, seed, where it was read and what went wrong, by picture."""
    columns = ["prompt", "seed", "metadata", "metadata_error"]
    return {Path(row[0]).name: row[1:] for row in rows(out).select("image", *columns).iter_rows()}


def same(one: Path, other: Path) -> bool:
    a, b = (rows(out).sort("image", "face") for out in (one, other))
    return a.equals(b.select(a.columns))


def test_the_first_that_has_words_wins_file_sidecar_table(pictures: Path, tmp_path: Path) -> None:
    for i in (0, 1):
        prompted(pictures / f"{i}.png", f"file {i}")
    for i in (0, 2):
        (pictures / f"{i}.txt").write_text(f"beside {i}")
    table = "\n".join(["file_name,caption,Seed", *(f"{i}.png,table {i},{70 + i}" for i in range(4))])
    (pictures / "metadata.csv").write_text(table)
    run(pictures, tmp_path / "out", "generation")
    assert told(tmp_path / "out") == {
        "0.png": ("file 0", 5, "file", None),
        "1.png": ("file 1", 5, "file", None),
        "2.png": ("beside 2", 72, "sidecar", None),
        "3.png": ("table 3", 73, "table", None),
        "4.png": (None, None, None, None),
        "5.png": (None, None, None, None),
    }
    # A negative prompt belongs to its prompt.
    assert rows(tmp_path / "out")["negative_prompt"].to_list() == ["blur", "blur", None, None, None, None]


def test_pictures_without_a_face_and_too_small_ones_have_their_prompt(pictures: Path, tmp_path: Path) -> None:
    prompted(pictures / "0.png", "a shore")
    Image.new("RGB", (9, 9)).save(pictures / "1.png")
    prompted(pictures / "1.png", "a stamp")
    (pictures / "2.png").write_bytes(b"no picture")
    run(pictures, tmp_path / "out", "mesh", "generation")
    table = rows(tmp_path / "out")
    assert table["status"].to_list()[:3] == ["no_face", "too_small", "unreadable"]
    assert table["prompt"].to_list()[:3] == ["a shore", "a stamp", None]
    assert table["yaw"].null_count() == table.height


def test_all_faces_of_a_picture_have_its_prompt(shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "two"
    folder.mkdir()
    with Image.open(shared / "libreface" / "oracle" / "inputs" / "two_faces.png") as image:
        image.save(folder / "two.png")
    prompted(folder / "two.png", "two people")
    run(folder, tmp_path / "out", "mesh", "generation", faces="all")
    assert rows(tmp_path / "out").select("face", "prompt").rows() == [(0, "two people"), (1, "two people")]


@pytest.mark.parametrize("scorers", [("width",), ("mesh",)])
def test_an_older_set_gets_its_prompts_and_nothing_is_scored_again(
    pictures: Path, tmp_path: Path, log: Log, scorers: tuple[str, ...]
) -> None:
    for i in range(4):
        prompted(pictures / f"{i}.png", f"file {i}")
    (pictures / "4.txt").write_text("beside")
    (pictures / "9.png").write_bytes(b"no picture")
    run(pictures, tmp_path / "out", *scorers)
    log()
    summary = run(pictures, tmp_path / "out", *scorers, "generation")
    assert log() == []
    assert summary.scored == 6
    run(pictures, tmp_path / "fresh", *scorers, "generation")
    assert same(tmp_path / "out", tmp_path / "fresh")
    assert rows(tmp_path / "out")["prompt"].drop_nulls().len() == 5
    assert run(pictures, tmp_path / "out", *scorers, "generation").kept == 7


def test_prompts_and_another_scorer_may_come_together(pictures: Path, tmp_path: Path) -> None:
    prompted(pictures / "0.png", "a man")
    run(pictures, tmp_path / "out", "mesh")
    run(pictures, tmp_path / "out", "mesh", "quality", "generation")
    run(pictures, tmp_path / "fresh", "mesh", "quality", "generation")
    assert same(tmp_path / "out", tmp_path / "fresh")


def test_a_later_scorer_leaves_prompts_alone(pictures: Path, tmp_path: Path) -> None:
    prompted(pictures / "0.png", "a man")
    run(pictures, tmp_path / "out", "mesh", "generation")
    run(pictures, tmp_path / "out", "mesh", "generation", "quality")
    assert told(tmp_path / "out")["0.png"][0] == "a man"


def test_files_of_one_content_keep_captions_of_their_own(pictures: Path, tmp_path: Path) -> None:
    (pictures / "1.png").write_bytes((pictures / "0.png").read_bytes())
    for i in (0, 1):
        (pictures / f"{i}.txt").write_text(f"caption {i}")
    run(pictures, tmp_path / "out", "generation")
    noise(pictures / "9.png", 50)
    (pictures / "5.png").unlink()
    run(pictures, tmp_path / "out", "generation", "fake")
    found = told(tmp_path / "out")
    assert (found["0.png"][0], found["1.png"][0]) == ("caption 0", "caption 1")


def test_a_named_table_is_remembered_and_a_changed_one_read_again(
    pictures: Path, tmp_path: Path, log: Log
) -> None:
    table = tmp_path / "prompts.csv"
    table.write_text("name,prompt\n0.png,first\n")
    run(pictures, tmp_path / "out", "generation", "width", metadata=table)
    log()
    assert run(pictures, tmp_path / "out", "generation", "width").scored == 0
    table.write_text("name,prompt\n0.png,second\n")
    assert run(pictures, tmp_path / "out", "generation", "width").scored == 6
    assert log() == []
    assert told(tmp_path / "out")["0.png"][0] == "second"
    run(pictures, tmp_path / "out", "generation", "width", metadata="none")
    assert told(tmp_path / "out")["0.png"][0] is None
    assert open_scores(tmp_path / "out").manifest.options["metadata"] == "none"


def test_a_picture_added_to_a_set_finds_the_tables_of_its_folder(pictures: Path, tmp_path: Path) -> None:
    (pictures / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "a man"}\n')
    run(pictures, tmp_path / "out", "generation")
    noise(tmp_path / "extra.png", 70)
    score(str(tmp_path / "extra.png"), tmp_path / "out", scorers=["generation"], workers=1)
    assert told(tmp_path / "out")["0.png"] == ("a man", None, "table", None)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_tables_of_every_kind(pictures: Path, tmp_path: Path, ending: str) -> None:
    frame = pl.DataFrame(
        {"file_name": ["./0.png", "sub\\1.png"], "Prompt": ['a "man", angry', None], "CFG Scale": [7.5, 3.0],
         "loras": ["b.safetensors, a", ""], "steps": [20, 30], "other": ["x", "y"]}
    )  # fmt: skip
    (pictures / "sub").mkdir()
    (pictures / "1.png").rename(pictures / "sub" / "1.png")
    path = tmp_path / f"table.{ending}"
    match ending:
        case "csv" | "tsv":
            frame.write_csv(path, separator="," if ending == "csv" else "\t")
        case "jsonl":
            frame.write_ndjson(path)
        case _:
            frame.write_parquet(path)
    run(pictures, tmp_path / "out", "generation", metadata=path)
    found = (
        rows(tmp_path / "out").filter(pl.col("metadata") == "table").select("prompt", "cfg", "lora", "steps")
    )
    assert found.rows() == [('a "man", angry', 7.5, "a,b", 20), (None, 3.0, None, 30)]


def test_a_table_by_content(pictures: Path, tmp_path: Path) -> None:
    run(pictures, tmp_path / "first")
    contents = rows(tmp_path / "first")["sha256"].to_list()
    table = tmp_path / "t.csv"
    table.write_text(f"sha256,prompt\n{contents[3]},the fourth\n")
    run(pictures, tmp_path / "out", "generation", metadata=table)
    assert told(tmp_path / "out")["3.png"][0] == "the fourth"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"", "cannot be read"), ("t.parquet", b"PAR1", "cannot be read"), ("t.xlsx", b"PK", "not a table"),
        ("t.csv", b"prompt,seed\nx,1\n", "which picture"), ("t.csv", b"file_name,x\na,1\n", "made from"),
        ("none.csv", None, "no such file"), ("t.jsonl", b"{{{", "cannot be read"),
    ],
)  # fmt: skip
def test_a_named_table_that_is_none_is_refused_and_one_that_lies_there_is_an_error_of_the_rows(
    pictures: Path, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        run(pictures, tmp_path / "out", "generation", metadata=path)
    if name.endswith(".xlsx") or content is None:
        return
    (pictures / f"metadata.{name.split('.')[1]}").write_bytes(content)
    run(pictures, tmp_path / "out", "generation")
    assert all(words in error for *_, error in told(tmp_path / "out").values())


def test_metadata_without_its_scorer_is_refused(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("name,prompt\n0.png,x\n")
    with pytest.raises(InputError, match="scorer `generation`"):
        run(pictures, tmp_path / "out", "fake", metadata=tmp_path / "t.csv")


def test_sidecars(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    noise(picture, 50)
    assert read_sidecars(file_input(str(picture))) == ()
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")  # a detector's boxes
    assert read_sidecars(file_input(str(picture))) == ()
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfcaf\xe9")
    (tmp_path / "a.json").write_text(json.dumps({"prompt": "a man", "seed": 3}))
    first, second = read_sidecars(file_input(str(picture)))
    assert (first.texts.keys(), second.texts) == ({"json"}, {"parameters": "caf\ufffd"})
    for name, make, words in (
        ("b", lambda p: p.symlink_to(tmp_path / "a.txt"), "cannot be read"),
        ("c", lambda p: os.mkfifo(p), "not a regular file"),
        ("d", lambda p: p.mkdir(), "not a regular file"),
        ("e", lambda p: p.write_bytes(b"x" * (MAX_BYTES + 1)), "too large"),
    ):
        make(tmp_path / f"{name}.txt")
        (said,) = read_sidecars(file_input(str(tmp_path / f"{name}.png")))
        assert words in said.errors[0]
        assert not said.texts


def test_a_sidecar_holds_a_caption_a1111_text_or_json(pictures: Path, tmp_path: Path) -> None:
    (pictures / "0.txt").write_text(f"a man\n{SETTINGS}")
    (pictures / "1.json").write_text(json.dumps({"Prompt": "a woman", "seed": "8", "model": "x/y.ckpt"}))
    (pictures / "2.png.json").write_text(json.dumps({"prompt": {"1": {"class_type": "X", "inputs": {}}}}))
    (pictures / "3.json").write_text("{nonsense")
    (pictures / "4.json").write_text(json.dumps({"annotations": [1, 2, 3]}))
    run(pictures, tmp_path / "out", "generation")
    found = told(tmp_path / "out")
    assert found["0.png"] == ("a man", 5, "sidecar", None)
    assert found["1.png"] == ("a woman", 8, "sidecar", None)
    assert found["2.png"] == (None, None, None, "sidecar: the graph has no sampler")
    assert "`json` is no JSON" in found["3.png"][3]
    assert found["4.png"] == (None, None, None, None)


def test_the_columns_of_a_data_set(pictures: Path, tmp_path: Path) -> None:
    import datasets

    data = datasets.Dataset.from_dict(
        {"image": [(pictures / f"{i}.png").read_bytes() for i in range(3)], "caption": ["a", None, "c"],
         "seed": [1, 2, -1], "model": [0, 1, 0], "age": [3, 4, 5]}
    )  # fmt: skip
    data = data.cast_column("model", datasets.ClassLabel(names=["sdxl", "flux"]))
    data.save_to_disk(tmp_path / "saved")
    data.to_parquet(tmp_path / "data.parquet")
    for source in (tmp_path / "saved", tmp_path / "data.parquet"):
        run(source, tmp_path / f"{source.stem}.out", "generation")
        found = rows(tmp_path / f"{source.stem}.out").select("prompt", "seed", "model", "metadata").rows()
        assert found == [
            ("a", 1, "sdxl", "dataset"),
            (None, 2, "flux", "dataset"),
            ("c", None, "sdxl", "dataset"),
        ]
    (tmp_path / "t.csv").write_text("image,prompt\ntrain/1,told\n")
    run(tmp_path / "saved", tmp_path / "told", "generation", metadata=tmp_path / "t.csv")
    assert rows(tmp_path / "told")["prompt"].to_list() == ["a", "told", "c"]


def test_tables_in_the_folders_of_splits(pictures: Path) -> None:
    (pictures / "train").mkdir()
    (pictures / "train" / "metadata.csv").write_text("file_name,text\nx.png,hello\n")
    assert [found.name for found in open_metadata(None, pictures).found] == ["train/metadata.csv"]
    assert open_metadata("none", pictures).fingerprint == ""


def test_by_default_prompts_are_read_and_a_plugin_need_not_know_of_pictures(
    pictures: Path, tmp_path: Path
) -> None:
    prompted(pictures / "0.png", "a man")
    summary = score(str(pictures), tmp_path / "out", workers=1)
    assert set(COLUMNS) <= set(rows(tmp_path / "out").columns)
    assert summary.statuses == {"no_face": 6}
    assert told(tmp_path / "out")["0.png"][0] == "a man"
