"""A ComfyUI graph as it was run (the `prompt` of a file): nodes, and links back to what feeds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from curate.scorers.generation.found import UnreadableError

MAX_NODES = 5000
# A chain of links longer than this is no graph that anybody drew.
MAX_DEPTH = 100
_MAX_HOPS = 20
_MAX_INPUTS = 500
_NUMBERS = ("value", "seed", "noise_seed", "int", "float", "number", "integer", "boolean", "a", "")


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        key: its name within the graph.
        kind: its class in lower case, without blanks and marks: `ksampleradvanced`.
        inputs: values, and links `[key, output]`; names in lower case.
    """

    key: str
    kind: str
    inputs: Mapping[str, Any]


class Graph:
    """Nodes by key. Cycles, missing nodes and odd types are all possible."""

    def __init__(self, prompt: Mapping[str, Any]) -> None:
        """Args:
            prompt: `{"3": {"class_type": "KSampler", "inputs": {...}}, ...}`; what is no node is passed over.

        Raises:
            UnreadableError: there is no node, or there are too many.
        """
        self.nodes: dict[str, Node] = {}
        if len(prompt) > MAX_NODES:
            raise UnreadableError(f"the graph is too large: {len(prompt):,} nodes")
        for key, node in prompt.items():
            if not isinstance(node, Mapping) or not isinstance(node.get("class_type"), str):
                continue
            inputs = node.get("inputs")
            kind = "".join(c for c in node["class_type"][:200].lower() if c.isalnum())
            items = islice(inputs.items(), _MAX_INPUTS) if isinstance(inputs, Mapping) else ()
            self.nodes[str(key)] = Node(str(key), kind, {str(k)[:100].lower(): v for k, v in items})
        if not self.nodes:
            raise UnreadableError("the graph has no nodes")

    def node(self, link: object) -> Node | None:
        """What a link leads to; None where it is none."""
        if not isinstance(link, (list, tuple)) or len(link) != 2 or isinstance(link[0], (list, dict)):
            return None
        if isinstance(link[1], bool) or not isinstance(link[1], int):
            return None
        return self.nodes.get(str(link[0]))

    def links(self, node: Node) -> Iterator[tuple[str, Node]]:
        """The nodes that feed a node, by the name of the input."""
        for name, value in node.inputs.items():
            if (found := self.node(value)) is not None:
                yield name, found

    def upstream(self, starts: Iterable[Node]) -> dict[str, Node]:
        """These nodes and all that feed them, nearest first."""
        seen = {node.key: node for node in starts}
        waiting = list(seen.values())
        for node in waiting:
            for _, feeder in self.links(node):
                if feeder.key not in seen:
                    seen[feeder.key] = feeder
                    waiting.append(feeder)
        return seen

    def value(self, value: object, seen: frozenset[str] = frozenset()) -> object:
        """A number, a truth value or a short text, by way of links to primitive nodes; None where there is none."""
        node = self.node(value)
        if node is None:
            return None if isinstance(value, (list, dict)) else value
        if node.key in seen or len(seen) > _MAX_HOPS:
            return None
        name = next((name for name in (*_NUMBERS, *node.inputs) if name in node.inputs), None)
        return None if name is None else self.value(node.inputs[name], seen | {node.key})

    def switched(self, node: Node) -> object:
        """The input that a switch lets through; None for a node that is no switch."""
        inputs = node.inputs
        if "on_true" in inputs or "on_false" in inputs:
            return inputs.get("on_true" if self.value(inputs.get("switch")) is True else "on_false")
        if "switch" not in node.kind:
            return None
        chosen = next(
            (self.value(inputs[name]) for name in ("select", "input", "index") if name in inputs), None
        )
        options = [name for name in inputs if self.node(inputs[name]) is not None]
        if isinstance(chosen, int):
            options = [name for name in options if name.rstrip("0123456789") + str(chosen) == name] or options
        return inputs[options[0]] if options else None
