"""Which program's words these are, and what they say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from curate.scorers.generation.a1111 import read_parameters
from curate.scorers.generation.comfyui import read_comfyui, read_graph
from curate.scorers.generation.drawn import as_run
from curate.scorers.generation.found import FIELDS, Raw, UnreadableError, clean, load_object, merged
from curate.scorers.generation.graph import Graph
from curate.scorers.generation.header import UNREADABLE
from curate.scorers.generation.plain import read_plain
from curate.scorers.generation.services import read_invokeai, read_named, read_novelai, read_object

# Chunks and tags that may hold a whole text of A1111's kind, or a JSON object.
_FREE = (
    "parameters", "json", "stealth", "UserComment", "Comment", "comment", "ImageDescription", "Description",
    "XPComment",
)  # fmt: skip
# Those of them that are about the generation whatever they hold.
_OURS = ("parameters", "json", "stealth")
# A prompt may begin with a brace, too: {red|blond} hair.
_JSON = re.compile(r'[\[{]\s*["{\[}\]]')
_MAX_LEVELS = 3

Reader = Callable[[Mapping[str, Any]], Raw | None]


def read(said: Mapping[str, Any], *, certain: bool = False, level: int = 0) -> tuple[Raw, list[str]]:
    """What a file, a sidecar or a row of a table says of how its picture was made.

    Every reader looks at it. What the surer one says counts, and the others fill what it lacks; one without a
    prompt comes after those with one.

    Args:
        said: texts by the name of their chunk, or what a JSON object holds. `parameters` is a text of A1111's kind
            or a caption, `json` a JSON object.
        certain: this is about a generated picture (a table's row), so that a single usual name is enough.
        level: how many texts this is inside of.

    Returns:
        The fields, in the catalogue's types (`clean`), and why what looked like one could not be read. Nothing is
        raised.
    """
    lost = [key for key, value in said.items() if isinstance(value, str) and value == UNREADABLE]
    said = {key: value for key, value in said.items() if key not in lost}
    found: list[Raw] = []
    errors: list[str] = []
    whys: list[str | None] = []
    readers: list[Reader] = [read_invokeai, read_novelai, read_named]
    if level < _MAX_LEVELS:
        readers += [_free(key, level, certain) for key in _FREE if isinstance(said.get(key), str)]
    readers += [_objects, lambda said: read_plain(said, certain=certain) if certain else None]
    for reader in readers:
        try:
            raw = reader(said)
        except UnreadableError as error:
            errors.append(str(error))
        except Exception as error:  # hostile text finds what nobody thought of; it must not cost the picture
            errors.append(f"it makes no sense ({type(error).__name__})")
        else:
            if raw:
                whys.append(raw.get("why"))
                found.append(clean(raw))
    found.sort(key=lambda raw: raw["prompt"] is None)
    whole: Raw = dict.fromkeys(FIELDS)
    for raw in found:
        whole = merged(whole, raw)
    if whole["prompt"] is None:
        errors += [why for why in whys if why]
    errors += [f"`{key}` cannot be read: it is too long, or damaged" for key in lost]
    return whole, list(dict.fromkeys(errors))


def _free(key: str, level: int, certain: bool) -> Reader:
    """A reader of one text that may be of any kind."""

    def reader(said: Mapping[str, Any]) -> Raw | None:
        text = said[key].strip("\ufeff\0 \r\n\t")
        if key == "json" or _JSON.match(text):
            try:
                inner = load_object(text, key)
            except UnreadableError:
                if key in _OURS:
                    raise
                return None  # a comment may hold what it likes
            raw, errors = read(inner, certain=certain and key == "json", level=level + 1)
            if errors and all(value is None for value in raw.values()):
                raise UnreadableError(errors[0])
            return raw | {"why": errors[0]} if errors else raw
        raw_text = read_parameters(text)
        # A caption; nobody but a generator writes a chunk of this name.
        return {"prompt": text} if raw_text is None and key == "parameters" else raw_text

    return reader


def _objects(said: Mapping[str, Any]) -> Raw | None:
    """A ComfyUI graph, its drawing, a pair of both, or fields by name."""
    if isinstance(said.get("nodes"), list) and isinstance(said.get("links"), list):
        return read_graph(Graph(as_run(said)))
    if any(isinstance(node, Mapping) and "class_type" in node for node in said.values()):
        return read_graph(Graph(said))
    raw = read_comfyui(said)
    return raw if raw is not None else read_object(said)
