"""Which row of which table a picture has, and what is said of a table that cannot be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pictures import noise
from runs import names, rows, run

from curate import InputError
from curate.metadata_table import MetadataTable


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Pictures of one name in a folder and in two folders in it."""
    root = tmp_path / "root"
    for number, folder in enumerate((root, root / "a", root / "b")):
        folder.mkdir()
        noise(folder / "0001.png", 50 + number)
    return root


def prompts(out: Path, root: Path) -> dict[str, str | None]:
    table = rows(out)
    return {str(Path(i).relative_to(root)): p for i, p in table.select("image", "prompt").iter_rows()}


def errors(out: Path) -> dict[str, str | None]:
    table = rows(out)
    return {Path(i).name: e for i, e in table.select("image", "metadata_error").iter_rows()}


def test_a_table_in_a_folder_speaks_for_what_lies_under_it(folders: Path, tmp_path: Path) -> None:
    for name in "ab":
        (folders / name / "metadata.csv").write_text(f"file_name,prompt\n0001.png,of {name}\n")
    run(folders, tmp_path / "out", "generation")
    found = prompts(tmp_path / "out", folders)
    assert found == {"0001.png": None, "a/0001.png": "of a", "b/0001.png": "of b"}


def test_a_bare_name_in_the_outermost_table_is_a_picture_beside_it(folders: Path, tmp_path: Path) -> None:
    (folders / "metadata.csv").write_text("file_name,prompt\n0001.png,outermost\n")
    run(folders, tmp_path / "out", "generation")
    found = prompts(tmp_path / "out", folders)
    assert found == {"0001.png": "outermost", "a/0001.png": None, "b/0001.png": None}


def test_the_nearest_table_wins_and_takes_nothing_from_the_next(folders: Path, tmp_path: Path) -> None:
    table = "file_name,prompt,seed\na/0001.png,from above,1\nb/0001.png,from above,2\n"
    (folders / "metadata.csv").write_text(table)
    (folders / "a" / "metadata.jsonl").write_text('{"file_name": "0001.png", "prompt": "nearest"}\n')
    run(folders, tmp_path / "out", "generation")
    found = rows(tmp_path / "out").sort("image").select("prompt", "seed").rows()
    assert found == [(None, None), ("nearest", None), ("from above", 2)]


def test_contents_in_a_folders_table_are_those_of_its_pictures(folders: Path, tmp_path: Path) -> None:
    run(folders, tmp_path / "first")
    contents = rows(tmp_path / "first")["sha256"].to_list()
    lines = [f"{content},{number}" for number, content in enumerate(contents)]
    (folders / "a" / "metadata.csv").write_text("\n".join(["sha256,prompt", *lines]))
    run(folders, tmp_path / "out", "generation")
    assert rows(tmp_path / "out")["prompt"].null_count() == 2


def test_what_is_wrong_with_a_folders_table_is_said_of_its_pictures(folders: Path, tmp_path: Path) -> None:
    (folders / "a" / "metadata.csv").write_text("x,y\n1,2\n")
    run(folders, tmp_path / "out", "generation")
    said = rows(tmp_path / "out").filter(pl.col("metadata_error").is_not_null())
    assert [Path(image).parent.name for image in said["image"]] == ["a"]


def test_a_table_that_moves_to_another_folder_is_read_again(folders: Path, tmp_path: Path) -> None:
    (folders / "a" / "metadata.csv").write_text("file_name,prompt\n0001.png,moves\n")
    run(folders, tmp_path / "out", "generation")
    (folders / "a" / "metadata.csv").rename(folders / "b" / "metadata.csv")
    run(folders, tmp_path / "out", "generation")
    assert prompts(tmp_path / "out", folders) == {"0001.png": None, "a/0001.png": None, "b/0001.png": "moves"}


def test_a_bare_name_in_a_named_table_counts_if_no_other_row_has_it(folders: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("file_name,prompt\n0001.png,bare\n")
    run(folders, tmp_path / "out", "generation", metadata=table)
    assert set(prompts(tmp_path / "out", folders).values()) == {"bare"}
    table.write_text("file_name,prompt\n0001.png,bare\na/0001.png,of a\n")
    run(folders, tmp_path / "out", "generation", metadata=table)
    found = prompts(tmp_path / "out", folders)
    assert found == {"0001.png": "bare", "a/0001.png": "of a", "b/0001.png": None}


def test_a_named_table_that_says_nothing_of_the_pictures_is_a_warning(pictures: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("name,prompt\nnope1.png,x\nnope2.png,y\n")
    summary = run(pictures, tmp_path / "out", "generation", metadata=table)
    (warning,) = summary.warnings
    assert (
        warning == f"{table} names 2 pictures; none of the 6 in the set is among them: its first is nope1.png"
    )
    # The set remembers the table, so it says it again, though nothing is scored.
    assert run(pictures, tmp_path / "out", "generation").warnings == summary.warnings
    table.write_text("name,prompt\nnope1.png,x\n0.png,y\n1.png,z\n")
    (warning,) = run(pictures, tmp_path / "out", "generation").warnings
    assert warning == f"{table} names 3 pictures; 2 of the 6 in the set are among them"
    table.write_text("name,prompt\n" + "\n".join(f"{i}.png,x" for i in range(9)))
    assert run(pictures, tmp_path / "out", "generation").warnings == ()


def test_a_table_by_content_is_compared_with_the_set_and_capitals_do_not_matter(
    pictures: Path, tmp_path: Path
) -> None:
    run(pictures, tmp_path / "first")
    contents = rows(tmp_path / "first")["sha256"].to_list()
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["sha256,prompt", *(f"{content.upper()},x" for content in contents)]))
    assert run(pictures, tmp_path / "out", "generation", metadata=table).warnings == ()
    assert rows(tmp_path / "out")["prompt"].to_list() == ["x"] * 6
    table.write_text(f"sha256,prompt\n{'0' * 64},x\n")
    (warning,) = run(pictures, tmp_path / "out", "generation").warnings
    assert "none of the 6" in warning


