"""Fields by their usual names: JSON of smaller tools, sidecars, metadata tables, and the columns of data sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from curate.scorers.generation.found import FIELDS, Raw

# The names that are in use, the surest first; compared without case, blanks and underscores.
NAMES: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt", "positiveprompt", "positive", "fullprompt", "text", "caption"),
    "negative_prompt": ("negativeprompt", "negative", "fullnegativeprompt", "uc"),
    "generator": ("generator", "software", "app"),
    "model": (
        "model", "modelname", "basemodel", "basemodelname", "checkpoint", "ckpt", "ckptname", "sdmodel",
        "usestablediffusionmodel", "modelid",
    ),
    "lora": ("lora", "loras", "loraname", "loranames", "useloramodel", "loramodels"),
    "seed": ("seed", "noiseseed"),
    "steps": ("steps", "numinferencesteps", "samplingsteps"),
    "cfg": ("cfg", "cfgscale", "guidancescale", "guidance"),
    "sampler": ("sampler", "samplername", "ksamplername", "scheduler", "schedulername"),
}  # fmt: skip
_SETTINGS = ("seed", "steps", "cfg", "sampler", "model")
_BETWEEN = re.compile(r"[\W_]+")


def field_of(name: str) -> str | None:
    """The field that a column or key of this name fills; None where it fills none."""
    squeezed = _BETWEEN.sub("", name[:100].lower())
    return next((field for field in FIELDS if squeezed in NAMES[field]), None)


def read_plain(said: Mapping[str, Any], *, certain: bool) -> Raw | None:
    """What stands under usual names.

    Args:
        said: values by name.
        certain: this is about a generated picture. Where that is not certain (the chunks of a picture's file, any
            JSON beside it), two settings are needed beside a prompt.
    """
    squeezed: dict[str, Any] = {}
    for key, value in said.items():
        if isinstance(key, str) and value is not None and value != "":
            squeezed.setdefault(_BETWEEN.sub("", key[:100].lower()), value)
    raw: Raw = {}
    for field, names in NAMES.items():
        found = next((squeezed[name] for name in names if name in squeezed), None)
        if found is not None:
            raw[field] = found
    if not certain and ("prompt" not in raw or sum(name in raw for name in _SETTINGS) < 2):
        return None
    return raw or None
