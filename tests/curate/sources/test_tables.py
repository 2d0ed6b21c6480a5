"""Cells of tables as references, and tables that name pictures."""

from __future__ import annotations

import io
import pickle
import threading
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from curate.errors import InputError
from curate.sources import cells, open_source
from curate.sources.cells import read_cell

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, number // 256, 0)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """300 rows in groups of 100, as structs."""
    path = tmp_path / "t.parquet"
    rows = pa.array([{"bytes": picture(i), "path": f"{i}.png"} for i in range(300)], STRUCT)
    pq.write_table(
        pa.table({"image": rows, "prompt": [f"face {i}" for i in range(300)]}), path, row_group_size=100
    )
    return path


def test_consecutive_rows_cost_one_pass_and_few_batches_of_memory(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[int] = []
    enter = cells._Parquet._enter
    monkeypatch.setattr(
        cells._Parquet, "_enter", lambda self, group: (entered.append(group), enter(self, group))[1]
    )
    assert [read_cell(str(table), i, "image") for i in range(300)] == [picture(i) for i in range(300)]
    assert entered == [0, 1, 2]
    (reader,) = (r for key, r in cells._readers.items() if str(table) in key)
    assert isinstance(reader, cells._Parquet)
    assert sum(len(batch) for _, batch in reader._held) <= 32


def test_rows_in_any_order_and_from_several_threads_are_right(table: Path) -> None:
    order = np.random.default_rng(1).integers(0, 300, 60).tolist()
    assert [read_cell(str(table), i, "image") for i in order] == [picture(i) for i in order]
    found: dict[int, bytes | None] = {}

    def some(numbers: range) -> None:
        for i in numbers:
            found[i] = read_cell(str(table), i, "image")

    threads = [threading.Thread(target=some, args=(range(k, 300, 4),)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: picture(i) for i in range(300)}


def test_a_table_that_is_written_anew_is_read_anew(table: Path) -> None:
    (first, *_) = open_source(str(table))
    assert first.read() == picture(0)
    pq.write_table(pa.table({"image": pa.array([{"bytes": b"new", "path": None}], STRUCT)}), table)
    assert first.read() == b"new"
    table.write_bytes(b"PAR1" * 9)
    with pytest.raises(InputError, match="the table cannot be read"):
        first.read()
    table.unlink()
    with pytest.raises(InputError, match="no such file"):
        first.read()


def test_rows_and_columns_that_are_gone_are_said(table: Path) -> None:
    with pytest.raises(InputError, match="no such row"):
        read_cell(str(table), 300, "image")
    with pytest.raises(InputError, match="no column photo"):
        read_cell(str(table), 0, "photo")


def test_a_source_reads_no_pixels_and_its_inputs_are_small(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    batches = pq.ParquetFile.iter_batches

    def watched(self: pq.ParquetFile, *args: object, columns: list[str], **options: object) -> object:
        asked.append(columns)
        return batches(self, *args, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", watched)
    inputs = list(open_source(str(table)))
    assert asked == [["prompt"]] * 3
    assert inputs[7].said[0].texts == {"prompt": "face 7"}
    assert len(pickle.dumps(inputs)) < (100 + len(str(table))) * len(inputs)


def test_a_group_with_pictures_inside_and_outside_has_both(tmp_path: Path) -> None:
    (tmp_path / "out.png").write_bytes(picture(5))
    outside = {"bytes": None, "path": str(tmp_path / "out.png")}
    for rows in ([outside] * 3, [outside, {"bytes": picture(1), "path": "x"}, None]):
        for statistics in (True, False):
            path = tmp_path / "t.parquet"
            pq.write_table(pa.table({"image": pa.array(rows, STRUCT)}), path, write_statistics=statistics)
            inputs = list(open_source(str(path)))
            assert inputs[0].path == str(tmp_path / "out.png")
            assert inputs[0].read() == picture(5)
            if rows[2] is None:
                assert inputs[1].read() == picture(1)
                with pytest.raises(InputError, match="holds no picture"):
                    inputs[2].read()


def test_saved_datasets_are_mapped_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "out.png").write_bytes(picture(5))
    rows = [{"bytes": picture(i), "path": None} for i in range(50)]
    rows.append({"bytes": None, "path": str(tmp_path / "out.png")})
    features = datasets.Features({"image": datasets.Image(), "prompt": datasets.Value("string")})
    made = datasets.Dataset.from_dict(
        {"image": rows, "prompt": [f"face {i}" for i in range(51)]}, features=features
    )
    made.save_to_disk(str(tmp_path / "set"), num_shards=3)
    inputs = list(open_source(str(tmp_path / "set")))
    assert [item.read() for item in inputs] == [*(picture(i) for i in range(50)), picture(5)]
    assert [item.image for item in inputs] == [f"{tmp_path}/set#train/{i}" for i in range(51)]
    assert inputs[33].said[0].texts == {"prompt": "face 33"}
    assert len(pickle.dumps(inputs)) < 250 * len(inputs)


def test_tables_without_rows_are_said_and_an_empty_shard_among_others_is_not(tmp_path: Path) -> None:
    for kind in (STRUCT, pa.string()):
        pq.write_table(pa.table({"image": pa.array([], kind)}), tmp_path / "empty.parquet")
        with pytest.raises(InputError, match="no rows") as error:
            open_source(str(tmp_path / "empty.parquet"))
        assert error.value.hint
    none = datasets.Dataset.from_dict({"image": []}, datasets.Features({"image": datasets.Value("binary")}))
    none.save_to_disk(tmp_path / "saved", num_shards=1)
    with pytest.raises(InputError, match="no rows"):
        open_source(str(tmp_path / "saved"))
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"image": pa.array([picture(1)])}), tmp_path / "b.parquet")
    assert len(list(open_source([str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]))) == 1


def test_a_column_of_text_is_a_list_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lists/near.png", "cwd/far.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    monkeypatch.chdir(tmp_path / "cwd")
    paths = [
        "near.png",
        "far.png",
        None,
        "https://host/x.png?sig=secret",
        str(tmp_path / "lists/near.png"),
        " ",
    ]
    columns = {
        "id": range(6),
        "file_name": paths,
        "prompt": [f"face {i}" for i in range(6)],
        "url": ["no"] * 6,
    }
    path = tmp_path / "lists/best.parquet"
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), path)
    source = open_source(str(path))
    assert (source.kind, source.name, source.count) == ("list", "best", 6)
    inputs = list(source)
    assert [item.image for item in inputs] == [
        str(tmp_path / "lists/near.png"),
        str(tmp_path / "cwd/far.png"),
        f"{path}#train/2",
        "https://host/x.png",
        f"{path}#train/5",
    ]
    assert [item.read() for item in inputs[:2]] == [b"lists/near.png", b"cwd/far.png"]
    assert [item.said[0].texts["prompt"] for item in inputs] == [f"face {i}" for i in (0, 1, 2, 3, 5)]
    with pytest.raises(InputError, match="holds no picture"):
        inputs[2].read()
    assert "secret" not in repr(inputs)
    with pytest.raises(InputError, match="only datasets have splits"):
        open_source(str(path), split="train")
