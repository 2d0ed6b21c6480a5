"""Whole runs on toy sets: what is trained, kept, resumed, and packed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curate.errors import InputError, ModelError, RecipeError
from curate.models.pack import ModelPack
from curate.models.training import run
from curate.models.training.loading import Mesh
from curate.models.training.module import FaceModule
from curate.models.training.packing import Deployed
from curate.models.training.recipe import TrainingRecipe
from curate.models.training.run import fit, load_network
from curate.models.training.sets import TrainingSet

MakeSet = Callable[..., TrainingSet]
MakeRecipe = Callable[..., TrainingRecipe]


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pack at the end, for runs that are about something else: the export takes seconds."""
    monkeypatch.setattr(run, "write_run_pack", lambda *_, **__: None)


def weights(folder: Path, name: str = "last") -> dict[str, torch.Tensor]:
    checkpoint: dict[str, Any] = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
    state: dict[str, torch.Tensor] = checkpoint["state_dict"]
    return state


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_toy_is_learnt_and_the_folder_says_how(
    toy_set: MakeSet, recipe: MakeRecipe, mesh: Mesh, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = fit(
        recipe(epochs=12, metric="pcc", augmentation={"enabled": False}, optimiser={"lr": 3e-3}),
        [toy_set(128)],
        tmp_path / "run",
        mesh=mesh,
        quiet=True,
    )
    assert made.figures["pcc"] > 0.8
    assert made.figures["f1"] > 0.8
    assert made.figures["accuracy"] > 0.4  # chance: a sixth
    assert capfd.readouterr() == ("", "")
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "checkpoints",
        "config.yaml",
        "metrics.csv",
        "pack",
        "run.json",
    ]
    rows = table(made.folder)
    assert [row["epoch"] for row in rows] == [str(i) for i in range(made.epochs)]
    assert max(float(row["pcc"]) for row in rows) == pytest.approx(made.value, abs=1e-4)
    facts = json.loads((made.folder / "run.json").read_text())
    assert facts["finished"]
    assert facts["pictures"] == {"train": {"toy": 96}, "valid": 32, "test": 0}
    assert facts["versions"]["torch"] == torch.__version__


