"""`--to kohya`, read back in the way of sd-scripts' loader, and by `datasets`' image folder."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from backed import write_backed
from oddities import write_odd
from PIL import Image
from typed import curate

from curate.errors import ExportError
from curate.exports.export import export
from curate.exports.kohya import CONFIG, METADATA, Kohya, config

# What sd-scripts' library knows (train_util.py, config_util.py; kohya-ss/sd-scripts, 2025).
ENDINGS = [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".PNG", ".JPG", ".JPEG", ".WEBP", ".BMP"]
DATASET_KEYS = {
    "batch_size": int, "bucket_no_upscale": bool, "bucket_reso_steps": int, "enable_bucket": bool,
    "max_bucket_reso": int, "min_bucket_reso": int, "resolution": int, "network_multiplier": float,
}  # fmt: skip
SUBSET_KEYS = {
    "color_aug": bool, "flip_aug": bool, "num_repeats": int, "random_crop": bool, "shuffle_caption": bool,
    "keep_tokens": int, "caption_prefix": str, "caption_suffix": str, "caption_extension": str, "class_tokens": str,
    "cache_info": bool,
}  # fmt: skip
OWN_KEYS = {"image_dir": str, "is_reg": bool}


def subsets_by_folder(train_data_dir: Path) -> list[tuple[Path, int, str]]:
    """As `generate_dreambooth_subsets_config_by_subdirs`."""
    found = []
    for folder in sorted(train_data_dir.iterdir()):
        repeats, *concept = folder.name.split("_")
        if folder.is_dir() and repeats.isdigit():
            found.append((folder, int(repeats), "_".join(concept)))
    return found


def load(image_dir: Path) -> dict[str, str]:
    """As `load_dreambooth_dir` and `read_caption`: picture -> caption."""
    paths = [p for p in image_dir.iterdir() if p.suffix in ENDINGS]
    captions = {}
    for path in sorted(paths):
        lines = path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
        assert lines, "caption file is empty"
        Image.open(path).convert("RGB").load()
        captions[path.name] = lines[0].strip()
    return captions


def validated(path: Path) -> dict[str, Any]:
    """As `ConfigSanitizer`: keys and types of a user's configuration."""
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    assert told.keys() <= {"general", "datasets"}
    fits(told["general"], {**DATASET_KEYS, **SUBSET_KEYS})
    for dataset in told["datasets"]:
        fits({k: v for k, v in dataset.items() if k != "subsets"}, {**DATASET_KEYS, **SUBSET_KEYS})
        for subset in dataset["subsets"]:
            assert "image_dir" in subset
            fits(subset, {**SUBSET_KEYS, **OWN_KEYS})
    return told


def fits(table: dict[str, Any], keys: dict[str, type]) -> None:
    for name, value in table.items():
        assert type(value) is keys[name], name


def test_the_loader_finds_pictures_repeats_and_captions(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = export(scored, out, to="kohya", repeats=10, trigger="ohwx man", template="{trigger}, {aus}")
    assert (done.pictures, done.files) == (12, 26)
    ((folder, repeats, tokens),) = subsets_by_folder(out)
    assert (repeats, tokens) == (10, "ohwx man")
    captions = load(folder)
    assert sorted(captions) == sorted(f"{i}.png" for i in range(12))
    assert all(caption.startswith("ohwx man") for caption in captions.values())
    told = validated(out / CONFIG)
    (subset,) = told["datasets"][0]["subsets"]
    assert subset == {"image_dir": str(folder.resolve()), "class_tokens": "ohwx man", "num_repeats": 10}
    assert told["general"]["caption_extension"] == ".txt"


def test_by_a_column_rare_values_are_seen_as_often_as_common_ones(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(12)]
    expressions = ["neutral"] * 8 + ["anger"] * 3 + ["fear"]
    write_backed(tmp_path / "a.scores", tmp_path / "pictures", names, {"expression": expressions})
    export(tmp_path / "a.scores", tmp_path / "out", to="kohya", by="expression", repeats=2, trigger="ohwx")
    found = {
        tokens: (repeats, len(load(folder)))
        for folder, repeats, tokens in subsets_by_folder(tmp_path / "out")
    }
    assert found == {"ohwx neutral": (2, 8), "ohwx anger": (5, 3), "ohwx fear": (16, 1)}
    subsets = validated(tmp_path / "out" / CONFIG)["datasets"][0]["subsets"]
    told = {Path(subset["image_dir"]).name: subset["num_repeats"] for subset in subsets}
    assert told == {"2_ohwx neutral": 2, "5_ohwx anger": 5, "16_ohwx fear": 16}
    assert {subset["class_tokens"] for subset in subsets} == {"ohwx"}


def test_datasets_read_the_folder_with_its_captions(scored: Path, tmp_path: Path) -> None:
    import datasets

    export(scored, tmp_path / "out", to="kohya", concept="person")
    loaded = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache")
    )
    captions = load(tmp_path / "out" / "1_person")
    assert len(loaded) == 12
    assert sorted(loaded["text"]) == sorted(captions.values())
    assert loaded[0]["image"].size == (16, 16)


