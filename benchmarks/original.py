"""Runs the unmodified `libreface` 0.2.0. Only `reference_env.py`'s interpreter can run this file.

    ENV/bin/python benchmarks/original.py weights --shared ../shared/libreface
    ENV/bin/python benchmarks/original.py answers a.png b.jpg -o answers.json
    ENV/bin/python benchmarks/original.py images list.txt -o times.json
    ENV/bin/python benchmarks/original.py video clip.mp4 -o times.json
    ENV/bin/python benchmarks/original.py mesh list.txt -o times.json

`weights` writes seeded weights under the names that the package looks for, and stand-ins for the two ImageNet
backbones that it loads first and then overwrites. The others ask the package, and write JSON: the answers alone,
or with them the seconds of wall clock and of CPU (children included) for each picture or for the whole video. `mesh`
is the loop of MediaPipe's manual, `face_mesh` with refined landmarks on one picture after the other, and nothing more.
"""

import argparse
import importlib.util
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SEEDED = Path(sys.prefix) / "seeded"
WEIGHTS = SEEDED / "weights"
BACKBONE = "0" * 40  # the model hub's name for a revision; ours has none


def point_at_stand_ins() -> None:
    """Make torch and the model hub look in our folders, and nowhere else. Call before importing either."""
    os.environ["TORCH_HOME"] = str(SEEDED / "torch")
    os.environ["HF_HOME"] = str(SEEDED / "hub")
    os.environ["HF_HUB_OFFLINE"] = "1"


def import_torchvision() -> None:
    """Import torchvision beside a CPU torch: it only needs to see the schemas of two operators it cannot load."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define(
        "qnms(Tensor dets, Tensor scores, float iou_threshold, float dets_scale, int dets_zp, "
        "float scores_scale, int scores_zp) -> Tensor"
    )
    # Operators disappear with the object that declared them.
    import_torchvision.keep = library  # type: ignore[attr-defined]
    import torchvision  # noqa: F401


def write_weights(shared: Path) -> None:
    """Write every seeded checkpoint and both backbones below `SEEDED`; check the digests recorded with the seeds."""
    import_torchvision()
    import timm
    import torch
    import torchvision
    from safetensors.torch import save_file

    spec = importlib.util.spec_from_file_location("seeded_weights", shared / "seeded_weights.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"no seeded_weights.py in {shared}")
    seeds = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True  # that folder is not ours
    spec.loader.exec_module(seeds)
    digests = json.loads((shared / "weights_digests.json").read_text())["sha256_of_sorted_tensors"]
    for manifest in sorted(shared.glob("manifest_*.json")):
        entry = json.loads(manifest.read_text())
        tag = entry["tag"]
        arrays = seeds.make(tag, {key: value["shape"] for key, value in entry["tensors"].items()})
        if seeds.digest(arrays) != digests[tag]:
            raise SystemExit(f"the seeded weights {tag} are not the recorded ones")
        state = {key: torch.from_numpy(value.copy()) for key, value in arrays.items()}
        for file in entry["files"]:  # some names carry a remark in brackets
            path = WEIGHTS / file.split(" (")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save({"model": state}, path)

    torch.manual_seed(0)
    checkpoints = SEEDED / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), checkpoints / "resnet18-f37072fd.pth")
    cache = SEEDED / "hub" / "hub" / "models--timm--repvgg_a0.rvgg_in1k"
    (cache / "refs").mkdir(parents=True, exist_ok=True)
    (cache / "refs" / "main").write_text(BACKBONE)
    snapshot = cache / "snapshots" / BACKBONE
    snapshot.mkdir(parents=True, exist_ok=True)
    repvgg = timm.create_model("repvgg_a0", pretrained=False)
    save_file(repvgg.state_dict(), snapshot / "model.safetensors")
    torch.save(repvgg.state_dict(), snapshot / "pytorch_model.bin")


def cpu_seconds() -> float:
    """User and system time of this process and of its finished children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def ask(path: str, temp: str) -> Any:
    """The package's own answer: a dict for a picture, a data frame for a video."""
    import libreface

    return libreface.get_facial_attributes(path, temp_dir=temp, weights_download_dir=str(WEIGHTS))


def timed(path: str, temp: str) -> dict[str, Any]:
    """`{"wall": s, "cpu": s, "error": text or None, "answer": without landmarks, or the number of frames}`."""
    wall, cpu, error, answer = time.perf_counter(), cpu_seconds(), None, None
    try:
        answer = ask(path, temp)
    except Exception as problem:  # it raises many kinds; a picture it cannot do still took its time
        error = f"{type(problem).__name__}: {problem}"
    times = {"wall": time.perf_counter() - wall, "cpu": cpu_seconds() - cpu, "error": error}
    if isinstance(answer, dict):
        answer = {key: value for key, value in answer.items() if not key.startswith("lm_mp_")}
    elif answer is not None:
        answer = len(answer)
    return {**times, "answer": answer}


def mesh(paths: list[str]) -> list[dict[str, Any]]:
    """What `timed` gives for each picture, of MediaPipe's face mesh; its answer is how many faces there are."""
    import cv2
    import mediapipe

    calls = []
    options = {"static_image_mode": True, "refine_landmarks": True, "max_num_faces": 1}
    with mediapipe.solutions.face_mesh.FaceMesh(**options) as faces:
        for path in paths:
            wall, cpu = time.perf_counter(), cpu_seconds()
            found = faces.process(cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)).multi_face_landmarks
            times = {"wall": time.perf_counter() - wall, "cpu": cpu_seconds() - cpu, "error": None}
            calls.append({**times, "answer": len(found or ())})
    return calls


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("weights").add_argument("--shared", type=Path, required=True)
    for name, argument in (("answers", "paths"), ("images", "list"), ("video", "file"), ("mesh", "list")):
        command = commands.add_parser(name)
        command.add_argument(argument, nargs="+" if argument == "paths" else None)
        command.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()

    point_at_stand_ins()
    if arguments.command == "weights":
        write_weights(arguments.shared)
        return
    start = time.perf_counter()
    if arguments.command == "mesh":
        calls = mesh(Path(arguments.list).read_text().splitlines())
        arguments.output.write_text(json.dumps({"calls": calls}))
        return
    import_torchvision()
    import libreface  # noqa: F401

    result: Any
    with tempfile.TemporaryDirectory(prefix="original-") as temp:
        if arguments.command == "answers":
            result = {path: ask(path, temp) for path in arguments.paths}
        else:
            started = time.perf_counter() - start
            images = arguments.command == "images"
            paths = Path(arguments.list).read_text().splitlines() if images else [arguments.file]
            result = {"import": started, "calls": [timed(path, temp) for path in paths]}
    arguments.output.write_text(json.dumps(result, default=float))


if __name__ == "__main__":
    main()
