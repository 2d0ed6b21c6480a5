"""How good predictions are on the validation pictures, with torchmetrics; labels may be missing."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics.functional import mean_absolute_error, mean_squared_error, pearson_corrcoef
from torchmetrics.functional.classification import (
    binary_f1_score,
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_f1_score,
)

from curate.models.libreface import EXPRESSIONS, INTENSITIES, PRESENCES

# Metrics of which less is better.
LOWER_IS_BETTER = ("score",)


def measure(predictions: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, float]:
    """Every figure that the labels allow.

    Args:
        predictions: {task: [N, outputs]} as a classifier gives them.
        labels: in the same shapes, NaN where nobody annotated.

    Returns:
        `pcc`, `mse`, `mae` (means over the action units) and `pcc_au01` ...; `f1` and `f1_au01` ...;
        `accuracy`, `macro_f1` and `ece` against the majority of the votes.
    """
    figures: dict[str, float] = {}
    for task, made in predictions.items():
        made, wanted = made.detach().float().cpu(), labels[task].float().cpu()
        if task == "intensity":
            figures |= _intensity(made, wanted)
        elif task == "presence":
            figures |= _presence(made, wanted)
        else:
            figures |= _expression(made, wanted)
    return figures


def _intensity(made: Tensor, wanted: Tensor) -> dict[str, float]:
    each: dict[str, dict[str, float]] = {"pcc": {}, "mse": {}, "mae": {}}
    for i, name in enumerate(INTENSITIES):
        known = ~wanted[:, i].isnan()
        x, y = made[known, i], wanted[known, i]
        if known.any():
            each["mse"][name] = float(mean_squared_error(x, y))
            each["mae"][name] = float(mean_absolute_error(x, y))
        if known.sum() > 1 and y.std() > 0:
            # A constant answer says nothing about what varies.
            each["pcc"][name] = float(pearson_corrcoef(x.double(), y.double())) if x.std() > 1e-5 else 0.0
    single = {f"pcc_{name}": value for name, value in each["pcc"].items()}
    return {what: _mean(values) for what, values in each.items() if values} | single


def _presence(made: Tensor, wanted: Tensor) -> dict[str, float]:
    each = {}
    for i, name in enumerate(PRESENCES):
        known = ~wanted[:, i].isnan()
        if known.any():
            each[name] = float(binary_f1_score(made[known, i].sigmoid(), (wanted[known, i] >= 0.5).int()))
    return {"f1": _mean(each), **{f"f1_{name}": value for name, value in each.items()}} if each else {}


def _expression(made: Tensor, wanted: Tensor) -> dict[str, float]:
    known = ~wanted.isnan().any(1)
    if not known.any():
        return {}
    odds, majority = made[known].softmax(1), wanted[known].argmax(1)
    classes = len(EXPRESSIONS)
    return {
        "accuracy": float(multiclass_accuracy(odds, majority, classes, average="micro")),
        "macro_f1": float(multiclass_f1_score(odds, majority, classes, average="macro")),
        "ece": float(multiclass_calibration_error(odds, majority, classes, n_bins=15)),
    }


def _mean(values: Mapping[str, float]) -> float:
    return float(torch.tensor(list(values.values())).mean())
