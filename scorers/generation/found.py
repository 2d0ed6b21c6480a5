"""What a reader finds, and how it becomes values of the catalogue.

Readers give `Raw`: any of the fields below, with values of whatever type stood in the file, and `why` where they
know why there is no prompt. `clean` makes the catalogue's types of the fields: a wrong type, a number out of range
or an empty text is no answer (None).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

Raw = dict[str, Any]

FIELDS = (
    "prompt", "negative_prompt", "generator", "model", "lora", "seed", "steps", "cfg", "sampler"
)  # fmt: skip

MAX_TEXT = 4 << 20
"""Characters of one text that are read; a longer one is refused unread."""
MAX_PROMPT = 65_536
"""Characters of a prompt that are kept."""
_MAX_NAME = 512
_MAX_LORAS = 100

# Control characters but line feed and tab, and halves of surrogate pairs, which no UTF-8 file can hold.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_WEIGHTS = re.compile(r"\.(safetensors|ckpt|pth?|bin|gguf|sft|onnx)$", re.IGNORECASE)
_LORA_TAG = re.compile(r"<(?:lora|lyco):([^:<>]{1,200})[:>]", re.IGNORECASE)
_NOTHING = frozenset(("", "none", "null", "nan", "unknown", "undefined", "n/a"))


class UnreadableError(ValueError):
    """A text that should hold generation data does not; the message says why, in words."""


def load_json(text: str, name: str) -> Any:
    """What a JSON text says; UnreadableError where it is too long, too deep, or no JSON."""
    if len(text) > MAX_TEXT:
        raise UnreadableError(f"`{name}` is too long: {len(text):,} characters, and {MAX_TEXT:,} are read")
    try:
        return json.loads(text)
    except RecursionError:
        raise UnreadableError(f"`{name}` is nested too deeply") from None
    except ValueError as error:
        raise UnreadableError(f"`{name}` is no JSON: {str(error)[:100]}") from None


def load_object(value: object, name: str) -> Mapping[str, Any]:
    """A JSON object, given as text or as it is; UnreadableError where it is none."""
    if isinstance(value, str):
        value = load_json(value, name)
    if not isinstance(value, Mapping):
        raise UnreadableError(f"`{name}` is no JSON object")
    return value


def merged(first: Raw, then: Raw) -> Raw:
    """`first`, with what it lacks from `then`. A negative prompt stays with its prompt."""
    lacking = {name: value for name, value in then.items() if first.get(name) is None}
    if first.get("prompt") is not None:
        lacking.pop("negative_prompt", None)
    return first | lacking


def clean(raw: Raw) -> Raw:
    """Every field in the catalogue's type, None where there is no answer.

    Text is str without control characters and lone surrogates, `seed` an int in [0, 2**64), `steps` one in
    [0, 2**31), `cfg` a finite float, `lora` names joined by commas.
    """
    prompt, negative = text(raw.get("prompt")), text(raw.get("negative_prompt"))
    tags = _LORA_TAG.findall(prompt or "")
    return {
        "prompt": prompt,
        "negative_prompt": negative,
        "generator": name(raw.get("generator")),
        "model": weights(raw.get("model")),
        "lora": loras([raw.get("lora"), tags]),
        "seed": whole(raw.get("seed"), 2**64 - 1),
        "steps": whole(raw.get("steps"), 2**31 - 1),
        "cfg": number(raw.get("cfg")),
        "sampler": name(raw.get("sampler")),
    }


def text(value: object) -> str | None:
    """Text fit for a Parquet file and a terminal, None where there is none. A list of texts is joined by lines."""
    if isinstance(value, (list, tuple)):
        value = "\n".join(item for item in value[:100] if isinstance(item, str))
    if not isinstance(value, str):
        return None
    value = value[: 2 * MAX_PROMPT].replace("\r\n", "\n").replace("\r", "\n")
    value = _UNFIT.sub(lambda found: "\ufffd" if found[0] >= "\ud800" else "", value).strip()
    return value[:MAX_PROMPT].rstrip() or None


def name(value: object) -> str | None:
    """A short text on one line; words for nothing (`None`, `unknown`) are nothing."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    words = " ".join((text(str(value)[: 4 * _MAX_NAME]) or "").split())[:_MAX_NAME]
    return None if words.lower() in _NOTHING else words


def weights(value: object) -> str | None:
    """A file of weights by its name: no folder, no extension."""
    if isinstance(value, Mapping):
        keys = ("name", "model_name", "modelName", "modelFileName", "lora", "label")
        value = next((value[key] for key in keys if isinstance(value.get(key), str)), None)
    if not isinstance(value, str) or (words := name(value)) is None:
        return None
    last = re.split(r"[\\/]", words.rstrip("\\/"))[-1]
    return name(_WEIGHTS.sub("", last))


def loras(value: object) -> str | None:
    """Names of LoRAs, sorted, joined by commas.

    Args:
        value: a text with commas, a file's name, an object that names one (`name`, `model_name`, `lora`), or
            lists of these.
    """
    names: set[str] = set()
    waiting = [value]
    while waiting and len(names) < _MAX_LORAS:
        item = waiting.pop()
        if isinstance(item, (list, tuple)):
            waiting += item[:_MAX_LORAS]
        elif isinstance(item, Mapping):
            # InvokeAI: {"model": {"name": ...}, "weight": ...}
            waiting.append(weights(item) or item.get("model") or item.get("model_name"))
        elif isinstance(item, str) and "," in item:
            waiting += item.split(",")[:_MAX_LORAS]
        elif found := weights(item):
            names.add(found.replace(",", " "))
    return ",".join(sorted(names)) or None


def whole(value: object, most: int) -> int | None:
    """A whole number in [0, most], also one that is written as text or as a float without a fraction."""
    if isinstance(value, str):
        value = value.strip()[:40]
        if re.fullmatch(r"\d+", value, re.ASCII):
            value = int(value)
        elif (found := number(value)) is not None:
            value = found
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        return None
    return value


def number(value: object) -> float | None:
    """A finite number of at most a million, also one that is written as text, be it as half of Europe does (7,5)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = value.strip()[:40]
        # Three digits after a comma are thousands elsewhere, and nobody's guess.
        if re.fullmatch(r"[-+]?\d+,\d{1,2}", value, re.ASCII):
            value = value.replace(",", ".")
    if not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and abs(found) <= 1e6 else None
