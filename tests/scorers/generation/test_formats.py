"""Each format, in files that the tests write themselves."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from curate.scorers.decode import decode
from curate.scorers.generation.found import clean
from curate.scorers.generation.scorer import answer
from curate.scorers.said import Said

A1111 = """a furious man, (angry:1.3), <lora:film grain:0.6> <lora:b/Noir_v2.1:1>, 写真
second line
Negative prompt: blurry, Negative prompt: no
smile
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 18446744073709551615, Size: 512x512, \
Model hash: 45a21ea00a, Model: dream: shaper, ADetailer prompt: "x, Seed: 1, y", \
Lora hashes: "film grain: 00ff, other: 11aa", Version: v1.10.1"""
SAID = {
    "prompt": "a furious man, (angry:1.3), <lora:film grain:0.6> <lora:b/Noir_v2.1:1>, 写真\nsecond line",
    "negative_prompt": "blurry, Negative prompt: no\nsmile",
    "generator": "AUTOMATIC1111",
    "model": "dream: shaper",
    "lora": "Noir_v2.1,film grain,other",
    "seed": 2**64 - 1,
    "steps": 20,
    "cfg": 6.5,
    "sampler": "DPM++ 2M",
    "metadata": "file",
    "metadata_error": None,
}
FIELDS = ("prompt", "negative_prompt", "generator", "model", "seed", "steps", "cfg", "sampler")


def saved(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    out = io.BytesIO()
    (image or Image.new("RGB", (40, 40))).save(out, kind, **options)
    return out.getvalue()


def png(kind: str = "tEXt", **texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        if kind == "iTXt":
            info.add_itxt(key, text, zip=True)
        else:
            info.add_text(key, text, zip=kind == "zTXt")
    return saved("PNG", pnginfo=info)


def commented(comment: bytes, kind: str = "JPEG", endian: str = "<") -> bytes:
    exif = Image.Exif()
    exif.endian = endian
    exif[0x8769] = {0x9286: comment}
    return saved(kind, exif=exif.tobytes())


def told(data: bytes) -> dict[str, Any]:
    return answer((Said("file", decode(data).texts),))


def fields(data: bytes) -> list[Any]:
    row = told(data)
    assert row["metadata_error"] is None
    return [row[name] for name in FIELDS]


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt"])
def test_parameters_in_any_text_chunk_of_a_png(kind: str) -> None:
    assert told(png(kind, parameters=A1111)) == SAID


def test_text_behind_the_pixels_of_a_png_is_read() -> None:
    data, bare = png(parameters=A1111), saved("PNG")
    chunk = data[data.index(b"parameters") - 8 : data.index(b"IDAT") - 4]
    assert told(bare[:-12] + chunk + bare[-12:]) == SAID


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_a_user_comment_in_either_byte_order_of_either(kind: str, encoding: str, endian: str) -> None:
    assert told(commented(b"UNICODE\0" + A1111.encode(encoding), kind, endian)) == SAID


@pytest.mark.parametrize("prefix", [b"ASCII\0\0\0", bytes(8), b""])
def test_a_user_comment_in_utf_8(prefix: bytes) -> None:
    assert told(commented(prefix + A1111.encode())) == SAID


def test_a_comment_and_a_description_of_a_jpeg() -> None:
    assert told(saved("JPEG", comment=A1111.encode())) == SAID
    exif = Image.Exif()
    exif[0x010E] = A1111.encode()
    assert told(saved("JPEG", exif=exif)) == SAID


def test_xmp() -> None:
    packet = f"<x:xmpmeta><dc:description><rdf:Alt><rdf:li xml:lang='x'>{A1111.replace('<', '&lt;')}</rdf:li></rdf:Alt>"
    assert told(saved("JPEG", xmp=f"{packet}</dc:description></x:xmpmeta>".encode())) == SAID


@pytest.mark.parametrize(
    ("signature", "pack"), [(b"stealth_pnginfo", bytes), (b"stealth_pngcomp", gzip.compress)]
)
@pytest.mark.parametrize("size", [(300, 50), (50, 300)])
def test_text_in_the_alpha_channel(signature: bytes, pack: Any, size: tuple[int, int]) -> None:
    body = pack(A1111.encode())
    bits = np.unpackbits(np.frombuffer(signature + (8 * len(body)).to_bytes(4, "big") + body, np.uint8))
    pixels = np.full((size[1], size[0], 4), 254, np.uint8)
    alpha = pixels[..., 3].T.ravel()
    alpha[: len(bits)] |= bits
    pixels[..., 3] = alpha.reshape(size).T
    assert told(saved("PNG", Image.fromarray(pixels))) == SAID


def test_a_picture_that_says_nothing_has_no_values_and_no_error() -> None:
    for data in (
        saved("PNG"),
        saved("JPEG", comment=b"Created with GIMP"),
        png(Software="Adobe", Comment="{hi}"),
    ):
        assert set(told(data).values()) == {None}


@pytest.mark.parametrize(
    ("version", "program"),
    [
        ("Version: f2.0.1v1.10.1-previous-669", "Forge"), ("Version: f0.0.17v1.8.0rc-latest-276", "Forge"),
        ("Version: f1.0.0v2-v1.10.1RC-latest-2498", "reForge"), ("Version: neo-2.28", "Forge Neo"),
        ("Version: classic", "Forge Classic"), ("App: SD.Next, Version: 56a8aea", "SD.Next"),
        ("Version: Fooocus v2.5.5", "Fooocus"), ("Version: ComfyUI", "ComfyUI"), ("RNG: CPU", "AUTOMATIC1111"),
        ("Civitai resources: []", "Civitai"),
    ],
)  # fmt: skip
def test_programs_that_write_alike_are_told_apart(version: str, program: str) -> None:
    row = told(png(parameters=f"a man\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, {version}"))
    assert row["generator"] == program


def test_parameters_without_all_their_lines() -> None:
    settings = "Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 1"
    for text, prompt, negative in (
        (settings, None, None),
        (f"a man\n{settings}", "a man", None),
        (f"a man Negative prompt: blur {settings}", "a man", "blur"),
        (f"Negative prompt: blur\n{settings}", None, "blur"),
        (f"a man\r\nNegative prompt: blur\r\n{settings}\r\nTemplate: a __x__", "a man", "blur"),
        ("Steps: 3 of a dance, a man\n" + settings, "Steps: 3 of a dance, a man", None),
    ):
        row = told(png(parameters=text))
        assert (row["prompt"], row["negative_prompt"], row["seed"]) == (prompt, negative, 1), text
    assert told(png(parameters="just a man"))["prompt"] == "just a man"


def test_distilled_guidance_is_the_cfg_where_the_other_is_off() -> None:
    for scale, cfg in (("CFG scale: 1, ", 3.5), ("", 3.5), ("CFG scale: 4, ", 4)):
        text = f"a man\nSteps: 20, Sampler: Euler, {scale}Distilled CFG Scale: 3.5, Seed: 1, Model: flux1-dev"
        assert told(png(parameters=text))["cfg"] == cfg


def test_invokeai_of_three_ages() -> None:
    new = {
        "positive_prompt": "a man", "negative_prompt": "blur", "seed": 7, "steps": 30, "cfg_scale": 5.5,
        "scheduler": "euler", "model": {"name": "x.safetensors", "hash": "h"}, "app_version": "6.1",
        "loras": [{"model": {"name": "film"}, "weight": 0.5}],
    }  # fmt: skip
    assert fields(png(invokeai_metadata=json.dumps(new))) == [
        "a man",
        "blur",
        "InvokeAI",
        "x",
        7,
        30,
        5.5,
        "euler",
    ]
    assert told(png(invokeai_metadata=json.dumps(new)))["lora"] == "film"
    image = {
        "prompt": [{"prompt": "a man [blur]"}],
        "seed": 7,
        "steps": 30,
        "cfg_scale": 5.5,
        "sampler": "k_euler",
    }
    old = {"model_weights": "sd-1.5", "image": image}
    assert fields(png(**{"sd-metadata": json.dumps(old)})) == [
        "a man", "blur", "InvokeAI", "sd-1.5", 7, 30, 5.5, "k_euler"
    ]  # fmt: skip
    assert fields(png(Dream='"a man [blur]" -s 30 -S 7 -W 512 -H 512 -C 5.5 -A k_euler')) == [
        "a man", "blur", "InvokeAI", None, 7, 30, 5.5, "k_euler"
    ]  # fmt: skip


def test_novelai() -> None:
    comment = {"prompt": "a man", "uc": "blur", "seed": 7, "steps": 28, "scale": 5.0, "sampler": "k_euler"}
    data = png(
        Software="NovelAI",
        Source="NovelAI Diffusion V3 AB12",
        Description="a man",
        Comment=json.dumps(comment),
    )
    assert fields(data) == ["a man", "blur", "NovelAI", "NovelAI Diffusion V3", 7, 28, 5, "k_euler"]


def test_json_of_other_programs() -> None:
    swarm = {"prompt": "a man", "negativeprompt": "blur", "model": "a/x.safetensors", "seed": 7, "steps": 20,
             "cfgscale": 7, "sampler": "euler", "loras": ["film", "b/noir"]}  # fmt: skip
    row = told(png(parameters=json.dumps({"sui_image_params": swarm})))
    assert [row[name] for name in FIELDS] == ["a man", "blur", "SwarmUI", "x", 7, 20, 7, "euler"]
    assert row["lora"] == "film,noir"
    fooocus = {
        "prompt": "a man", "negative_prompt": "blur", "base_model": "juggernaut", "base_model_hash": "h", "seed": "7",
        "guidance_scale": 4, "steps": 30, "sampler": "dpmpp_2m", "scheduler": "karras", "sharpness": 2,
        "lora_combined_1": "film.safetensors : 0.1", "version": "Fooocus v2.5.0",
    }  # fmt: skip
    row = told(png(parameters=json.dumps(fooocus)))
    assert [row[name] for name in FIELDS] == ["a man", "blur", "Fooocus", "juggernaut", 7, 30, 4, "dpmpp_2m"]
    assert row["lora"] == "film"
    things = {
        "c": "a man",
        "uc": "blur",
        "model": "x.ckpt",
        "seed": 7,
        "steps": 20,
        "scale": 7.5,
        "sampler": "DDIM",
    }
    assert fields(commented(b"ASCII\0\0\0" + json.dumps(things).encode())) == [
        "a man", "blur", "Draw Things", "x", 7, 20, 7.5, "DDIM"
    ]  # fmt: skip
    easy = {"prompt": "a man", "seed": "7", "use_stable_diffusion_model": "sd-v1-4", "num_inference_steps": "25",
            "guidance_scale": "7.5", "sampler_name": "euler_a", "negative_prompt": "blur"}  # fmt: skip
    assert fields(png(**easy)) == ["a man", "blur", None, "sd-v1-4", 7, 25, 7.5, "euler_a"]
    job = "a man, angry --ar 3:2 --seed 7 --v 6 Job ID: 0a1b2c3d-0000-1111-2222-333344445555"
    row = told(png(Description=job, Author="me"))
    assert (row["prompt"], row["seed"], row["generator"]) == ("a man, angry", 7, "Midjourney")


def test_what_makes_no_sense_is_said_and_costs_nothing_else() -> None:
    row = told(png(prompt='{"3": ', parameters=A1111))
    assert row["prompt"] == SAID["prompt"]
    assert row["metadata_error"].startswith("file: `prompt` is no JSON")
    for texts, words in (
        ({"prompt": "{}"}, "no nodes"),
        ({"prompt": '{"3": {"class_type": "SaveImage", "inputs": {}}}'}, "no sampler"),
        ({"prompt": '{"a":' * 100_000}, "nested too deeply"),
        ({"parameters": '{"a": 1,'}, "`parameters` is no JSON"),
        ({"invokeai_metadata": "[]"}, "no JSON object"),
        ({"workflow": '{"nodes": [], "links": [], "definitions": {"subgraphs": []}}'}, "inside a subgraph"),
        ({"parameters": "x" * 5_000_000}, "too long"),
    ):
        row = told(png(**texts))
        assert words in row["metadata_error"], texts.keys()
        assert row["prompt"] is None


@pytest.mark.parametrize(
    ("written", "cfg"),
    [("7,5", 7.5), ("7,25", 7.25), ("7.5", 7.5), ("7,500", None), ("1,2,3", None), ("7,", None)],
)
def test_a_comma_may_be_a_decimal_point(written: str, cfg: float | None) -> None:
    assert clean({"cfg": written})["cfg"] == cfg
