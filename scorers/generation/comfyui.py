"""ComfyUI, and what runs on it: the graph as it was run (`prompt`), or else as it was drawn (`workflow`).

`sd-parsers` gives the prompts of all samplers in one text, and nothing for a graph without its drawing, without
`KSampler`, or with text from other nodes; this reader goes back from the first sampler of the picture that is saved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from curate.scorers.generation.drawn import as_run
from curate.scorers.generation.found import Raw, UnreadableError, load_object, number
from curate.scorers.generation.graph import MAX_DEPTH, Graph, Node
from curate.scorers.generation.graph_text import Side, Words

_MODELS = (
    "ckpt_name", "unet_name", "base_ckpt_name", "ckpt_name_1", "gguf_name", "model_name", "model_path", "checkpoint",
    "model",
)  # fmt: skip
_SETTINGS = frozenset(("seed", "noise_seed", "noise", "steps", "sigmas", "sampler_name"))
_LEADS_TO_MODEL = re.compile(
    r"^(?!upscale|style|control|clip|vae)"
    r".*(?:model|unet|pipe|lora|guider|any|input|on_true|on_false|value|optional)|^$"
)
_LORA = re.compile(r"lora(?:_name)?(?:_?(\d{1,2}))?")
_MAX_SAMPLERS = 16
_OFF = frozenset(("off", "false", "disabled"))


def read_comfyui(said: Mapping[str, Any]) -> Raw | None:
    """What a graph says.

    Args:
        said: texts or objects by key; `prompt` and `workflow` are looked at.

    Raises:
        UnreadableError: there is a graph, but it makes no sense, or has no sampler.
    """
    trouble: UnreadableError | None = None
    for key, convert in (("prompt", dict), ("workflow", as_run)):
        value = said.get(key)
        if not isinstance(value, Mapping) and not (isinstance(value, str) and value.lstrip()[:1] == "{"):
            continue
        try:
            return read_graph(Graph(convert(load_object(value, key))))
        except UnreadableError as error:
            trouble = trouble or error
    if trouble is not None:
        raise trouble
    return None


def read_graph(graph: Graph) -> Raw:
    """The settings and words of a graph's first sampler, and its model with the LoRAs on the way.

    `cfg` is Flux's distilled guidance where the other is off (1) or missing.
    """
    sampler = _base_sampler(graph)
    if sampler is None:
        raise UnreadableError("the graph has no sampler")
    inputs = sampler.inputs
    guider = graph.node(inputs.get("guider"))
    source = guider if guider is not None else sampler
    words = Words(graph)
    model, loras = _model(graph, source)
    cfg = next((graph.value(source.inputs[k]) for k in ("cfg", "cfg_conds") if k in source.inputs), None)
    if number(cfg) in (None, 1.0):
        cfg = _guidance(graph, _conditioning(source, "positive")) or cfg
    prompt = words.of(_conditioning(source, "positive"), "positive")
    return {
        "prompt": prompt,
        "negative_prompt": words.of(_conditioning(source, "negative"), "negative"),
        "generator": "ComfyUI",
        "model": model,
        "lora": loras,
        "seed": _setting(graph, sampler, ("seed", "noise_seed", "seed_value"), "noise"),
        "steps": _setting(graph, sampler, ("steps",), "sigmas"),
        "cfg": cfg,
        "sampler": _setting(graph, sampler, ("sampler_name",), "sampler"),
        "why": "no text leads to the sampler of the graph" if prompt is None else None,
    }


def _is_sampler(graph: Graph, node: Node) -> bool:
    inputs = node.inputs
    if not _SETTINGS & inputs.keys():
        return False
    fed = ("guider", "positive", "text_embeds", "pipe", "basic_pipe", "conditioning")
    if any(graph.node(inputs.get(name)) is not None for name in fed):
        return "loader" not in node.kind
    # A service's node, all in one.
    return isinstance(inputs.get("prompt", inputs.get("positive")), str) and "seed" in inputs


def _base_sampler(graph: Graph) -> Node | None:
    """The sampler that no other one feeds, of those behind the pictures that are saved."""
    saved = [n for n in graph.nodes.values() if "save" in n.kind and any(graph.links(n))]
    samplers = [n for n in graph.upstream(saved).values() if _is_sampler(graph, n)]
    samplers = samplers or [n for n in graph.nodes.values() if _is_sampler(graph, n)]
    keys = {node.key for node in samplers}
    order = {key: i for i, key in enumerate(graph.nodes)}
    before = {
        node.key: len(keys & graph.upstream([node]).keys()) for node in samplers[:_MAX_SAMPLERS]
    }  # itself included; a few are enough to look at
    return min(samplers[:_MAX_SAMPLERS], key=lambda n: (before[n.key], order[n.key]), default=None)


def _conditioning(source: Node, side: Side) -> object:
    """The input of a sampler or guider that holds a prompt."""
    names = {
        "positive": ("positive", "cond1", "conditioning", "text_embeds", "pipe", "basic_pipe", "prompt"),
        "negative": ("negative", "text_embeds", "pipe", "basic_pipe", "negative_prompt"),
    }[side]
    return next((source.inputs[name] for name in names if name in source.inputs), None)


def _setting(graph: Graph, sampler: Node, names: tuple[str, ...], by_way_of: str) -> object:
    """A sampler's own setting, or that of the node which gives it its noise, sigmas or sampler."""
    holders = [sampler]
    if (start := graph.node(sampler.inputs.get(by_way_of))) is not None:
        holders += list(graph.upstream([start]).values())[:MAX_DEPTH]
    for node in holders:
        for name in names:
            found = graph.value(node.inputs[name]) if name in node.inputs else None
            if found is not None:
                return found
    return None


