"""Real headers of some twenty-five tools: each yields what its chunks say, or says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate.scorers.decode import decode
from curate.scorers.generation.scorer import answer
from curate.scorers.said import Said

MIKU = "general, masterpiece, best quality, amazing quality, \n1girl, solo, hatsune miku,"
BAD = "bad quality, worst quality, worst detail, sketch, censor,"
WAI = "waiIllustriousSDXL_v160"
# What has no words in its file, and why.
WITHOUT = {
    "comfyui_examples__3d__stable_zero123_example.png": "no text leads to the sampler",
    "sdmeta_enslo__samples__webp__comfyui-comfy-image-saver.webp": "stands there as `unknown`",
}

# Read with one's own eyes in the chunks: generator, prompt's beginning, negative's, model, seed, steps, cfg, sampler.
EXPECTED: dict[str, tuple[Any, ...]] = {
    "jpg__civitai-hires.jpg": (
        "Civitai", f"{MIKU} #テスト", BAD, "urn:air:sdxl:checkpoint:civitai:827184@2514310", 1311178179, 25, 5,
        "euler_ancestral",
    ),
    "jpg__comfyui-save-image-extended.jpeg": ("ComfyUI", MIKU, BAD, WAI, 813617545434765, 20, 5, "euler_ancestral"),
    "jpg__forge-classic-hires.jpeg": ("Forge Classic", MIKU, BAD, WAI, 3452054396, 20, 6, "DPM++ 2M"),
    "jpg__swarmui.jpg": ("SwarmUI", f"{MIKU} #テスト", BAD, WAI, 697543491, 20, 7, "euler_ancestral"),
    "png__comfyui-anima.png": ("ComfyUI", MIKU, BAD, "anima-preview", 662066908990052, 24, 5, "euler"),
    "png__comfyui-comfy-image-saver.png": ("ComfyUI", MIKU, BAD, WAI, 106744160813738, 20, 5, "euler_ancestral"),
    "png__comfyui-comfyroll.png": (
        "ComfyUI", f"{MIKU} #テスト", BAD, "waiNSFWIllustrious_v140", 942975376742792, 30, 6, "euler_ancestral"
    ),
    "png__comfyui-hires.png": ("ComfyUI", MIKU, BAD, WAI, 1116526567339338, 20, 5, "euler_ancestral"),
    "png__easy-reforge.png": (
        "reForge", "1girl, solo, hatsune miku, テスト, \n<lora:NoobV065sHyperDmd:1> masterpiece",
        "bad anatomy, worst quality, low quality", "copycatNoob_v11", 2582194946, 4, 1, "LCM",
    ),
    "png__forge-neo-adetailer.png": (
        "Forge Neo", "general, masterpiece, best quality, amazing quality,\n1girl, solo, hatsune miku, テスト", BAD,
        "waiNSFWIllustrious_v140", 4179307297, 24, 4, "Euler a",
    ),
    "png__huggingface-space.png": (
        "Hugging Face Space", f"{MIKU} テスト", BAD, "WAI NSFW illustrious SDXL v16", 443800072, 24, 5.5,
        "DPM++ 2M Karras",
    ),
    "png__invokeai.png": ("InvokeAI", f"{MIKU} #テスト", BAD, WAI, 3951921344, 24, 6, "euler_a"),
    "png__krea2.png": (
        "ComfyUI", "初音ミクのポートレート。美麗な2Dアニメイラスト。白背景。", None, "krea2_turbo_int8_convrot",
        371644226245214, 8, 1, "euler",
    ),
    "png__novelai-full-3char.png": (
        "NovelAI",
        "2girls, 1boy, dancing, #テスト\nwhite background, , very aesthetic, masterpiece, no text\n"
        "girl, hatsune miku, spread arms, \ngirl, kagamine rin, hand up, \nboy, kagamine len, hand up,",
        "nsfw, lowres, artistic error", "NovelAI Diffusion V4.5", 1702945580, 28, 5, "k_euler_ancestral",
    ),
    "png__ruined-fooocus.png": (
        "RuinedFooocus", f"{MIKU} #テスト", BAD, "waiNSFWIllustrious_v150", 2020047614, 30, 8, "dpmpp_2m_sde_gpu"
    ),
    "png__sd-next-en.png": ("SD.Next", MIKU, BAD, WAI, 2251068289, 20, 6, None),
    "png__sd-webui-hires.png": ("AUTOMATIC1111", f"{MIKU} テスト", BAD, WAI, 3888671826, 20, 5.5, "DPM++ 2M"),
    "png__stability-matrix-hires.png": (
        "Stability Matrix", f"{MIKU} #テスト", BAD, WAI, 2073041550, 20, 5, "Euler Ancestral Karras"
    ),
    "png__tensorart.png": (
        "TensorArt", f"{MIKU} #テスト", BAD, "WAI-Nsfw-Illustrious-16", 3036459311, 25, 7, "euler_ancestral"
    ),
    "webp__comfyui-animated-webp.webp": ("ComfyUI", MIKU, BAD, WAI, 270932924124066, 20, 5, "euler_ancestral"),
    "webp__comfyui-saveimage-plus.webp": ("ComfyUI", MIKU, BAD, WAI, 453851843419278, 20, 5, "euler_ancestral"),
    "webp__novelai-full-3char.webp": (
        "NovelAI", "2girls, 1boy, dancing, #テスト\nwhite background", "nsfw, lowres", "NovelAI Diffusion V4.5",
        447042893, 28, 5, "k_euler_ancestral",
    ),
    "webp__sd-next.webp": ("SD.Next", f"{MIKU} #テスト", BAD, WAI, 3014033436, 20, 6, "DDIM"),
}  # fmt: skip
EXAMPLES: dict[str, tuple[Any, ...]] = {
    "2_pass_txt2img__latent_upscale_different_prompt_model.png": (
        "ComfyUI", "anime happy girl (fennec:1.2) (ears:1.3)", "lowres, bad anatomy", "wd-illusion-fp16",
        758448896326830, 14, 8, "dpmpp_sde",
    ),
    "area_composition__morning_day_evening_night.png": (
        "ComfyUI", "(masterpiece) (best quality) morning sky\n(best quality) (daytime:1.2) sky (blue)\n(best quality) "
        "(evening:1.2)", "(hands), text, error", "Anything-V3.0", 823155751257884, 13, 8.5, "dpmpp_sde",
    ),
    "edit_models__sdxl_edit_model.png": (
        "ComfyUI", "snow at sunset oil painting", None, "cosxl_edit", 11652752290163, 20, 5, "euler"
    ),
    "flux__flux_dev_example.png": (
        "ComfyUI", "cute anime girl with massive fluffy fennec ears", None, "flux1-dev", 219670278747233, 20, 3.5,
        "euler",
    ),
    "flux__flux_dev_checkpoint_example.png": (
        "ComfyUI", "cute anime girl with massive fluffy fennec ears", None, "flux1-dev-fp8", 972054013131368, 20, 3.5,
        "euler",
    ),
    "flux__flux_canny_model_example.png": (
        "ComfyUI", "cute anime girl with massive fluffy fennec ears", None, "flux1-canny-dev", 50363905047731, 20, 30,
        "euler",
    ),
}  # fmt: skip
NAMED = {f"sdmeta_enslo__samples__{k}": v for k, v in EXPECTED.items()} | {
    f"comfyui_examples__{k}": v for k, v in EXAMPLES.items()
}


def told(path: Path) -> dict[str, Any]:
    return answer((Said("file", decode(path.read_bytes()).texts),))


def test_every_header_yields_a_prompt_a_model_and_a_seed_or_says_why_not(shared: Path) -> None:
    paths = sorted((shared / "data" / "generation_metadata").iterdir())
    assert len(paths) >= 76
    for path in paths:
        row = told(path)
        assert row["metadata"] == "file", path.name
        assert None not in (row["generator"], row["model"], row["seed"], row["steps"], row["cfg"]), path.name
        if path.name in WITHOUT:
            assert row["prompt"] is None
            assert WITHOUT[path.name] in row["metadata_error"]
        else:
            assert row["prompt"], path.name
            assert row["metadata_error"] is None, path.name


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_header_says_what_its_chunks_say(shared: Path, name: str) -> None:
    row = told(shared / "data" / "generation_metadata" / name)
    generator, prompt, negative, *others = NAMED[name]
    assert row["generator"] == generator
    assert row["prompt"].startswith(prompt)
    assert (row["negative_prompt"] or "").startswith(negative or "")
    assert (row["negative_prompt"] is None) == (negative is None)
    assert [row["model"], row["seed"], row["steps"], row["cfg"], row["sampler"]] == others


def test_the_loras_of_a_header_are_named(shared: Path) -> None:
    folder = shared / "data" / "generation_metadata"
    assert told(folder / "sdmeta_enslo__samples__png__easy-reforge.png")["lora"] == "NoobV065sHyperDmd"
    # Its LoRA stacks are all switched off.
    assert told(folder / "sdmeta_enslo__samples__png__comfyui-comfyroll.png")["lora"] is None
