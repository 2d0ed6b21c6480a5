"""Programs with a format of their own: what `sd-parsers` reads of them, and what it leaves out.

InvokeAI, NovelAI and Fooocus are read by `sd-parsers`; SwarmUI, RuinedFooocus, Stability Matrix, TensorArt, Civitai,
Draw Things, Hugging Face spaces and Midjourney are not known to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from curate.scorers.generation.found import Raw, UnreadableError, load_object, merged
from curate.scorers.generation.plain import read_plain

_INVOKEAI = ("invokeai_metadata", "sd-metadata", "Dream")
_JOB = re.compile(r" ?[0-9a-f]{8}-[0-9a-f-]{27}")
_MAX_LEGACY = 100_000


def read_invokeai(said: Mapping[str, Any]) -> Raw | None:
    """InvokeAI of any age: `invokeai_metadata`, `sd-metadata` or `Dream`."""
    key = next((key for key in _INVOKEAI if isinstance(said.get(key), str)), None)
    if key is None:
        return None
    from sd_parsers.parsers import InvokeAIParser

    text = said[key]
    if key != "invokeai_metadata" and len(text) > _MAX_LEGACY:
        raise UnreadableError(f"`{key}` is too long: {len(text):,} characters")
    # Its patterns take long over long blanks.
    text = " ".join(text.split()) if key == "Dream" else text
    raw = {} if key == "Dream" else _plain(load_object(text, key))
    return merged(_parsed(InvokeAIParser(), {key: text}), raw) | {"generator": "InvokeAI"}


def read_novelai(said: Mapping[str, Any]) -> Raw | None:
    """NovelAI: a JSON text `Comment` beside its name; the words for single characters follow the prompt."""
    if not isinstance(said.get("Comment"), str) or "novelai" not in _told_by(said):
        return None
    from sd_parsers.parsers import NovelAIParser

    comment = load_object(said["Comment"], "Comment")
    source = said.get("Source") or said.get("Software") or ""
    given = {"Comment": said["Comment"], "Description": said.get("Description") or "", "Source": source}
    raw: Raw = _parsed(NovelAIParser(), given) if isinstance(given["Description"], str) else {}
    own = {
        "steps": comment.get("steps"), "seed": comment.get("seed"), "cfg": comment.get("scale"),
        "sampler": comment.get("sampler"), "generator": "NovelAI", "model": raw.get("model"),
        "prompt": _with_characters(comment, "v4_prompt", comment.get("prompt") or raw.get("prompt")),
        "negative_prompt": _with_characters(
            comment, "v4_negative_prompt", comment.get("uc") or raw.get("negative_prompt")
        ),
    }  # fmt: skip
    return merged(own, raw)


def read_object(said: Mapping[str, Any]) -> Raw | None:
    """A JSON object with the fields of one picture: SwarmUI, Fooocus, RuinedFooocus, Draw Things, a space ..."""
    swarm = said.get("sui_image_params")
    if isinstance(swarm, Mapping):
        return _plain(swarm) | {"generator": "SwarmUI"}
    if isinstance(said.get("c"), str) and "uc" in said:
        return _plain(said) | {"prompt": said["c"], "cfg": said.get("scale"), "generator": "Draw Things"}
    raw = read_plain(said, certain=False)
    if "base_model" in said and "guidance_scale" in said:
        from sd_parsers.parsers import FooocusParser

        with_loras = [value for key, value in said.items() if re.fullmatch(r"lora_combined_\d+", str(key))]
        names = [str(value).rpartition(" : ")[0] for value in with_loras]
        fooocus = _parsed(FooocusParser(), {"parameters": json.dumps(dict(said))}, or_nothing=True)
        return merged(merged(fooocus, raw or {}), {"lora": names}) | {"generator": "Fooocus"}
    if raw is not None and "num_inference_steps" in said and "resolution" in said:
        raw["generator"] = "Hugging Face Space"
    return raw


def read_named(said: Mapping[str, Any]) -> Raw | None:
    """TensorArt's `generation_data`, Stability Matrix's `parameters-json`, Civitai's `extraMetadata`, Midjourney."""
    named = {
        "generation_data": "TensorArt",
        "parameters-json": "Stability Matrix",
        "extraMetadata": "Civitai",
    }
    for key, program in named.items():
        if isinstance(said.get(key), (str, Mapping)):
            value = said[key].rstrip("\0 ") if isinstance(said[key], str) else said[key]
            return _plain(load_object(value, key)) | {"generator": program}
    description = said.get("Description")
    if isinstance(description, str):
        words, _, job = description.partition(" Job ID:")
        if _JOB.match(job[:40]):
            prompt, _, options = words.partition(" --")
            seed = re.search(r"seed (\d{1,20})", options[:1000])
            return {"prompt": prompt, "generator": "Midjourney", "seed": seed and seed[1]}
    return None


def _plain(said: Mapping[str, Any]) -> Raw:
    return read_plain(said, certain=True) or {}


def _told_by(said: Mapping[str, Any]) -> str:
    return " ".join(str(said.get(key, ""))[:100] for key in ("Software", "Source", "Title")).lower()


def _with_characters(comment: Mapping[str, Any], key: str, base: object) -> object:
    """A prompt of NovelAI 4, whose characters have prompts of their own."""
    caption = comment.get(key)
    caption = caption.get("caption") if isinstance(caption, Mapping) else None
    characters = caption.get("char_captions") if isinstance(caption, Mapping) else None
    said = (
        [c.get("char_caption") for c in characters if isinstance(c, Mapping)]
        if isinstance(characters, list)
        else []
    )
    return [base, *said] if any(said) else base


def _parsed(parser: Any, given: dict[str, Any], *, or_nothing: bool = False) -> Raw:
    """What a parser of `sd-parsers` makes of it."""
    from sd_parsers.exceptions import ParserError

    try:
        info = parser.parse(given)
    except ParserError as error:
        if or_nothing:
            return {}
        raise UnreadableError(str(error)) from None
    if not info.samplers:
        return {}
    sampler = info.samplers[0]
    return {
        "prompt": _joined(sampler.prompts),
        "negative_prompt": _joined(sampler.negative_prompts),
        "model": sampler.model and (sampler.model.name or sampler.model.hash),
        "seed": sampler.parameters.get("seed"),
        "steps": sampler.parameters.get("steps"),
        "cfg": sampler.parameters.get("cfg_scale"),
        "sampler": sampler.name,
    }


def _joined(prompts: Any) -> str | None:
    return ", ".join(prompt.value for prompt in prompts if isinstance(prompt.value, str)) or None
