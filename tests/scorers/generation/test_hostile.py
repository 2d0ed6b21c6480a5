"""Other people's text: whatever stands there, an answer of the catalogue's types comes back, and soon."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from curate.scorers.columns import GENERATION, schema
from curate.scorers.decode import decode
from curate.scorers.generation.found import MAX_PROMPT, clean
from curate.scorers.generation.header import user_comment
from curate.scorers.generation.scorer import answer
from curate.scorers.said import Said

KEYS = st.sampled_from(
    ["parameters", "prompt", "workflow", "Comment", "UserComment", "invokeai_metadata", "sd-metadata", "Dream",
     "generation_data", "parameters-json", "extraMetadata", "Description", "Software", "json", "stealth"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["prompt", "seed", "steps", "cfg", "inputs", "class_type", "KSampler", "positive", "negative", "model", "nodes",
     "links", "text", "image", "sui_image_params", "NovelAI", "1", "2", "lora_name", "widgets_values", "type", "id",
     "guider", "conditioning", "on_true", "switch", "c", "uc", "base_model", "guidance_scale", "scheduler", "v4_prompt"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS | st.just(["1", 0]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)
GRAPHS = st.dictionaries(
    st.sampled_from("123456"),
    st.fixed_dictionaries(
        {"class_type": st.sampled_from(["KSampler", "SaveImage", "CLIPTextEncode", "LoraLoader", "Switch", "LLM"]),
         "inputs": st.dictionaries(
            st.sampled_from(["positive", "negative", "model", "seed", "text", "string_a", "string_b", "images", "steps",
                             "lora_1", "on_true", "select", "input1", "conditioning", "ckpt_name", ""]),
            st.tuples(st.sampled_from("123456"), st.just(0)).map(list) | VALUES)}),
)  # fmt: skip


def row(**texts: Any) -> dict[str, Any]:
    """The answer, which a frame of the catalogue's types must hold as it is."""
    found = answer((Said("file", texts), Said("sidecar", texts)))
    types = schema(GENERATION)
    assert found.keys() == types.keys()
    frame = pl.DataFrame([found], schema=types, strict=True)
    frame.write_parquet(io.BytesIO())
    for name in ("prompt", "model", "metadata_error"):
        value = found[name]
        assert value is None or not any(ord(c) < 32 and c not in "\n\t" for c in value)
    assert found["metadata"] in (None, "file", "sidecar")
    return found


@settings(max_examples=150, deadline=1000)
@given(st.dictionaries(KEYS, st.text(max_size=60) | VALUES.map(json.dumps), max_size=4))
def test_any_text_under_any_key(texts: dict[str, str]) -> None:
    row(**texts)


@settings(max_examples=150, deadline=1000)
@given(GRAPHS, VALUES)
def test_any_graph(graph: dict[str, Any], workflow: Any) -> None:
    row(prompt=json.dumps(graph), workflow=json.dumps(workflow))


@settings(max_examples=100, deadline=1000)
@given(st.dictionaries(WORDS | st.text(max_size=5), VALUES, max_size=6))
def test_any_object_that_is_no_text(said: dict[str, Any]) -> None:
    row(**said)


@settings(max_examples=100, deadline=1000)
@given(st.dictionaries(st.sampled_from(sorted(schema(GENERATION))), VALUES))
def test_any_value_of_any_field(raw: dict[str, Any]) -> None:
    pl.DataFrame([clean(raw)], schema={c.name: c.polars for c in GENERATION[:9]}, strict=True)


@settings(max_examples=60, deadline=1000)
@given(
    st.binary(max_size=200),
    st.booleans(),
    st.sampled_from([b"UNICODE\0", b"ASCII\0\0\0", b"JIS\0\0\0\0\0", b""]),
)
def test_any_bytes_in_exif(body: bytes, big: bool, prefix: bytes) -> None:
    row(UserComment=user_comment(prefix + body, big_endian=big))
    exif = Image.Exif()
    exif[0x8769] = {0x9286: prefix + body}
    exif[0x010E] = body.decode("latin-1")
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", exif=exif, comment=body)
    row(**decode(out.getvalue()).texts)


@settings(max_examples=60, deadline=1000)
@given(st.binary(max_size=120), st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"eXIf"]))
def test_any_bytes_in_a_chunk(body: bytes, kind: bytes) -> None:
    info = PngImagePlugin.PngInfo()
    info.add(kind, b"parameters\0" + body)
    out = io.BytesIO()
    Image.new("RGBA", (16, 16)).save(out, "PNG", pnginfo=info)
    row(**decode(out.getvalue()).texts)


N = 300_000


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("parameters", " " * N), ("parameters", "a" * N), ("parameters", "\n" * N), ("parameters", "Steps: 1 " * N),
        ("parameters", "Steps: 1, Seed: 2, Model: x, " * (N // 9)), ("parameters", "Negative prompt:\n" * (N // 9)),
        ("parameters", "Steps: 1, Seed: 2, " + 'a:"' * N), ("parameters", 'Steps: 1, Seed: 2, a:"' + "\\" * N),
        ("parameters", "Steps: 1, Seed: 2, " + "Hashes: {" * N), ("parameters", "<lora:" * N),
        ("prompt", '{"a":' * N), ("UserComment", '{"UserComment":' * 900 + "1" + "}" * 900),
        ("Dream", '"' + "[" * 9000 + " -" * 9000 + '"'), ("Dream", '"a" -s' + " " * 90_000),
        ("sd-metadata", json.dumps({"image": {"sampler": "x", "prompt": [{"prompt": "[a]" * 30_000}]}})),
        ("Description", "a --" * N + " Job ID: "), ("Comment", "{" * N),
        ("prompt", json.dumps({str(i): {"class_type": "Concat", "inputs": {
            f"{name}_{x}": [str(i + 1), 0] for name in ("string", "conditioning") for x in "ab"}} for i in range(3000)}
            | {"s": {"class_type": "KSampler", "inputs": {"seed": ["0", 0], "positive": ["0", 0]}}})),
    ],
    ids=range(18),
)  # fmt: skip
def test_no_text_takes_long(key: str, text: str) -> None:
    start = time.process_time()
    row(**{key: text})
    assert time.process_time() - start < 4


def test_numbers_out_of_range_are_no_answer() -> None:
    for raw, value in ((-1, None), ("-1", None), (2**64, None), (True, None), ("12", 12), (12.0, 12), (1.5, None),
                       (float("nan"), None), ("9" * 5000, None), ([1], None), (2**64 - 1, 2**64 - 1)):  # fmt: skip
        assert clean({"seed": raw})["seed"] == value, raw
    for raw, value in (
        ("1e999", None),
        (float("inf"), None),
        ("7,5", 7.5),
        ("7,500", None),
        ("7.5", 7.5),
        (10**400, None),
    ):
        assert clean({"cfg": raw})["cfg"] == value, raw
    assert clean({"steps": 2**31})["steps"] is None


def test_text_is_made_harmless_and_kept_within_bounds() -> None:
    found = clean(
        {
            "prompt": "\x00\x1b[31man\ud800gry\r\nman\x07\t!",
            "model": "None",
            "sampler": "a\nb\x00" + "c" * 999,
        }
    )
    assert found["prompt"] == "[31man\ufffdgry\nman\t!"
    assert found["model"] is None
    assert found["sampler"].startswith("a b")
    assert len(found["sampler"]) <= 512
    assert len(clean({"prompt": "x" * 999_999})["prompt"]) == MAX_PROMPT