@pytest.mark.parametrize("name", ["lite", "vit_tiny"])
def test_the_pack_does_what_the_network_does(
    name: str, toy_set: MakeSet, recipe: MakeRecipe, mesh: Mesh, tmp_path: Path
) -> None:
    import onnxruntime

    made = fit(recipe(epochs=1, network={"name": name}), [toy_set()], tmp_path / "run", mesh=mesh, quiet=True)
    assert made.pack is not None
    pack = ModelPack.open(made.pack)
    pack.verify()
    network, _ = load_network(made.folder)
    random = np.random.default_rng(0)
    fed = [random.random((3, *shape), dtype=np.float32) for shape in network.shapes.values()]
    session = onnxruntime.InferenceSession(pack.path("face"), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    got = dict(
        zip(pack.networks["face"].outputs, session.run(None, dict(zip(names, fed, strict=True))), strict=True)
    )
    with torch.no_grad():
        wanted = Deployed(network, made.figures["temperature"])(*(torch.from_numpy(x) for x in fed))
    assert list(got) == ["intensity", "presence", "expression"]
    for value, expected in zip(got.values(), wanted, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-4)
    np.testing.assert_allclose(got["expression"].sum(1), 1, atol=1e-5)
    assert pack.networks["face"].outputs["intensity"].factor == 5
    assert list(pack.networks["face"].more_inputs) == names[1:]


@pytest.mark.usefixtures("unpacked")
def test_the_same_seed_gives_the_same_weights_and_another_gives_others(
    toy_set: MakeSet, recipe: MakeRecipe, mesh: Mesh, tmp_path: Path
) -> None:
    data = [toy_set(32)]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        fit(recipe(seed=seed), data, tmp_path / name, mesh=mesh, quiet=True)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


@pytest.mark.usefixtures("unpacked")
@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_run_that_was_broken_off_ends_as_if_it_had_not_been(
    ema: float | None,
    toy_set: MakeSet,
    recipe: MakeRecipe,
    mesh: Mesh,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = [toy_set(48)]
    asked = recipe(epochs=4, ema=ema, optimiser={"lr": 1e-3, "schedule": "cosine", "warmup": 0.5})
    whole = fit(asked, data, tmp_path / "whole", mesh=mesh, quiet=True)

    step = FaceModule.training_step

    def dies(self: FaceModule, batch: Any, index: int) -> torch.Tensor:
        if self.current_epoch == 2 and index == 1:
            raise RuntimeError("the power went")
        return step(self, batch, index)

    monkeypatch.setattr(FaceModule, "training_step", dies)
    with pytest.raises(RuntimeError, match="power"):
        fit(asked, data, tmp_path / "broken", mesh=mesh, quiet=True)
    monkeypatch.setattr(FaceModule, "training_step", step)
    resumed = fit(asked, data, tmp_path / "broken", mesh=mesh, quiet=True, resume=True)
    assert resumed.epochs == whole.epochs == 4
    assert same(weights(whole.folder), weights(resumed.folder))
    assert same(weights(whole.folder, "best"), weights(resumed.folder, "best"))
    assert resumed.figures == whole.figures
    for one, other in zip(table(whole.folder), table(resumed.folder), strict=True):
        assert {**one, "seconds": ""} == {**other, "seconds": ""}
    assert fit(asked, data, tmp_path / "broken", mesh=mesh, quiet=True, resume=True) == resumed


@pytest.mark.usefixtures("unpacked")
def test_no_run_takes_anothers_folder_or_goes_on_as_another(
    toy_set: MakeSet, recipe: MakeRecipe, mesh: Mesh, tmp_path: Path
) -> None:
    data = [toy_set(32)]
    fit(recipe(epochs=1), data, tmp_path / "run", mesh=mesh, quiet=True)
    with pytest.raises(InputError, match="a run already"):
        fit(recipe(epochs=1), data, tmp_path / "run", mesh=mesh, quiet=True)
    with pytest.raises(InputError, match="another recipe"):
        fit(recipe(epochs=2), data, tmp_path / "run", mesh=mesh, quiet=True, resume=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="something else"):
        fit(recipe(), data, tmp_path / "mine", mesh=mesh, quiet=True)


@pytest.mark.usefixtures("unpacked")
def test_a_student_learns_from_a_teacher_that_stays_as_it_is(
    toy_set: MakeSet, recipe: MakeRecipe, mesh: Mesh, tmp_path: Path
) -> None:
    data = [toy_set(32)]
    fit(recipe(epochs=1, network={"name": "vit_tiny"}), data, tmp_path / "teacher", mesh=mesh, quiet=True)
    before = (tmp_path / "teacher" / "checkpoints" / "best.ckpt").read_bytes()
    student = fit(
        recipe(epochs=1, distillation={}),
        data,
        tmp_path / "student",
        mesh=mesh,
        quiet=True,
        teacher=tmp_path / "teacher",
    )
    assert (tmp_path / "teacher" / "checkpoints" / "best.ckpt").read_bytes() == before
    kept = weights(student.folder)
    assert not any("teacher" in name for name in kept)
    assert kept["distillation.projection.weight"].shape == (128, 256)
    (row,) = table(student.folder)
    parts = ("features", "predictions", "intensity", "presence", "expression")
    assert float(row["loss"]) == pytest.approx(sum(float(row[f"loss_{name}"]) for name in parts), rel=1e-4)
    load_network(student.folder)


def test_teacher_and_recipe_must_agree(
    toy_set: MakeSet, recipe: MakeRecipe, mesh: Mesh, tmp_path: Path
) -> None:
    data = [toy_set(32)]
    with pytest.raises(RecipeError, match="no teacher"):
        fit(
            recipe(network={"name": "vit_tiny"}, tasks={}, mae={}),
            data,
            tmp_path / "run",
            mesh=mesh,
            teacher=tmp_path,
        )
    with pytest.raises(ModelError, match="not a run folder"):
        fit(recipe(), data, tmp_path / "run", mesh=mesh, quiet=True, teacher=tmp_path)
    with pytest.raises(ModelError, match="not a run folder"):
        fit(recipe(), data, tmp_path / "run", mesh=mesh, quiet=True, start=tmp_path / "nowhere")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("unpacked")
def test_what_pretraining_learnt_is_where_a_teacher_starts(
    toy_set: MakeSet, recipe: MakeRecipe, mesh: Mesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = [toy_set(32)]
    network = {"name": "vit_tiny", "options": {"patch": 4}}
    made = fit(
        recipe(epochs=1, network=network, tasks={}, mae={}), data, tmp_path / "mae", mesh=mesh, quiet=True
    )
    assert made.pack is None
    with pytest.raises(ModelError, match="pre-training"):
        load_network(made.folder)

    starts: list[dict[str, torch.Tensor]] = []
    monkeypatch.setattr(
        FaceModule,
        "on_fit_start",
        lambda self: starts.append(
            {k: v.clone() for k, v in self.network.core.encoder.vit.state_dict().items()}
        ),
    )
    fit(
        recipe(epochs=1, network=network),
        data,
        tmp_path / "teacher",
        mesh=mesh,
        quiet=True,
        start=made.folder,
    )
    learnt = {
        name.removeprefix("network.encoder."): value
        for name, value in weights(made.folder, "best").items()
        if name.startswith("network.encoder.")
    }
    assert same(starts[0], learnt)
    with pytest.raises(ModelError, match="no weights that fit"):
        fit(
            recipe(network={"name": "vit_small"}),
            data,
            tmp_path / "x",
            mesh=mesh,
            quiet=True,
            start=made.folder,
        )


def test_sets_with_other_crops_are_refused(
    toy_set: MakeSet, recipe: MakeRecipe, mesh: Mesh, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="the recipe wants lite 1 at 120"):
        fit(recipe(crop={}), [toy_set(8)], tmp_path / "run", mesh=mesh, quiet=True)
