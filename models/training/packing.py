"""The end of a run: the network as an ONNX pack, its expression probabilities calibrated."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from curate.models.export import export_onnx
from curate.models.libreface import AU_INPUT, EXPRESSION, INTENSITY, PRESENCE
from curate.models.networks import FaceNetwork
from curate.models.pack import Input, ModelPack, Network, Output, replacing, write_pack
from curate.models.training.recipe import TrainingRecipe

ROLE = "face"  # the one network of a pack

_OUTPUTS: dict[str, Output] = {
    "intensity": INTENSITY,
    "presence": PRESENCE,
    "expression": Output(
        labels=EXPRESSION.labels, range=(0, 1), activation="softmax", unit="probability", note="they sum to 1"
    ),
}


class Deployed(nn.Module):
    """What the ONNX file does: a batch's parts in, probabilities and intensities in 0..1 out."""

    def __init__(self, network: FaceNetwork, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, pixels: Tensor, shape: Tensor | None = None) -> tuple[Tensor, ...]:
        out = self.network({"pixels": pixels} if shape is None else {"pixels": pixels, "shape": shape})
        made = []
        for task in self.network.tasks:
            if task == "intensity":
                made.append(out[task] / 5)
            elif task == "presence":
                made.append(out[task].sigmoid())
            else:
                made.append((out[task] / self.temperature).softmax(1))
        return tuple(made)


def write_run_pack(
    folder: Path,
    recipe: TrainingRecipe,
    network: FaceNetwork,
    *,
    temperature: float,
    version: str,
    source: str,
    training_data: str,
    accuracy: str,
) -> ModelPack:
    """Write the pack of a trained network.

    Args:
        folder: of the pack; an older one is replaced when the new one is whole.
        network: as trained, on any device; it is left as it is.
        temperature: what the expression logits are divided by (`fit_temperature`).
        version, source, training_data, accuracy: the card's words.
    """
    final = copy.deepcopy(network).cpu().eval()
    final.fuse()
    file = f"{recipe.name}.onnx"
    with replacing(folder) as fresh:
        # A network with one input has it under the exporter's own name, as the official ones do.
        shapes = final.shapes if len(final.inputs) > 1 else final.shapes[final.inputs[0]]
        export_onnx(Deployed(final, temperature).eval(), shapes, list(final.tasks), fresh / file)
        first, *more = (_input(name, recipe) for name in final.inputs)
        write_pack(
            fresh,
            name=recipe.name,
            title=recipe.title or recipe.name,
            version=version,
            licence=recipe.licence,
            source=source,
            training_data=training_data,
            accuracy=accuracy,
            networks={
                ROLE: Network(
                    file=file,
                    input=first,
                    more_inputs=dict(zip(final.inputs[1:], more, strict=True)),
                    outputs={task: _OUTPUTS[task] for task in final.tasks},
                )
            },
        )
    return ModelPack.open(folder)


def fit_temperature(logits: Tensor, votes: Tensor) -> float:
    """The scalar to divide logits by so that their cross-entropy with the majority is least (Guo et al. 2017).

    A probability is then how often the answer is what most people see; fitted to the votes themselves it would be
    the share of people who see it, which is lower.

    Args:
        logits: [N, classes].
        votes: shares of the votes, [N, classes]; rows with NaN are left out.
    """
    known = ~votes.isnan().any(1)
    logits, majority = logits[known].double(), votes[known].argmax(1)
    if not len(logits):
        return 1.0
    scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([scale], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        # Within e^-3 to e^3 whatever the data: a perfect validation set would ask for zero.
        value = functional.cross_entropy(logits / scale.clamp(-3, 3).exp(), majority)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        search.step(loss)  # type: ignore[arg-type, no-untyped-call, unused-ignore]
    return float(scale.detach().clamp(-3, 3).exp())


def accuracy_text(figures: Mapping[str, float]) -> str:
    """The card's words for what `measure` found on the validation pictures."""
    words = {
        "pcc": "AU intensity PCC {:.3f}",
        "mae": "MAE {:.3f}",
        "f1": "AU presence F1 {:.3f}",
        "accuracy": "expression accuracy {:.3f}",
        "macro_f1": "macro-F1 {:.3f}",
        "ece": "ECE {:.3f}",
    }
    said = [text.format(figures[name]) for name, text in words.items() if name in figures]
    return "On the validation pictures, which chose the epoch and the temperature: " + ", ".join(said) + "."


def _input(name: str, recipe: TrainingRecipe) -> Input:
    if name == "shape":
        return Input(
            size=(1434,),
            layout="NF",
            note="x, y, z of the 478 landmarks without pose, less those of the canonical face, in eye distances",
        )
    crop, side = recipe.crop, recipe.crop.inner
    cut = f"the central {side} of the {crop.kind} crop at {crop.side}"
    if crop.grey:
        return Input(size=(side, side), note=f"{cut}; grey (ITU-R BT.601), one channel, divided by 255")
    return Input(size=(side, side), mean=AU_INPUT.mean, std=AU_INPUT.std, note=cut)
