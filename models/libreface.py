"""The pack `libreface`: what LibreFace's networks want and say, and how it is made from the official files.

The weights are the University of Southern California's, for research and non-profit use. They are not part of
this package; a user brings them or pulls them (`curate.models.official`).
"""

from __future__ import annotations

from pathlib import Path

from curate.errors import ModelError
from curate.models.checkpoint import CHECKPOINTS, Checkpoint, load_checkpoint
from curate.models.pack import Input, Licence, ModelPack, Network, Output, replacing, sha256_of, write_pack

INTENSITIES = tuple(f"au{n:02}" for n in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26))
PRESENCES = tuple(f"au{n:02}" for n in (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24))
EXPRESSIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")

LICENCE = Licence(
    name="USC Research License",
    url="https://github.com/ihp-lab/LibreFace/blob/main/LICENSE.rst",
    summary=(
        "Copyright 2020 University of Southern California. The weights are for educational, research and "
        "non-profit use; commercial use needs a licence from USC. They come without any warranty. The faces "
        "they were trained on (DISFA, BP4D, AffectNet, Gaze360) have research-only terms of their own."
    ),
)
_TRAINING = (
    "AU intensity: DISFA. AU presence: BP4D. Expression: AffectNet (8 classes). Gaze: Gaze360. Distilled "
    "from teachers pre-trained on EmotioNet and face sets. How the joint AU network was trained is not "
    "published."
)
_ACCURACY = (
    "Claimed by the authors (WACV 2024): mean Pearson correlation of AU intensity on DISFA 0.63. The "
    "released weights are trained on all subjects, so no figure measured on DISFA itself says how they do on "
    "new faces."
)

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
AU_INPUT = Input(size=(224, 224), resize=256, resample="bilinear", crop=224, mean=_MEAN, std=_STD)
# Straight to 224 x 224: it sees the whole aligned square, the AU networks its central 87.5 %.
EXPRESSION_INPUT = Input(size=(224, 224), resize=224, resample="bicubic", mean=_MEAN, std=_STD)
GAZE_INPUT = Input(
    size=(1404,),
    layout="NF",
    note="x, y, z of landmarks 0 to 467 found in the aligned 512 x 512 picture, in its pixels",
)
INTENSITY = Output(
    labels=INTENSITIES,
    range=(0, 1),
    activation="sigmoid",
    factor=5,
    unit="AU intensity, 0 to 5 after the factor",
)
PRESENCE = Output(labels=PRESENCES, range=(0, 1), activation="sigmoid", threshold=0.5, unit="probability")
PRESENCE_LOGITS = Output(
    labels=PRESENCES,
    threshold=0.5,
    unit="logit",
    note="as in libreface 0.2.0: present from a logit of 0.5 on",
)
EXPRESSION = Output(
    labels=EXPRESSIONS,
    range=(0, 1),
    activation="sigmoid",
    note="one sigmoid a class, not a distribution; the largest one is the answer",
)
GAZE = Output(labels=("gaze_yaw", "gaze_pitch"), unit="degrees, in the frame of the aligned picture")

# What each architecture takes and gives: input, {output: meaning}.
_NETWORKS: dict[str, tuple[Input, dict[str, Output]]] = {
    "au_combined_resnet18": (AU_INPUT, {"intensity": INTENSITY, "presence": PRESENCE}),
    "au_intensity_resnet18": (AU_INPUT, {"intensity": INTENSITY}),
    "au_detection_repvgg": (AU_INPUT, {"presence": PRESENCE_LOGITS}),
    "au_detection_resnet18": (AU_INPUT, {"presence": PRESENCE}),
    "fer_repvgg": (EXPRESSION_INPUT, {"expression": EXPRESSION}),
    "fer_resnet18": (EXPRESSION_INPUT, {"expression": EXPRESSION}),
    "gaze_mlp": (GAZE_INPUT, {"gaze": GAZE}),
}


def convert_libreface(weights_root: Path, out: Path) -> ModelPack:
    """Make the pack `libreface` from the official `.pt` files.

    Args:
        weights_root: the folder that the `libreface` package downloads to, with `AU_Recognition` and others.
            Whatever it holds is converted; for a role with two forms, that of 0.2.0 wins.
        out: the folder of the pack. An older pack there is replaced when the new one is whole.

    Raises:
        ModelError: there is no official file at all, one does not fit its network, or torch is missing.
    """
    found = find_checkpoints(weights_root)
    if not found:
        raise ModelError(
            "there is no official LibreFace file below this folder, such as " + CHECKPOINTS[0].path,
            where=str(weights_root),
            hint="curate models pull libreface",
        )
    networks, origins = {}, []
    with replacing(out) as folder:
        for checkpoint, path in found:
            _export(checkpoint, path, folder)
            inputs, outputs = _NETWORKS[checkpoint.tag]
            networks[checkpoint.role] = Network(file=f"{checkpoint.tag}.onnx", input=inputs, outputs=outputs)
            origins.append(f"{checkpoint.path} of libreface {checkpoint.release}, sha256 {sha256_of(path)}")
        write_libreface(folder, "Converted by curate from " + "; ".join(origins), networks)
    return ModelPack.open(out)


def find_checkpoints(weights_root: Path) -> list[tuple[Checkpoint, Path]]:
    """The official files below a folder, one a role, in the order of `CHECKPOINTS`."""
    found: dict[str, tuple[Checkpoint, Path]] = {}
    for checkpoint in CHECKPOINTS:
        for place in (checkpoint.path, *checkpoint.also):
            if checkpoint.role not in found and (weights_root / place).is_file():
                found[checkpoint.role] = (checkpoint, weights_root / place)
    return list(found.values())


def write_libreface(folder: Path, source: str, networks: dict[str, Network]) -> ModelPack:
    """Write the card of a pack `libreface` whose files lie in `folder`."""
    return write_pack(
        folder,
        name="libreface",
        title="LibreFace: action units, expression and gaze",
        version="1",
        licence=LICENCE,
        source=source,
        training_data=_TRAINING,
        accuracy=_ACCURACY,
        networks=networks,
    )


def _export(checkpoint: Checkpoint, path: Path, folder: Path) -> None:
    from curate.models.export import export_onnx

    network = load_checkpoint(path, checkpoint.tag)
    inputs, outputs = _NETWORKS[checkpoint.tag]
    shape = inputs.size if inputs.layout == "NF" else (3, *inputs.size)
    export_onnx(network.fuse(), shape, list(outputs), folder / f"{checkpoint.tag}.onnx")  # type: ignore[operator]
