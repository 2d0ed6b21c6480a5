"""A ComfyUI workflow as it was drawn, brought to the form in which it is run, for files that hold nothing else.

The drawing gives the values of a node as a list, `widgets_values`, without their names. Newer drawings name them
among the inputs; of the usual nodes the order is known; of others, texts are taken for texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curate.scorers.generation.found import UnreadableError
from curate.scorers.generation.graph import MAX_NODES

_SEEDS = ("seed", "noise_seed")
_AFTER_SEED = frozenset(("fixed", "increment", "decrement", "randomize"))
_MUTED, _BYPASSED = 2, 4
# Values in their order, without the one after a seed that says what becomes of it.
_WIDGETS = {
    "KSampler": "seed steps cfg sampler_name scheduler denoise",
    "KSamplerAdvanced": "add_noise noise_seed steps cfg sampler_name scheduler start_at_step end_at_step",
    "SamplerCustom": "add_noise noise_seed cfg",
    "KSampler (Efficient)": "seed steps cfg sampler_name scheduler denoise",
    "KSamplerSelect": "sampler_name",
    "BasicScheduler": "scheduler steps denoise",
    "RandomNoise": "noise_seed",
    "CFGGuider": "cfg",
    "FluxGuidance": "guidance",
    "CheckpointLoaderSimple": "ckpt_name",
    "CheckpointLoader": "config_name ckpt_name",
    "UNETLoader": "unet_name weight_dtype",
    "UnetLoaderGGUF": "unet_name",
    "LoraLoader": "lora_name strength_model strength_clip",
    "LoraLoaderModelOnly": "lora_name strength_model",
    "CLIPTextEncode": "text",
    "CLIPTextEncodeFlux": "clip_l t5xxl guidance",
    "CLIPTextEncodeSDXL": "width height crop_w crop_h target_width target_height text_g text_l",
    "PrimitiveNode": "value",
    "PrimitiveString": "value",
    "PrimitiveStringMultiline": "value",
    "StringConcatenate": "string_a string_b delimiter",
    "Efficient Loader": (
        "ckpt_name vae_name clip_skip lora_name lora_model_strength lora_clip_strength positive negative"
    ),
}  # fmt: skip


def as_run(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """The graph that a drawing stands for: `{"3": {"class_type": ..., "inputs": ...}, ...}`.

    Muted nodes are left out; bypassed ones keep their links and lose their values.

    Raises:
        UnreadableError: this is no drawing, or its nodes are all inside subgraphs.
    """
    nodes = workflow.get("nodes")
    if not isinstance(nodes, Sequence) or isinstance(nodes, str) or len(nodes) > MAX_NODES:
        raise UnreadableError("the workflow has no list of nodes")
    links = dict(_links(workflow.get("links")))
    graph: dict[str, Any] = {}
    for node in nodes:
        if (
            not isinstance(node, Mapping)
            or not isinstance(node.get("type"), str)
            or node.get("mode") == _MUTED
        ):
            continue
        inputs: dict[str, Any] = {} if node.get("mode") == _BYPASSED else _values(node)
        for slot in _slots(node):
            if (origin := links.get(str(slot.get("link")))) is not None:
                inputs[str(slot.get("name"))] = origin
        graph[str(node.get("id"))] = {"class_type": node["type"], "inputs": inputs}
    if workflow.get("definitions") and not any("ampler" in node["class_type"] for node in graph.values()):
        raise UnreadableError(
            "the sampler is inside a subgraph of the workflow, and there is no graph as it was run"
        )
    return graph


def _links(links: object) -> Iterator[tuple[str, list[Any]]]:
    """Where each link comes from, by its number."""
    for link in links if isinstance(links, Sequence) else ():
        if isinstance(link, Sequence) and len(link) >= 5 and isinstance(link[2], int):
            yield str(link[0]), [str(link[1]), link[2]]
        elif isinstance(link, Mapping) and isinstance(link.get("origin_slot"), int):
            yield str(link.get("id")), [str(link.get("origin_id")), link["origin_slot"]]


def _slots(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    slots = node.get("inputs")
    return [slot for slot in slots if isinstance(slot, Mapping)] if isinstance(slots, list) else []


def _values(node: Mapping[str, Any]) -> dict[str, Any]:
    values = node.get("widgets_values")
    if isinstance(values, Mapping):
        return {str(name): value for name, value in values.items()}
    if not isinstance(values, list):
        return {}
    named = [str(slot.get("name")) for slot in _slots(node) if slot.get("widget")]
    known = _WIDGETS.get(node["type"], "").split()
    if not known and len(named) < len(values) - 1:
        texts = [value for value in values if isinstance(value, str)]
        wordy = any(word in node["type"].lower() for word in ("text", "prompt", "string"))
        return {"text": texts[0]} if wordy and texts else {}
    left = iter(values)
    found: dict[str, Any] = {}
    for name in known or named:
        value = next(left, None)
        if found and list(found)[-1] in _SEEDS and isinstance(value, str) and value in _AFTER_SEED:
            value = next(left, None)
        found[name] = value
    return found