def test_two_rows_for_a_picture(pictures: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("name,prompt\n0.png,x\n1.png,y\n./0.png,z\n")
    with pytest.raises(InputError, match=r"two rows for \./0\.png: rows 1 and 3"):
        run(pictures, tmp_path / "out", "generation", metadata=table)
    (pictures / "metadata.csv").write_text(table.read_text())
    run(pictures, tmp_path / "out", "generation")
    assert rows(tmp_path / "out")["prompt"].to_list() == [None, "y", None, None, None, None]
    said = errors(tmp_path / "out")
    assert "rows 1 and 3" in (said.pop("0.png") or "")
    assert set(said.values()) == {None}


def test_a_caption_is_no_picture(pictures: Path, tmp_path: Path) -> None:
    (pictures / "0.caption").write_text("a man")
    run(pictures, tmp_path / "out", "generation")
    assert len(names(tmp_path / "out")) == 6
    assert rows(tmp_path / "out")["prompt"][0] == "a man"


def test_a_sidecar_that_is_no_text(pictures: Path, tmp_path: Path) -> None:
    (pictures / "0.txt").write_bytes((pictures / "0.png").read_bytes())
    (pictures / "1.txt").write_bytes("привет, злой человек".encode("cp1251"))
    (pictures / "2.txt").write_bytes("a man in a café".encode("latin-1"))
    (pictures / "3.txt").write_bytes("a café".encode("utf-16"))
    run(pictures, tmp_path / "out", "generation")
    found = rows(tmp_path / "out").select("prompt", "metadata_error").rows()
    assert found[0] == (None, "sidecar: 0.txt is not text")
    assert found[1] == (None, "sidecar: 1.txt is not text")
    wrong = "sidecar: 2.txt is not UTF-8: some letters could not be read"
    assert found[2] == ("a man in a caf\ufffd", wrong)
    assert found[3] == ("a café", None)


def test_a_table_in_another_encoding_says_so_of_the_rows_it_spoils(pictures: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes("name,prompt\n0.png,a café\n1.png,a man\n".encode("latin-1"))
    run(pictures, tmp_path / "out", "generation", metadata=table)
    found = rows(tmp_path / "out").select("prompt", "metadata_error").rows()
    wrong = "table: t.csv is not UTF-8: some letters could not be read"
    assert found[:2] == [("a caf\ufffd", wrong), ("a man", None)]
    table.write_text("name,prompt\n0.png,a café\n", encoding="utf-16")
    run(pictures, tmp_path / "out", "generation", metadata=table)
    assert rows(tmp_path / "out")["prompt"][0] == "a café"
    table.write_bytes(b"name,prompt\n0.png,\0\0\n")
    with pytest.raises(InputError, match="it is not text"):
        MetadataTable(table)


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_lists_and_categories(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    frame = pl.DataFrame(
        {"image": ["0.png", "1.png"], "prompt": ["x", "y"], "loras": [["A", "B"], []], "vector": [[1.0], [2.0]]},
        schema_overrides={"image": pl.Categorical, "prompt": pl.Enum(["x", "y"])},
    )  # fmt: skip
    if ending == "parquet":
        frame.write_parquet(path)
    else:
        frame.cast({"image": pl.String, "prompt": pl.String}).write_ndjson(path)
    table = MetadataTable(path)
    first, second = table.find("0.png"), table.find("1.png")
    assert first is not None
    assert second is not None
    assert (first.texts, second.texts) == ({"prompt": "x", "loras": "A,B"}, {"prompt": "y", "loras": ""})


def test_an_array_of_names(pictures: Path, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"file_name": ["0.png"], "lora": [["b.safetensors", "a"]]},
        schema_overrides={"lora": pl.Array(pl.String, 2)},
    )
    frame.write_parquet(tmp_path / "t.parquet")
    run(pictures, tmp_path / "out", "generation", metadata=tmp_path / "t.parquet")
    assert rows(tmp_path / "out")["lora"][0] == "a,b"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", "file_name;prompt\n0.png;a man, angry\n", r"separated by semicolons \(;\)"),
        ("t.csv", "file_name\tprompt\n0.png\tx\n", "separated by tabs"),
        ("t.tsv", "file_name,prompt\n0.png,x\n", "separated by commas"),
    ],
)
def test_a_table_with_another_separator(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=words):
        MetadataTable(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.jsonl", '{"file_name": "0.png", "prompt": "x"}\n'), ("t.csv", "file_name,prompt\n0.png,x\n")],
)
def test_a_byte_order_mark_is_no_part_of_a_table(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8-sig")
    found: Any = MetadataTable(tmp_path / name).find("0.png")
    assert found.texts == {"prompt": "x"}


def test_a_remembered_table_that_is_gone_can_be_done_without(pictures: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("name,prompt\n0.png,x\n")
    run(pictures, tmp_path / "out", "generation", metadata=table)
    table.unlink()
    with pytest.raises(InputError, match="no such file") as raised:
        run(pictures, tmp_path / "out", "generation")
    assert "--metadata none" in raised.value.hint
    run(pictures, tmp_path / "out", "generation", metadata="none")
