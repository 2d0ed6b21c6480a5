"""Makes the pack `lite` that ships with the package out of a training run and its measured figures.

    python benchmarks/ship_lite.py --run runs/lite --figures figures/figures.json

Copies the network to `models/packs/lite/`, with the run's log (`log.csv`, a row an epoch), its recipe as resolved
(`recipe.yaml`), what made it (`run.json`, without this machine's folders) and a card that prints the figures.
`--compare WORDS=RUN` adds the best epoch of another run, for instance of a student with and without a teacher.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from pathlib import Path
from typing import Any

from curate.models.pack import Licence, ModelPack, write_pack

PACK = Path(__file__).resolve().parent.parent / "models" / "packs" / "lite"
LICENCE = Licence(
    name="Apache-2.0",
    url="https://www.apache.org/licenses/LICENSE-2.0",
    summary="The weights are this project's own, trained from scratch by the recipe `lite`.",
)
TRAINING_DATA = (
    "FER+ train (labels MIT; 26,238 web photographs of 48 pixels, none of them in this package): expression, on the "
    "votes. Faces rendered with known action units: ICT-FaceKit light (MIT) by benchmarks/render_training_faces.py; "
    "MakeHuman hm08 / MPFB2 with Face Units 01 (CC0) by benchmarks/render_second_rig.py. A quarter of DiffusionFER "
    "(CC0; 126 Stable Diffusion portraits whose two labels agree): expression. No weights of others were used: "
    "the network starts from random numbers."
)
COMMAND = "python benchmarks/lite_figures.py --data DATA --diffusion DIFFUSION --renders RENDERS -o figures"


def table(figures: dict[str, Any]) -> list[tuple[str, str]]:
    """What was measured, and the figure, in words."""
    rows = []
    fer, diffusion = figures["ferplus"]["expression"], figures["diffusionfer"]["expression"]
    rows += [
        ("FER+ test, 224 px, 8 classes, accuracy of the faces found", _interval(fer["accuracy"])),
        ("the same, a face not found counted as wrong", _interval(fer["accuracy_of_all"])),
        ("the same, macro-F1", _interval(fer["macro_f1"])),
        ("the same, calibration error (ECE, 15 bins)", _interval(fer["ece"])),
        ("DiffusionFER, 7 classes, pictures not trained on, accuracy", _interval(diffusion["accuracy"])),
        ("the same, macro-F1", _interval(diffusion["macro_f1"])),
    ]
    for name, title in (
        ("rendered", "AU intensity, ICT renders of new people and looks"),
        ("sample", "AU intensity, ICT-FaceKit's own sample set (11 AUs)"),
        ("rendered2", "AU intensity, second rig, new people"),
    ):
        if name in figures:
            rows.append((f"{title}, mean PCC", _interval(figures[name]["intensity_mean"]["pcc"])))
            each = ", ".join(f"{s['column']} {s['pcc']['value']:.2f}" for s in figures[name]["intensities"])
            rows.append(("    each", each))
    rows.append(("mirrored portraits, mean AU difference, 0 to 5", f"{figures['mirrored']:.3f}"))
    rows.append(("cost after the mesh, one thread, batch 8", f"{figures['cost_ms']:.2f} ms a face"))
    return rows


def _interval(estimate: dict[str, float]) -> str:
    text = f"{estimate['value']:.3f}"
    return text + (
        f" ({estimate['low']:.3f} to {estimate['high']:.3f})" if estimate.get("low") is not None else ""
    )


def compared(name: str, run: Path) -> str:
    """The best epoch of a run, on its validation pictures."""
    figures = json.loads((run / "run.json").read_text())["figures"]
    epochs = sum(1 for _ in csv.DictReader((run / "metrics.csv").open()))
    return (
        f"{name}: {epochs} epochs, accuracy {figures['accuracy']:.3f}, macro-F1 {figures['macro_f1']:.3f}, "
        f"AU PCC {figures['pcc']:.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--figures", type=Path, help="without: a pack to measure, whose card says so")
    parser.add_argument("--first", type=Path, help="the run that it started from")
    parser.add_argument("--compare", action="append", default=[], metavar="WORDS=RUN")
    a = parser.parse_args()
    made = ModelPack.open(a.run / "pack")
    PACK.mkdir(parents=True, exist_ok=True)
    shutil.copy(made.folder / "lite.onnx", PACK)
    shutil.copy(a.run / "metrics.csv", PACK / "log.csv")
    shutil.copy(a.run / "config.yaml", PACK / "recipe.yaml")
    logs = ["log.csv", "recipe.yaml", "run.json"]
    if a.first:
        shutil.copy(a.first / "metrics.csv", PACK / "first-log.csv")
        shutil.copy(a.first / "config.yaml", PACK / "first-recipe.yaml")
        logs += ["first-log.csv", "first-recipe.yaml"]
    run = json.loads((a.run / "run.json").read_text())
    kept = ("pictures", "versions", "commit", "machine", "started", "epochs", "seconds", "figures")
    facts = {name: run[name] for name in kept}
    (PACK / "run.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    accuracy = "Not measured yet."
    if a.figures:
        lines = [f"{what}: {figure}" for what, figure in table(json.loads(a.figures.read_text()))]
        lines += [compared(*(words, Path(path))) for words, _, path in (c.partition("=") for c in a.compare)]
        accuracy = "\n".join([f"Measured by `{COMMAND}` (docs/lite.md; 95 % intervals):", *lines])
    write_pack(
        PACK,
        name="lite",
        title="lite: 12 action units, 12 presences, 8 expressions",
        version=made.version,
        licence=LICENCE,
        source=made.source,
        training_data=TRAINING_DATA,
        accuracy=accuracy,
        networks=dict(made.networks),
        other_files=dict.fromkeys(logs, "log"),
    )
    size = sum(path.stat().st_size for path in PACK.iterdir())
    print(f"{PACK}: {size / 1e6:.2f} MB\n{accuracy}")


if __name__ == "__main__":
    main()
