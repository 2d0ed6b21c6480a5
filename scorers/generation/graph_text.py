"""From a ComfyUI sampler's conditioning back to the words that were typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from curate.scorers.generation.graph import MAX_DEPTH, Graph, Node

Side = Literal["positive", "negative"]

# Inputs of a node that carries both prompts.
_SIDES = {
    side: (
        side,
        f"{side}_prompt",
        f"text_{side}",
        f"{side}_text",
        f"{side}_cond",
        f"base_{side}",
        f"{side}_g",
    )
    for side in ("positive", "negative")
}
# Inputs of encoders and text nodes, the surest first; all of the first group that says something count.
_TEXTS = (
    ("populated_text",),  # a wildcard's outcome
    ("text_0", "text2"),  # what a node that shows text has shown
    ("text",),
    ("text_g", "text_l"),
    ("clip_l", "clip_g", "t5xxl", "llama"),
    ("prompt",), ("positive_prompt",), ("string",), ("value",), ("wildcard_text",), ("user_prompt",), ("caption",),
    ("instr",), ("input",), ("source",), ("any",), ("anything",), ("",),
)  # fmt: skip
# Inputs that say nothing about words.
_OTHERS = re.compile(
    r"clip|model|vae|image|latent|mask|control_net|controlnet|pixels|noise|sigmas|sampler|samples|style_model|seed"
    r"|lora|width|height|steps|cfg|delimiter|separator"
)
_PART = re.compile(r"(?:string|text|str|prompt)[_ ]?(?:[a-z]|\d{1,2})")
_TEXT_MODELS = re.compile(r"textgenerat|llm|ollama|chatgpt|openai|gemini|promptenhance|promptexpan")


class Words:
    """Finds the words of a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._seen: set[tuple[str, Side]] = set()

    def of(self, value: object, side: Side) -> str | None:
        """The words behind a conditioning or text input, each text once, a line each.

        Args:
            value: an input's value: a link, or a text.
            side: which prompt is asked for, where a node on the way carries both.

        Returns:
            None where no text leads there: zeroed conditioning, pictures alone.
        """
        self._seen.clear()
        found = list(dict.fromkeys(text.strip() for text in self._texts(value, side, 0)))
        return "\n".join(found) if found else None

    def _texts(self, value: object, side: Side, depth: int) -> list[str]:
        if isinstance(value, str):
            return [value]
        node = self._graph.node(value)
        if node is None or depth > MAX_DEPTH or (node.key, side) in self._seen:
            return []
        self._seen.add((node.key, side))
        if "zeroout" in node.kind:
            return []
        chosen = self._graph.switched(node)
        if chosen is not None:
            return self._texts(chosen, side, depth + 1)
        for name in _SIDES[side]:
            if name in node.inputs:
                return self._texts(node.inputs[name], side, depth + 1)
        if _TEXT_MODELS.search(node.kind):
            return self._asked(node, side, depth)
        parts = self._parts(node, side, depth)
        if parts is not None:
            delimiter = self._graph.value(node.inputs.get("delimiter", node.inputs.get("separator", "")))
            joined = (delimiter if isinstance(delimiter, str) else "").join(part for part in parts if part)
            return [joined]
        for group in _TEXTS:
            found = [
                text for name in group if name in node.inputs
                for text in self._texts(node.inputs[name], side, depth + 1)
            ]  # fmt: skip
            if any(text.strip() for text in found):
                return [text for text in found if text.strip()]
        return self._through(node, side, depth)

    def _parts(self, node: Node, side: Side, depth: int) -> Sequence[str] | None:
        """The texts that a node puts one behind the other; None where it does not."""
        names = sorted(name for name in node.inputs if _PART.fullmatch(name))
        if len(names) < 2 or names[0] in ("text_g", "text_l"):
            return None
        return ["".join(self._texts(node.inputs[name], side, depth + 1)[:1]) for name in names]

    def _asked(self, node: Node, side: Side, depth: int) -> list[str]:
        """What a person asked a language model for: its answer is not in the graph.

        Of a text that is put together, the last part is the person's; instructions come first.
        """
        value = node.inputs.get("prompt", node.inputs.get("text", node.inputs.get("user_prompt")))
        asked = self._graph.node(value)
        if asked is not None and (parts := self._parts(asked, side, depth + 1)):
            return [part for part in parts if part.strip()][-1:]
        return self._texts(value, side, depth + 1)

    def _through(self, node: Node, side: Side, depth: int) -> list[str]:
        """Combined, averaged, masked or guided conditioning: whatever else comes in."""
        empty = [value for name, value in node.inputs.items() if name == "text" and value == ""]
        found = [*empty]
        for name, value in node.inputs.items():
            if self._graph.node(value) is not None and not _OTHERS.search(name):
                found += self._texts(value, side, depth + 1)
        return found
