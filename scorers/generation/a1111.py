"""The text that AUTOMATIC1111 began and Forge, reForge, SD.Next, Fooocus, Civitai and ComfyUI's savers write:

    a portrait of a furious man, <lora:film:0.6>
    Negative prompt: blurry
    Steps: 20, Sampler: DPM++ 2M, CFG scale: 6, Seed: 42, Size: 512x512, Model: dreamshaper_8, Version: v1.10.1

`sd-parsers` takes the last line apart at every comma, quoted or not, and wants a sampler; this reader goes by the
rules of AUTOMATIC1111 itself (`modules/infotext_utils.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress

from curate.scorers.generation.found import Raw

# As in AUTOMATIC1111, but names have an end: without, a line of letters takes quadratic time.
_SETTING = re.compile(r'\s{0,9}([A-Za-z][\w \-/]{0,60}):\s{0,9}("(?:\\.|[^\\"]){1,20000}"|[^,]*)(?:,|$)')
_STEPS = re.compile(r"(?:^|(?<=\s))Steps: ?\d")
_HASHES = re.compile(r"(?:,\s{0,9})?Hashes:\s{0,9}(\{[^{}]{0,20000}\})")
_KNOWN = frozenset(("steps", "sampler", "seed", "size", "model", "version", "cfg scale", "model hash"))
_NEGATIVE = re.compile(r"^\s{0,9}Negative prompt:", re.MULTILINE)
_UNTOLD = frozenset(("unknown", "undefined"))
_MAX_SETTINGS = 65_536
_WEIGHTS_ENDING = (".safetensors", ".ckpt", ".gguf")


def read_parameters(text: str) -> Raw | None:
    """What such a text says; None where it has no line of settings.

    A prompt that is just `unknown` (a saver that was never told) is none. `cfg` is the distilled guidance where
    the other is off (1) or missing. Without a version the program is AUTOMATIC1111, whose early versions wrote
    none, unless the model is named with its ending, as only ComfyUI's savers do.
    """
    start = _settings_start(text)
    if start is None:
        return None
    prompt, negative = _prompts(text[:start])
    line = _line(text, start)
    hashes: object = None
    if found := _HASHES.search(line):
        with suppress(ValueError, RecursionError):
            hashes = json.loads(found[1])
        line = line[: found.start()] + line[found.end() :]
    settings: dict[str, str] = {}
    for key, value in _settings(line):
        settings.setdefault(key.lower(), value)
    cfg, distilled = settings.get("cfg scale"), settings.get("distilled cfg scale")
    return {
        "prompt": None if prompt.strip().lower() in _UNTOLD else prompt,
        "negative_prompt": None if negative.strip().lower() in _UNTOLD else negative,
        "generator": _generator(settings),
        "model": settings.get("model") or settings.get("model hash"),
        "lora": _loras(settings, hashes),
        "seed": settings.get("seed"),
        "steps": settings.get("steps"),
        "cfg": distilled if distilled and cfg in (None, "", "1", "1.0") else cfg,
        "sampler": settings.get("sampler"),
        "why": "the prompt stands there as `unknown`" if prompt.strip().lower() in _UNTOLD else None,
    }


def _settings_start(text: str) -> int | None:
    """Where the settings begin: at the last `Steps: N` that more of them follow, else at the last line that is full."""
    starts = [found.start() for found in _STEPS.finditer(text)][-20:]
    for start in reversed(starts):
        if _known(_line(text, start)[:2000]) >= 2:
            return start
    end = len(text)
    for _ in range(20):
        start = text.rfind("\n", 0, end) + 1
        if _known(text[start : min(end, start + 2000)]) >= 3:
            return start
        if start == 0:
            return None
        end = start - 1
    return None


def _line(text: str, start: int) -> str:
    return text[start : start + _MAX_SETTINGS].partition("\n")[0]


def _known(line: str) -> int:
    return len(_KNOWN & {key.lower() for key, _ in _settings(line)})


def _settings(line: str) -> list[tuple[str, str]]:
    return [(key.strip(), _unquoted(value)) for key, value in _SETTING.findall(line)]


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        with suppress(ValueError):
            return str(json.loads(value))
    return value.strip()


def _prompts(text: str) -> tuple[str, str]:
    found = _NEGATIVE.search(text)
    if found:
        return text[: found.start()], text[found.end() :]
    # All on one line: somebody has lost the line breaks.
    prompt, _, negative = text.partition("Negative prompt:")
    return prompt, negative


def _generator(settings: Mapping[str, str]) -> str:
    version, app = settings.get("version", ""), settings.get("app", "")
    named = {"sd.next": "SD.Next", "sdnext": "SD.Next"}.get(app.lower())
    if named:
        return named
    patterns = {
        r"ComfyUI": "ComfyUI", r"Fooocus": "Fooocus", r"neo": "Forge Neo", r"classic": "Forge Classic",
        r"f1\.": "reForge", r"f\d": "Forge", r"v?\d": "AUTOMATIC1111",
    }  # fmt: skip
    for pattern, program in patterns.items():
        if re.match(pattern, version, re.IGNORECASE):
            return program
    if "civitai resources" in settings:
        return "Civitai"
    from_comfy = settings.get("model", "").lower().endswith(_WEIGHTS_ENDING)
    return "ComfyUI" if from_comfy and not version else "AUTOMATIC1111"


def _loras(settings: Mapping[str, str], hashes: object) -> list[str]:
    names = [entry.partition(":")[0] for entry in settings.get("lora hashes", "").split(",")]
    if isinstance(hashes, dict):
        names += [key.partition(":")[2] for key in hashes if key.lower().startswith("lora:")]
    return names
