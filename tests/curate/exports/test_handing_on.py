"""What every format of pictures promises: of rows of datasets, of the example faces, of files that stay as they are."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image

from curate import Summary, open_scores, score
from curate.errors import ExportError
from curate.exports.export import export

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "faces"
PICTURES = ("coco", "kohya")
COLUMNS = ("csv", "jsonl", "parquet", "au")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six of the example faces as a dataset on the disk, and their set."""
    folder = tmp_path_factory.mktemp("saved")
    rows = {"image": [str(path) for path in sorted(EXAMPLES.iterdir())[:6]]}
    features = datasets.Features({"image": datasets.Image()})
    whole = datasets.Dataset.from_dict(rows, features=features)
    whole.map(lambda row: row).save_to_disk(str(folder / "set"))
    scored(str(folder / "set"), folder / "a.scores")
    return folder / "a.scores"


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example faces, scored."""
    folder = tmp_path_factory.mktemp("examples") / "a.scores"
    scored(str(EXAMPLES), folder)
    return folder


def scored(source: str, out: Path) -> Summary:
    return score(source, out, workers=1)


def files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("curate-export")]


@pytest.mark.parametrize("to", PICTURES)
def test_rows_of_a_dataset_become_files(saved: Path, tmp_path: Path, to: str) -> None:
    done = export(saved, tmp_path / "out", to=to)
    assert (done.pictures, done.complete) == (6, True)
    wanted = set(open_scores(saved).read()["sha256"])
    pictures = [path for path in files(tmp_path / "out") if path.suffix in (".png", ".jpg")]
    assert {hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures} == wanted


@pytest.mark.parametrize(("to", "mode"), [("coco", "reference"), ("coco", "symlink"), ("kohya", "hardlink")])
def test_rows_of_a_dataset_cannot_be_linked_or_named(saved: Path, tmp_path: Path, to: str, mode: str) -> None:
    with pytest.raises(ExportError, match="no file of its own here") as error:
        export(saved, tmp_path / "out", to=to, mode=mode)
    assert error.value.hint == "--mode copy"


@pytest.mark.parametrize("to", COLUMNS)
def test_rows_of_a_dataset_are_rows_of_a_table(saved: Path, tmp_path: Path, to: str) -> None:
    assert export(saved, tmp_path / "out", to=to).rows == 6


@pytest.mark.parametrize("to", PICTURES)
def test_what_is_exported_can_be_scored_again(examples: Path, tmp_path: Path, to: str) -> None:
    export(examples, tmp_path / "out", to=to, mode="hardlink")
    folder = next(path.parent for path in files(tmp_path / "out") if path.suffix == ".png")
    scored(str(folder), tmp_path / "again.scores")
    before = open_scores(examples).read().sort("sha256")
    again = open_scores(tmp_path / "again.scores").read().sort("sha256")
    assert again["sha256"].to_list() == before["sha256"].to_list()
    assert again["expression"].to_list() == before["expression"].to_list()
    prompts = [*zip(before["prompt"], again["prompt"], strict=True)]
    assert all(was == now for was, now in prompts if was is not None)
    if to == "coco":
        assert all(now is None for was, now in prompts if was is None)


@pytest.mark.parametrize("to", [*PICTURES, *COLUMNS])
def test_a_dry_run_writes_nothing_and_an_export_is_not_overwritten_unasked(
    examples: Path, tmp_path: Path, to: str
) -> None:
    foreseen = export(examples, tmp_path / "out", to=to, dry_run=True)
    assert not (tmp_path / "out").exists()
    done = export(examples, tmp_path / "out", to=to, where="temperature > 30")
    assert 0 < done.rows < foreseen.rows == 32
    before = {path: path.read_bytes() for path in files(tmp_path / "out")}
    with pytest.raises(ExportError):
        export(examples, tmp_path / "out", to=to)
    assert {path: path.read_bytes() for path in files(tmp_path / "out")} == before
    record = json.loads((tmp_path / "out" / "curate-export.json").read_text("utf-8"))
    assert (record["format"], record["rows"], record["where"]) == (to, done.rows, "temperature > 30")
    assert done.files == len(before)


@pytest.mark.parametrize("to", PICTURES)
def test_a_run_that_was_cut_off_goes_on(examples: Path, tmp_path: Path, to: str) -> None:
    def stop(progress: Any) -> None:
        if progress.done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(examples, tmp_path / "out", to=to, on_progress=stop)
    assert not (tmp_path / "out" / "curate-export.json").exists()
    done = export(examples, tmp_path / "out", to=to)
    assert (done.pictures, done.complete) == (32, True)
    assert len(files(tmp_path / "out")) == done.files


def test_a_picture_in_a_format_that_sd_scripts_does_not_read_is_upright_as_png(tmp_path: Path) -> None:
    from curate.exports.kohya import as_png

    turned = Image.new("RGB", (8, 4), "red")
    turned.paste((0, 0, 255), (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter
    file = io.BytesIO()
    turned.save(file, "TIFF", exif=exif)
    with Image.open(io.BytesIO(as_png(file.getvalue()))) as upright:
        assert (upright.format, upright.size) == ("PNG", (4, 8))
        assert upright.getpixel((0, 0)) == (0, 0, 255)
