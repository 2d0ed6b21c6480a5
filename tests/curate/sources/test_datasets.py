"""Datasets: every form in which `datasets` keeps pictures, with the bytes handed on as they are."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from curate.errors import InputError
from curate.scorers.decode import decode
from curate.sources import Source, open_source


@pytest.fixture(autouse=True)
def _own_datasets_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))


def picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(out, "PNG")
    return out.getvalue()


def made(count: int, first: int = 0) -> Any:
    """A dataset of pictures in bytes, with the type Image."""
    rows = {
        "image": [{"bytes": picture(first + n), "path": None} for n in range(count)],
        "label": [*range(count)],
    }
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    return datasets.Dataset.from_dict(rows, features=features)


def reds(source: Source) -> list[int]:
    """The red of every picture, which is its number."""
    return [int(decode(item.read()).pixels[0, 0, 0]) for item in source]


def test_a_saved_dataset_hands_on_its_bytes(tmp_path: Path) -> None:
    made(3).save_to_disk(tmp_path / "set")
    source = open_source(str(tmp_path / "set"))
    assert (source.name, source.kind, source.count, source.location) == (
        "set",
        "dataset",
        3,
        str(tmp_path / "set"),
    )
    assert [item.image for item in source] == [f"{tmp_path}/set#train/{row}" for row in range(3)]
    assert [item.read() for item in source] == [picture(row) for row in range(3)]
    assert all(item.path is None and item.data is None for item in source)
    assert list(source) == list(open_source(str(tmp_path / "set")))
    assert pickle.loads(pickle.dumps(next(iter(source)))).read() == picture(0)  # noqa: S301


def test_all_splits_are_read_unless_one_is_asked_for(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": made(3), "test": made(2, first=50)}).save_to_disk(tmp_path / "set")
    both = open_source(str(tmp_path / "set"))
    assert reds(both) == [0, 1, 2, 50, 51]
    assert [item.image.rpartition("#")[2] for item in both] == [
        "train/0",
        "train/1",
        "train/2",
        "test/0",
        "test/1",
    ]
    test = open_source(str(tmp_path / "set"), split="test")
    assert reds(test) == [50, 51]
    assert (test.count, test.name) == (2, "set-test")
    assert next(iter(test)).image == f"{tmp_path}/set#test/0"
    with pytest.raises(InputError, match=r"no split `valid`; there are train, test") as caught:
        open_source(str(tmp_path / "set"), split="valid")
    assert caught.value.hint == "--split train"


def test_a_folder_of_shards_is_streamed_with_its_splits(tmp_path: Path) -> None:
    folder = tmp_path / "faces of #1/data"
    folder.mkdir(parents=True)
    made(3).to_parquet(folder / "train-00000-of-00002.parquet")
    made(2, first=3).to_parquet(folder / "train-00001-of-00002.parquet")
    made(1, first=90).to_parquet(folder / "test-00000-of-00001.parquet")
    (folder.parent / "README.md").write_text("# faces\n")
    source = open_source(str(folder.parent))
    assert (source.kind, source.count, source.name) == ("dataset", 6, "faces-of-1")
    assert reds(source) == [0, 1, 2, 3, 4, 90]
    assert [item.image.rpartition("#")[2] for item in source][3:] == ["train/3", "train/4", "test/0"]
    assert open_source(str(folder.parent), split="test", limit=5).count == 1
    assert reds(open_source(str(folder.parent), split="train", limit=2)) == [0, 1]


@pytest.mark.parametrize("name", ["[a] 100%.parquet", "#1 *?.parquet", "faces.parquet"])
def test_one_parquet_file_is_a_dataset(tmp_path: Path, name: str) -> None:
    made(3).to_parquet(tmp_path / name)
    source = open_source(str(tmp_path / name))
    assert (source.kind, source.count) == ("dataset", 3)
    assert reds(source) == [0, 1, 2]
    assert [item.image for item in source] == [f"{tmp_path / name}#train/{row}" for row in range(3)]


def test_a_folder_with_brackets_in_its_name_opens(tmp_path: Path) -> None:
    folder = tmp_path / "[faces]"
    folder.mkdir()
    made(3).to_parquet(folder / "a.parquet")
    assert reds(open_source(str(folder))) == [0, 1, 2]


def test_several_shards_are_one_dataset_by_name_or_by_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for shard in range(3):
        made(2, first=2 * shard).to_parquet(folder / f"{shard}.parquet")
    named = open_source([str(folder / f"{shard}.parquet") for shard in range(3)])
    assert reds(named) == [0, 1, 2, 3, 4, 5]
    assert (named.name, named.count) == ("shards", 6)
    assert list(open_source(str(folder / "*.parquet"))) == list(named)


def test_pictures_beside_tables_make_a_folder(tmp_path: Path) -> None:
    made(1).to_parquet(tmp_path / "labels.parquet")
    (tmp_path / "1.png").write_bytes(picture(1))
    source = open_source(str(tmp_path))
    assert (source.kind, source.count) == ("folder", 1)


@pytest.mark.parametrize(("name", "rows"), [("ferplus", 32_502), ("diffusionfer", 659)])
def test_raw_bytes_of_the_shared_tables_are_pictures(shared: Path, name: str, rows: int) -> None:
    path = shared / "data" / f"{name}.parquet"
    source = open_source(str(path), limit=5)
    inputs = list(source)
    assert (source.count, len(inputs), source.name) == (5, 5, name)
    assert open_source(str(path)).count == rows
    stored = next(pq.ParquetFile(path).iter_batches(5, columns=["image"])).column(0).to_pylist()
    assert [item.read() for item in inputs] == stored
    assert [decode(item.read()).width for item in inputs] == [48 if name == "ferplus" else 224] * 5


def test_rows_that_point_to_files_keep_the_path_and_missing_ones_fail_alone(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture(7))
    column = pa.array(
        [
            {"bytes": None, "path": str(tmp_path / "1.png")},
            None,
            {"bytes": None, "path": None},
            {"bytes": None, "path": str(tmp_path / "gone.png")},
            {"bytes": picture(8), "path": "elsewhere.png"},
            {"bytes": b"", "path": None},
        ],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    pq.write_table(pa.table({"image": column}), tmp_path / "t.parquet")
    inputs = list(open_source(str(tmp_path / "t.parquet")))
    assert len(inputs) == 6
    assert decode(inputs[0].read()).pixels[0, 0, 0] == 7
    assert decode(inputs[4].read()).pixels[0, 0, 0] == 8
    for row, words in [(1, "holds no picture"), (2, "holds no picture"), (3, "no such file")]:
        with pytest.raises(InputError, match=words):
            inputs[row].read()
    with pytest.raises(InputError, match="empty"):
        decode(inputs[5].read())


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"photo": pa.binary()}, "photo"),
        ({"mask": pa.binary(), "image": pa.large_binary()}, "image"),
        ({"png": pa.binary(), "img": pa.binary()}, "img"),
        ({"jpg": pa.binary(), "image": pa.string()}, "jpg"),
    ],
)
def test_the_picture_column_is_found(tmp_path: Path, columns: dict[str, pa.DataType], chosen: str) -> None:
    values = {name: [picture(9) if name == chosen else b"no"] for name in columns}
    table = pa.table(
        {name: pa.array(values[name], kind) for name, kind in columns.items()} | {"id": pa.array([1])}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert reds(open_source(str(tmp_path / "t.parquet"))) == [9]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"left": pa.binary(), "right": pa.binary(), "id": pa.string()}, "left, right (of left, right, id)"),
        ({"prompt": pa.string(), "id": pa.string()}, "no column holds pictures; there are prompt, id"),
    ],
)
def test_a_column_that_cannot_be_told_is_an_error_with_all_names(
    tmp_path: Path, columns: dict[str, pa.DataType], words: str
) -> None:
    table = pa.table(
        {name: pa.array([b"x" if kind == pa.binary() else "x"], kind) for name, kind in columns.items()}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(InputError) as caught:
        open_source(str(tmp_path / "t.parquet"))
    assert words in caught.value.message
    assert caught.value.where == str(tmp_path / "t.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\x00" * 100 + b"PAR1"])
def test_a_damaged_table_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(InputError):
        list(open_source(str(tmp_path / "t.parquet")))


def test_a_damaged_saved_dataset_is_an_input_error(tmp_path: Path) -> None:
    made(3).save_to_disk(tmp_path / "set")
    for file in (tmp_path / "set").glob("*.arrow"):
        file.write_bytes(b"no")
    with pytest.raises(InputError):
        list(open_source(str(tmp_path / "set")))


@pytest.mark.parametrize("name", ["someone/faces", "hf://datasets/someone/faces", "someone/faces:small"])
def test_offline_the_hub_is_named_and_nothing_reaches_the_network(name: str) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*args): raise SystemExit('the network was tried')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from curate.errors import InputError\n"
        "from curate.sources import open_source\n"
        "try: open_source(sys.argv[1], split='train')\n"
        "except InputError as error: print(error, '|', error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, check=True)
    assert "someone/faces" in done.stdout
    assert "HF_HUB_OFFLINE is set" in done.stdout


def test_local_parquet_reaches_no_network_even_when_online(tmp_path: Path) -> None:
    made(3).to_parquet(tmp_path / "t.parquet")
    code = (
        "import socket, sys\n"
        "def refuse(*args): raise SystemExit('the network was tried')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from curate.sources import open_source\n"
        "print(len(list(open_source(sys.argv[1]))))\n"
    )
    online = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    online["USE_TORCH"] = "0"  # `datasets` would import it, for two seconds a time
    for path in (tmp_path / "t.parquet", tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, env=online
        )
        assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_sources_do_not_import_datasets_until_one_is_opened() -> None:
    code = "import sys, curate.sources; print({'datasets', 'pyarrow', 'numpy', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
