"""What Lightning trains: a face network (with or without a teacher), or a masked autoencoder."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import Tensor

from curate.models.mae import MaskedAutoencoder
from curate.models.networks import FaceNetwork
from curate.models.training.distillation import Distillation
from curate.models.training.loading import Batch
from curate.models.training.losses import task_losses, total
from curate.models.training.measures import measure
from curate.models.training.recipe import TrainingRecipe


class _Optimised(lightning.LightningModule):
    """The recipe's optimiser and schedule, and a random state that depends on seed and step alone."""

    def __init__(self, recipe: TrainingRecipe) -> None:
        super().__init__()
        self.recipe = recipe

    def configure_optimizers(self) -> Any:
        asked = self.recipe.optimiser
        optimiser = torch.optim.AdamW(
            [p for p in self.parameters() if p.requires_grad], lr=asked.lr, weight_decay=asked.weight_decay
        )
        steps = int(self.trainer.estimated_stepping_batches)
        warm = asked.warmup * steps / self.recipe.epochs

        def factor(step: int) -> float:
            if step < warm:
                return (step + 1) / (warm + 1)
            if asked.schedule == "constant":
                return 1.0
            return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # So that a run that goes on draws what an uninterrupted one would have drawn.
        torch.manual_seed(self.recipe.seed * (1 << 32) + self.global_step)


class FaceModule(_Optimised):
    """Trains `network` on the recipe's tasks.

    Logs `loss` in training; `score` (the weighted validation loss) and every figure of `measure`.
    After a validation, `predictions` and `labels` hold what it saw.
    """

    def __init__(
        self, recipe: TrainingRecipe, network: FaceNetwork, distillation: Distillation | None = None
    ) -> None:
        super().__init__(recipe)
        # Convolutions on a CPU want a pixel's channels side by side: a quarter faster here.
        self.network: FaceNetwork = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.distillation = distillation
        self.predictions: dict[str, Tensor] = {}
        self.labels: dict[str, Tensor] = {}
        self._seen: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    def on_fit_start(self) -> None:
        if self.distillation is not None:
            self.distillation.teacher.to(self.device)

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        batch["pixels"] = batch["pixels"].contiguous(memory_format=torch.channels_last)
        features = self.network.features(batch)
        losses = task_losses(self.network.classifier(features), batch, batch["weight"])
        loss = total(losses, self._weights)
        if self.distillation is not None and self.recipe.distillation is not None:
            distance = self.distillation(batch, features)
            parts = {"features": distance.features, "predictions": distance.predictions}
            loss = loss + self.recipe.distillation.alpha * (distance.features + distance.predictions)
            losses = losses | parts
        size = len(features)
        self.log("loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=size)
        parts = {f"loss_{name}": value.detach() for name, value in losses.items()}
        self.log_dict(parts, on_step=False, on_epoch=True, batch_size=size)
        return loss

    def validation_step(self, batch: Batch, _index: int) -> None:
        made = {task: out.float().cpu() for task, out in self.network(batch).items()}
        self._seen.append((made, {task: batch[task].cpu() for task in made}))

    def on_validation_epoch_end(self) -> None:
        made, wanted = zip(*self._seen, strict=True)
        self._seen = []
        self.predictions = {task: torch.cat([one[task] for one in made]) for task in made[0]}
        self.labels = {task: torch.cat([one[task] for one in wanted]) for task in made[0]}
        score = total(task_losses(self.predictions, self.labels), self._weights)
        self.log("score", score, prog_bar=True)
        self.log_dict(measure(self.predictions, self.labels))

    @property
    def _weights(self) -> dict[str, float]:
        return {str(task): weight for task, weight in self.recipe.tasks.items()}


class MaskedModule(_Optimised):
    """Pre-trains an encoder. Logs `loss` in training and `score`, the same on the validation pictures."""

    def __init__(self, recipe: TrainingRecipe, network: MaskedAutoencoder) -> None:
        super().__init__(recipe)
        self.network = network

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        loss = self.network.loss(batch["pixels"])
        self.log("loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch["pixels"]))
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        # The same patches are hidden in every epoch.
        pixels = batch["pixels"]
        generator = torch.Generator(pixels.device).manual_seed(index)
        self.log("score", self.network.loss(pixels, generator), prog_bar=True, batch_size=len(pixels))