def test_odd_pictures_and_prompts_are_one_line_each(tmp_path: Path) -> None:
    odd = write_odd(tmp_path / "odd.scores", tmp_path / "pictures")
    done = export(odd, tmp_path / "out", to="kohya", template="{prompt}, {aus}", trigger="ohwx")
    captions = load(tmp_path / "out" / "1_ohwx")
    assert len(captions) == done.pictures == 7
    assert captions["naïve 😀.png"].startswith("日本 😀 é")
    assert captions["=1+1.png"].startswith("=HYPERLINK")
    assert captions["two.jpg"].startswith("+1 smile")
    assert captions["nothing.png"] == "ohwx", "nothing can be said of it"
    told = [json.loads(line) for line in (tmp_path / "out" / METADATA).read_text("utf-8").splitlines()]
    assert {Path(line["file_name"]).name: line["text"] for line in told} == captions


def test_pictures_that_the_loader_would_pass_over_are_made_into_some_that_it_reads(tmp_path: Path) -> None:
    names = ["a.png", "b.tiff", "c.gif", "d.Jpg", "b.png"]
    pictures = tmp_path / "pictures"
    write_backed(tmp_path / "a.scores", pictures, names)
    export(tmp_path / "a.scores", tmp_path / "out", to="kohya")
    captions = load(tmp_path / "out" / "1_face")
    assert len(captions) == 5
    assert {"a.png", "c.png", "d.jpg"} <= captions.keys()
    with Image.open(tmp_path / "out" / "1_face" / "c.png") as made, Image.open(pictures / "c.gif") as source:
        assert made.format == "PNG"
        assert made.convert("RGB").tobytes() == source.convert("RGB").tobytes()


def test_a_missing_picture_is_left_out_everywhere(scored: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "3.png").unlink()
    done = export(scored, tmp_path / "out", to="kohya")
    assert [Path(image).name for image in done.left_out] == ["3.png"]
    assert len(load(tmp_path / "out" / "1_face")) == 11
    assert len((tmp_path / "out" / METADATA).read_text("utf-8").splitlines()) == 11


def test_a_run_that_was_cut_off_goes_on_to_the_same_end(scored: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    export(scored, whole, to="kohya")

    def stop(progress: Any) -> None:
        if progress.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(scored, cut, to="kohya", on_progress=stop)
    assert not (cut / CONFIG).exists()
    export(scored, cut, to="kohya")

    def content(folder: Path) -> dict[str, bytes]:
        files = [path for path in folder.rglob("*") if path.is_file() and "curate-export" not in str(path)]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.name != CONFIG}

    assert content(cut) == content(whole)


def test_another_table_of_words_is_another_export(scored: Path, tmp_path: Path) -> None:
    from curate.recipes.captions import SHIPPED

    mine = tmp_path / "mine.yaml"
    shutil.copy(SHIPPED, mine)
    export(scored, tmp_path / "out", to="kohya", captions=mine)
    mine.write_text(SHIPPED.read_text("utf-8").replace("smile", "grin"), encoding="utf-8")
    with pytest.raises(ExportError):
        export(scored, tmp_path / "out", to="kohya", captions=mine)
    export(scored, tmp_path / "out", to="kohya", captions=mine, overwrite=True)
    said = " ".join(load(tmp_path / "out" / "1_face").values())
    assert "grin" in said
    assert "smile" not in said


def test_links_are_made_where_they_are_asked_for(scored: Path, tmp_path: Path) -> None:
    export(scored, tmp_path / "out", to="kohya", mode="hardlink")
    assert (tmp_path / "out" / "1_face" / "0.png").samefile(tmp_path / "pictures" / "0.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": "{trigger}, {aus}"}, "the template has {trigger}, and there is none"),
        ({"template": "{expresion}"}, "did you mean `expression`?"),
        ({"template": "{landmarks}"}, "there is no field `landmarks`"),
        ({"by": "expresion"}, "`expresion` is no column; did you mean `expression`?"),
        ({"by": "au12"}, "`au12` has too many values"),
        ({"repeats": 0}, "greater than or equal to 1"),
        ({"trigger": " "}, "is one line of text"),
        ({"concept": "a\nb"}, "is one line of text"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    scored: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExportError) as error:
        export(scored, tmp_path / "out", to="kohya", **options)
    assert message in error.value.message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ['a "b" \\ c', "é 😀", "x\x7f\t\x01y"])
def test_any_text_is_a_string_of_toml(text: str) -> None:
    told = tomllib.loads(config([f"/{text}/1_x"], text, 512))
    subset = told["datasets"][0]["subsets"][0]
    assert subset == {"image_dir": f"/{text}/1_x", "class_tokens": text, "num_repeats": 1}


def test_no_file_may_be_a_folder_elsewhere(scored: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(scored, out, to=Kohya(concept="../../x/y"))
    assert [path.name for path in out.iterdir() if path.is_dir()] == ["1__._.._x_y"]


def test_the_command_writes_it(scored: Path, tmp_path: Path) -> None:
    done = curate(
        "export", scored, tmp_path / "out", "--to", "kohya", "--trigger", "ohwx", "--repeats", "3",
        "--template", "photo of {trigger}, {aus}, {temperature:.0f}",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    captions = load(tmp_path / "out" / "3_ohwx")
    assert all(caption.startswith("photo of ohwx, ") for caption in captions.values())
    wrong = curate("export", scored, tmp_path / "no", "--to", "kohya", "--template", "{au}")
    assert wrong.returncode == 1
    assert "there is no field `au`; did you mean `aus`?" in wrong.stderr
