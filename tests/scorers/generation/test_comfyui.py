"""ComfyUI graphs: from the first sampler back to the words, the model and the LoRAs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from curate.scorers.generation.scorer import answer
from curate.scorers.said import Said


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def graph(**more: dict[str, Any]) -> dict[str, Any]:
    """The usual graph, with nodes added or replaced."""
    return {
        "save": node("SaveImage", images=["decode", 0]),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["model", 2]),
        "sampler": node(
            "KSampler", seed=42, steps=20, cfg=7.5, sampler_name="euler", scheduler="normal", model=["model", 0],
            positive=["positive", 0], negative=["negative", 0], latent_image=["latent", 0],
        ),
        "model": node("CheckpointLoaderSimple", ckpt_name="folder\\dream.v2.safetensors"),
        "positive": node("CLIPTextEncode", text="an angry man", clip=["model", 1]),
        "negative": node("CLIPTextEncode", text="blurry", clip=["model", 1]),
        "latent": node("EmptyLatentImage", width=512, height=512),
    } | more  # fmt: skip


def told(prompt: dict[str, Any] | None, workflow: dict[str, Any] | None = None) -> dict[str, Any]:
    texts = {"prompt": prompt, "workflow": workflow}
    return answer((Said("file", {key: json.dumps(value) for key, value in texts.items() if value}),))


def test_the_usual_graph() -> None:
    assert told(graph()) == {
        "prompt": "an angry man", "negative_prompt": "blurry", "generator": "ComfyUI", "model": "dream.v2",
        "lora": None, "seed": 42, "steps": 20, "cfg": 7.5, "sampler": "euler", "metadata": "file",
        "metadata_error": None,
    }  # fmt: skip


def test_the_first_of_several_samplers_counts_wherever_it_stands() -> None:
    second = node("KSampler", seed=1, steps=9, cfg=2, sampler_name="lcm", model=["other", 0], positive=["more", 0],
                  negative=["negative", 0], latent_image=["up", 0])  # fmt: skip
    hires = graph(
        decode=node("VAEDecode", samples=["hires", 0]),
        up=node("LatentUpscale", samples=["sampler", 0]),
        other=node("CheckpointLoaderSimple", ckpt_name="refiner.ckpt"),
        more=node("CLIPTextEncode", text="sharp", clip=["other", 1]),
    )
    for full in ({"hires": second, **hires}, {**hires, "hires": second}):
        row = told(full)
        assert (row["prompt"], row["model"], row["seed"]) == ("an angry man", "dream.v2", 42)


def test_a_sampler_whose_picture_is_only_looked_at_does_not_count() -> None:
    look = {
        "0": node(
            "KSampler",
            seed=1,
            steps=9,
            cfg=2,
            sampler_name="lcm",
            model=["model", 0],
            positive=["negative", 0],
        ),
        "1": node("PreviewImage", images=["0", 0]),
    }
    assert told({**look, **graph()})["seed"] == 42


@pytest.mark.parametrize(
    ("nodes", "prompt"),
    [
        ({"positive": node("CLIPTextEncode", text=["words", 0]),
          "words": node("PrimitiveStringMultiline", value="a wistful man")}, "a wistful man"),
        ({"positive": node("CLIPTextEncode", text=["words", 0]),
          "words": node("StringConcatenate", string_a="a wistful", string_b=["x", 0], delimiter=" "),
          "x": node("DF_Text_Box", Text="man")}, "a wistful man"),
        ({"positive": node("CLIPTextEncode", text=["words", 0]),
          "words": node("ImpactWildcardProcessor", wildcard_text="a __mood__ man", populated_text="a sad man")},
         "a sad man"),
        ({"positive": node("CLIPTextEncode", text=["words", 0]),
          "words": node("ShowText|pysssss", text=["x", 0], text_0="what was shown"),
          "x": node("LLM", prompt="do it")}, "what was shown"),
        ({"positive": node("ConditioningCombine", conditioning_1=["a", 0], conditioning_2=["b", 0]),
          "a": node("ConditioningSetArea", conditioning=["c", 0]), "b": node("CLIPTextEncode", text="hills"),
          "c": node("CLIPTextEncode", text="sky")}, "sky\nhills"),
        ({"positive": node("FluxGuidance", guidance=3.5, conditioning=["a", 0]),
          "a": node("CLIPTextEncodeFlux", clip_l="a man", t5xxl="a man", guidance=3.5)}, "a man"),
        ({"positive": node("CLIPTextEncodeSDXL", text_g="a man", text_l="film")}, "a man\nfilm"),
        ({"positive": node("ControlNetApplyAdvanced", positive=["a", 0], negative=["negative", 0], image=["i", 0]),
          "a": node("CLIPTextEncode", text="led"), "i": node("LoadImage", image="x.png")}, "led"),
        ({"positive": node("Reroute", **{"": ["a", 0]}), "a": node("CLIPTextEncode", text="rerouted")}, "rerouted"),
        ({"positive": node("CLIPTextEncode", text=["s", 0]),
          "s": node("ComfySwitchNode", switch=["t", 0], on_true="yes", on_false="no"),
          "t": node("PrimitiveBoolean", value=True)}, "yes"),
        ({"positive": node("CLIPTextEncode", text=["styler", 0]),
          "negative": node("CLIPTextEncode", text=["styler", 1]),
          "styler": node("SDXLPromptStyler", text_positive="styled man", text_negative="blur", style="film")},
         "styled man"),
    ],
)  # fmt: skip
def test_words_are_found_behind(nodes: dict[str, Any], prompt: str) -> None:
    row = told(graph(**nodes))
    assert row["prompt"] == prompt
    assert row["negative_prompt"] in ("blurry", "blur")
    assert row["metadata_error"] is None


def test_zeroed_conditioning_has_no_words() -> None:
    row = told(graph(negative=node("ConditioningZeroOut", conditioning=["positive", 0])))
    assert (row["prompt"], row["negative_prompt"]) == ("an angry man", None)


def test_settings_of_a_sampler_that_is_put_together() -> None:
    row = told(graph(
        sampler=node("SamplerCustomAdvanced", noise=["n", 0], guider=["g", 0], sampler=["k", 0], sigmas=["s", 0]),
        n=node("RandomNoise", noise_seed=["seed", 0]), seed=node("CR Seed", seed=99),
        g=node("BasicGuider", model=["shift", 0], conditioning=["f", 0]),
        f=node("FluxGuidance", guidance=2.5, conditioning=["positive", 0]),
        k=node("KSamplerSelect", sampler_name="heun"),
        s=node("SplitSigmas", sigmas=["b", 0], step=3), b=node("BasicScheduler", steps=12, model=["shift", 0]),
        shift=node("ModelSamplingFlux", model=["unet", 0]), unet=node("UNETLoader", unet_name="flux1-dev.sft"),
    ))  # fmt: skip
    found = [row[name] for name in ("prompt", "negative_prompt", "model", "seed", "steps", "cfg", "sampler")]
    assert found == ["an angry man", None, "flux1-dev", 99, 12, 2.5, "heun"]


def test_loras_on_the_way_to_the_model() -> None:
    row = told(graph(
        sampler=node("KSampler", seed=1, steps=2, cfg=3, sampler_name="x", model=["a", 0], positive=["positive", 0]),
        a=node("LoraLoader", lora_name="x/film.safetensors", strength_model=0.5, strength_clip=1, model=["b", 0]),
        b=node("LoraLoaderModelOnly", lora_name="off.safetensors", strength_model=0, model=["c", 0]),
        c=node("Power Lora Loader (rgthree)", lora_1={"on": True, "lora": "noir.pt", "strength": 1},
               lora_2={"on": False, "lora": "not.pt", "strength": 1}, model=["d", 0]),
        d=node("CR Apply LoRA Stack", model=["model", 0], lora_stack=["e", 0]),
        e=node("CR LoRA Stack", switch_1="On", lora_name_1="stack.safetensors", switch_2="Off",
               lora_name_2="nor.safetensors", switch_3="On", lora_name_3="None"),
        positive=node("CLIPTextEncode", text="a man <lora:tag:1>"),
    ))  # fmt: skip
    assert row["lora"] == "film,noir,stack,tag"
    assert row["model"] == "dream.v2"


def test_a_drawing_alone_is_enough() -> None:
    def drawn(
        key: int, kind: str, values: list[Any], *slots: tuple[str, int | None], mode: int = 0
    ) -> dict[str, Any]:
        inputs = [{"name": name, "link": link} for name, link in slots]
        return {"id": key, "type": kind, "widgets_values": values, "inputs": inputs, "mode": mode}

    workflow = {
        "nodes": [
            drawn(1, "CheckpointLoaderSimple", ["dream.ckpt"]),
            drawn(2, "CLIPTextEncode", ["an angry man"], ("clip", 1)),
            drawn(3, "CLIPTextEncode", ["blurry"], ("clip", 1)),
            drawn(4, "KSampler", [42, "randomize", 20, 7.5, "euler", "normal", 1], ("model", 5), ("positive", 2),
                  ("negative", 3)),
            drawn(5, "LoraLoader", ["film.pt", 1, 1], ("model", 4)),
            drawn(6, "KSampler", [1, "fixed", 2, 3, "x", "y", 1], ("positive", 3), mode=2),
        ],
        "links": [[1, 1, 1, 2, 0, "CLIP"], [2, 2, 0, 4, 1, "CONDITIONING"], [3, 3, 0, 4, 2, "CONDITIONING"],
                  [4, 1, 0, 5, 0, "MODEL"], [5, 5, 0, 4, 0, "MODEL"]],
    }  # fmt: skip
    row = told(None, workflow)
    assert row == told(graph()) | {"lora": "film", "model": "dream"}
    assert told({"broken": {}}, workflow)["prompt"] == "an angry man"


def test_a_graph_may_go_in_circles() -> None:
    row = told(
        graph(positive=node("Reroute", a=["negative", 0]), negative=node("Reroute", a=["positive", 0]))
    )
    assert row["prompt"] is None
    assert row["metadata_error"] == "file: no text leads to the sampler of the graph"