def _guidance(graph: Graph, conditioning: object) -> object:
    """Flux's distilled guidance, which stands in a node on the way to the words."""
    start = graph.node(conditioning)
    for node in graph.upstream([start]).values() if start is not None else ():
        if "guidance" in node.inputs:
            return graph.value(node.inputs["guidance"])
    return None


def _model(graph: Graph, source: Node) -> tuple[object, list[object]]:
    """The file of weights behind a sampler, the nearest one, and the LoRAs that are applied on the way."""
    model: object = None
    loras: list[object] = []
    seen, waiting = {source.key}, [source]
    for node in waiting:
        loras += _loras(graph, node)
        if model is None and node is not source:
            # A link called `model` leads on; one called `ckpt_name` leads to a text.
            names = [
                n for n in _MODELS if n in node.inputs and not (n == "model" and graph.node(node.inputs[n]))
            ]
            found = (graph.value(node.inputs[name]) for name in names)
            model = next((value for value in found if isinstance(value, str)), None)
        for name, feeder in graph.links(node):
            if feeder.key not in seen and _LEADS_TO_MODEL.search(name):
                seen.add(feeder.key)
                waiting.append(feeder)
    return model, loras


def _loras(graph: Graph, node: Node) -> list[object]:
    """The LoRAs that a node loads: one, numbered ones with switches, or rgthree's objects."""
    found: list[object] = []
    for name, value in node.inputs.items():
        matched = _LORA.fullmatch(name)
        if not matched:
            continue
        number_ = matched[1]
        if isinstance(value, Mapping):
            if value.get("on", True) and value.get("strength") != 0:
                found.append(value.get("lora"))
            continue
        said = {k: str(graph.value(v)).lower() for k, v in node.inputs.items() if _belongs(k, number_)}
        strengths = [v for k, v in said.items() if k.startswith(("strength", "model_weight", "lora_wt"))]
        on = not _OFF & {v for k, v in said.items() if k.startswith(("switch", "on", "enable"))}
        if on and not (strengths and all(number(s) == 0 for s in strengths)):
            found.append(graph.value(value))
    return found


def _belongs(name: str, number_: str | None) -> bool:
    """Whether an input is about the LoRA of this number."""
    digits = re.search(r"(\d{1,2})$", name)
    return (digits[1] if digits else None) == number_
