"""`curate train` and `curate distill`, as a user types them: tiny runs on the example faces."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import typed

from curate.errors import InputError, ModelError, RecipeError
from curate.models.training.recipe import parse_recipe
from curate.scorers.columns import EXPRESSIONS
from curate.training_data import parse_data, places, training_sets

FACES = Path(__file__).resolve().parents[3] / "examples" / "faces"
TINY = """
name: tiny
title: a network to try things out with
network: {name: lite}
crop: {grey: true}
tasks: {expression: 1}
optimiser: {lr: 0.001}
metric: score
epochs: 1
batch: 8
data: [{dataset: faces}]
"""


curate = partial(typed.curate, seconds=240, OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a recipe and a table of the 32 example faces."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    faces = sorted(FACES.iterdir())
    frame = pl.DataFrame(
        {
            "image": [str(path) for path in faces],
            "expression": [EXPRESSIONS[i % 8] for i in range(len(faces))],
            "split": ["train" if i % 4 else "valid" for i in range(len(faces))],
        }
    )
    frame.write_csv(tmp_path / "faces.csv")
    return tmp_path


def test_a_recipe_becomes_a_run_with_a_pack_and_the_pack_can_be_installed(here: Path) -> None:
    pytest.importorskip("lightning", reason="the extra `train` is not installed")
    done = curate("train", "tiny.yaml", "--data", "faces=faces.csv", cwd=here)
    assert done.returncode == 0, done.stderr
    assert "curate models install runs/tiny/pack" in done.stdout
    run = here / "runs" / "tiny"
    assert {path.name for path in run.iterdir()} == {
        "config.yaml", "run.json", "metrics.csv", "checkpoints", "pack"
    }  # fmt: skip
    assert (run / "pack" / "card.yaml").is_file()
    installed = curate("models", "install", "runs/tiny/pack", "--json", cwd=here)
    assert json.loads(installed.stdout)["name"] == "tiny"
    listed = json.loads(curate("models", "list", "--json").stdout)
    assert "tiny" in {pack["name"] for pack in listed}
    facts = json.loads((run / "run.json").read_text())
    assert facts["pictures"]["train"] == {"faces": 24}
    assert facts["data"][0]["sources"][0]["location"] == str(here / "faces.csv")

    again = curate("train", "tiny.yaml", "--data", "faces=faces.csv", cwd=here)
    assert again.returncode == 1
    assert "--resume" in again.stderr
    assert "there is a run already" in again.stderr
    resumed = curate("train", "tiny.yaml", "--data", "faces=faces.csv", "--resume", "--json", cwd=here)
    assert resumed.returncode == 0, resumed.stderr
    answer = json.loads(resumed.stdout)
    assert answer["prepared"][0]["reused"]
    assert (answer["epochs"], answer["pack"]) == (1, "runs/tiny/pack")

    recipe = TINY.replace("name: tiny", "name: pupil") + "distillation: {}\n"
    (here / "pupil.yaml").write_text(recipe)
    taught = curate(
        "distill", "pupil.yaml", "--teacher", run, "--data", "faces=faces.csv", "--limit", "24", "--json", cwd=here
    )  # fmt: skip
    assert taught.returncode == 0, taught.stderr
    assert json.loads(taught.stdout)["prepared"][0]["faces"] == 24


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train"], "hint: curate train --list"),
        (["train", "nothing"], "there is no such training recipe"),
        (["train", "tiny.yaml"], "where does the data set faces lie.*hint: --data faces=PATH"),
        (["train", "tiny.yaml", "--data", "faces=nowhere"], "nowhere: the data set faces is not there"),
        (["train", "tiny.yaml", "--data", "faces"], "not of the form NAME=PATH"),
        (["train", "tiny.yaml", "--data", "face=faces.csv"], "did you mean `faces`"),
        (["train", "tiny.yaml", "--data", "faces=faces.csv", "--start", "."], "not a run folder"),
        (["train", "tiny.yaml", "--data", "faces=faces.csv", "-o", "."], "something else already"),
        (["distill", "tiny.yaml", "--teacher", "no", "--data", "faces=faces.csv"], "--teacher no"),
    ],
)
def test_what_cannot_work_is_said_before_a_face_is_looked_for(
    arguments: list[str], said: str, here: Path
) -> None:
    done = curate(*arguments, cwd=here)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert re.search(said, " ".join(done.stderr.splitlines())), done.stderr
    assert not (here / "runs").exists()


def test_built_in_recipes_are_listed_with_a_line_each() -> None:
    listed = json.loads(curate("train", "--list", "--json").stdout)
    assert all(entry["title"] for entry in listed)


def test_without_the_extra_one_error_names_it(here: Path) -> None:
    # A stand-in for an environment without torch: its finder finds none of the extra's packages.
    site = here / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "old = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name in ('torch', 'lightning') else old(name, *a)\n"
    )
    done = curate("train", "tiny.yaml", "--data", "faces=faces.csv", cwd=here, PYTHONPATH=str(site))
    assert done.returncode == 1
    assert "training needs torch, lightning" in done.stderr
    assert "pip install 'curate-faces[train]'" in done.stderr


def test_both_commands_explain_themselves_with_an_example() -> None:
    for command in ("train", "distill"):
        assert f"curate {command} " in curate(command, "--help").stdout


def test_names_of_data_sets_choose_the_reader(here: Path) -> None:
    recipe = parse_recipe(
        {
            "name": "x",
            "network": {"name": "lite"},
            "tasks": {"expression": 1},
            "data": [{"dataset": name} for name in ("ferplus", "mine", "folders")] + [
                {"dataset": "known", "path": str(here / "faces.csv")}
            ],
        }
    )  # fmt: skip
    table = here / "faces.csv"
    given = parse_data([f"ferplus={table}", f"mine={table}", f"folders={here}"])
    found = {place.dataset: place.reader for place in places(recipe, given)}
    assert found == {"ferplus": "ferplus", "mine": "table", "folders": "folder", "known": "table"}
    pretraining = parse_recipe({"name": "x", "network": {"name": "vit_tiny"}, "mae": {}})
    assert places(pretraining, {"any": here})[0].reader == "pictures"
    with pytest.raises(InputError, match="named twice"):
        parse_data(["a=b", "a=c"])


def test_a_set_that_is_prepared_already_is_taken_as_it_is_if_it_fits(here: Path) -> None:
    from curate.preparing import prepare

    made = prepare("table", here / "faces.csv", name="faces", folder=here / "set", limit=3, workers=1)
    content = {"name": "x", "network": {"name": "lite"}, "tasks": {"expression": 1}}
    recipe = parse_recipe(content | {"data": [{"dataset": "faces"}]})
    sets, prepared = training_sets(recipe, places(recipe, {"faces": made.folder}))
    assert (len(sets[0]), prepared) == (3, [])
    other = parse_recipe(content | {"data": [{"dataset": "other"}]})
    with pytest.raises(InputError, match="prepared as faces, not as other"):
        training_sets(other, places(other, {"other": made.folder}))
    large = parse_recipe(content | {"crop": {"kind": "libreface", "side": 256, "inner": 224}})
    with pytest.raises(InputError, match="the recipe wants libreface"):
        training_sets(large, places(large, {"faces": made.folder}))
    wrong = parse_recipe(content | {"crop": {"kind": "lite", "side": 100, "inner": 80}})
    with pytest.raises(RecipeError, match="have side 120 and inner 96"):
        training_sets(wrong, places(wrong, {"faces": made.folder}))


def test_installing_a_pack_verifies_it_and_replaces_no_other(tmp_path: Path) -> None:
    from curate.models.install import install_pack
    from curate.models.pack import Input, Licence, Network, Output, find_pack, write_pack

    def pack(folder: Path, content: bytes) -> Path:
        folder.mkdir()
        (folder / "net.onnx").write_bytes(content)
        write_pack(
            folder,
            name="mine",
            title="a pack",
            version="1",
            licence=Licence(name="MIT"),
            source="",
            training_data="",
            accuracy="",
            networks={"face": Network(file="net.onnx", input=Input(size=(8, 8)), outputs={"x": Output()})},
        )
        return folder

    first, second = pack(tmp_path / "first", b"1"), pack(tmp_path / "second", b"2")
    installed = install_pack(first)
    assert find_pack("mine").folder == installed.folder != first
    assert install_pack(first).fingerprint == installed.fingerprint
    with pytest.raises(ModelError, match="another pack mine") as raised:
        install_pack(second)
    assert "--overwrite" in raised.value.hint
    assert install_pack(second, overwrite=True).fingerprint != installed.fingerprint
    (second / "net.onnx").write_bytes(b"3")
    with pytest.raises(ModelError, match="damaged"):
        install_pack(second, overwrite=True)
    with pytest.raises(ModelError, match="not a model pack"):
        install_pack(tmp_path)
