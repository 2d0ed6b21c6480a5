"""Prompts as people write them for image generators, taken apart into pieces of text with weights.

One reading for all programs, since a prompt does not say which it was written for:

- `(angry)` 1.1, `((angry))` 1.1^2, `[angry]` 1 / 1.1, `(angry:1.3)` 1.3 (AUTOMATIC1111, Forge, ComfyUI);
- `{angry}` 1.05, `1.3::angry::` 1.3 (NovelAI);
- `angry++` 1.1^2, `angry-` .9, `(angry)1.3`, `(angry)++` (InvokeAI, Compel);
- `[angry:happy:0.5]`, `[angry:0.5]`, `[angry::0.5]`: the share of the steps; half, where a number of steps is given;
- `[angry|happy]`, `{angry|happy}`: equal shares, of the steps or of the pictures;
- `BREAK` and `AND` part what is beside them; `\\(` is a parenthesis;
- `<lora:angry_eyes:0.8>` and other tags, `embedding:angry_eyes` and `__angry__` are names of files: left out.

A bracket without its partner means nothing. The time taken is linear in the length, whatever the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_ROUND, _SQUARE, _CURLY = 1.1, 1 / 1.1, 1.05
_PLUS, _MINUS = 1.1, 0.9
# Beyond this no picture comes of it, and nested brackets would overflow.
_HEAVIEST = 10.0

# Numbers are bounded and what repeats is atomic: nothing here may try a long text twice.
_NUMBER = r"\d{1,6}(?:\.\d{0,8})?|\.\d{1,8}"
_MARK = re.compile(
    rf"""
    (?=[\\<()\[\]{{}}:|+\-_.\dBAe])  # what a mark may start with: most letters are passed over quickly
    (?: \\(?P<escaped>.)
    | (?P<name><[\w.\-]+(?::[^<>]*)?> | \bembedding:[\w.\-/]+ | __[\w/*\-]+?__)
    | (?P<part>\b(?:BREAK|AND)\b)
    | (?P<scope>(?<![\w.])-?(?:{_NUMBER}))::
    | (?P<end>::)
    | (?P<between>[:|])
    | (?P<open>[(\[{{])
    | \)(?P<after>{_NUMBER})(?![\w.:])
    | (?P<close>[)\]}}])
    | (?P<signs>(?<=[\w)])(?>\++|-+)(?!\w)))
    """,
    re.VERBOSE | re.DOTALL,
)
# Without one of these a text is a single piece.
_MARKS = frozenset("\\<()[]{}:|+-_BA")
_WEIGHT = re.compile(rf"\s*([+-]?(?:{_NUMBER}))\s*")
_OPENS = {")": "(", "]": "[", "}": "{"}


_NAMED = r"<[\w.\-]+(?::[^<>()\[\]{}\\,]*+)?+>"
_LETTER = r"[^\\<>()\[\]{},]"


def _bracketed(inner: str) -> str:
    return rf"(?:\({inner}\)|\[{inner}\]|\{{{inner}\}})"


# Brackets in brackets, three deep, all of them with their partners.
_INNERMOST = _bracketed(rf"(?:{_LETTER}++|,|{_NAMED})*+")
_INNER = _bracketed(rf"(?:{_LETTER}++|,|{_NAMED}|{_INNERMOST})*+")
_OUTER = _bracketed(rf"(?:{_LETTER}++|,|{_NAMED}|{_INNER})*+")
_CLAUSE = re.compile(rf"(?:{_LETTER}++|{_NAMED}|{_OUTER})*+,")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a prompt, and its weight: 1 is as written, 0 is nothing, below 0 is against it."""

    text: str
    weight: float


@dataclass(slots=True)
class _Group:
    """What stands between brackets, or in the scope of a weight."""

    kind: str
    inner: list[str | _Group] = field(default_factory=list)
    # Its own separators, `:` and `|`, by their place in `inner`.
    marks: list[int] = field(default_factory=list)
    closed: bool = False
    weight: float | None = None


def parse_prompt(text: str) -> list[Piece]:
    """The pieces of a prompt, in order. Any text has some reading; nothing is raised.

    Args:
        text: as it stands in the picture's metadata.

    Returns:
        Pieces that are not empty, neighbours of different weight; their weights are finite, -10 to 10.
    """
    if _MARKS.isdisjoint(text):
        return [Piece(text, 1.0)] if text else []
    return _weighed(_grouped(text))


def clauses(text: str) -> list[str]:
    """A prompt cut at commas where nothing is open, so that `parse_prompt` reads each clause as it reads it within all.

    What is odd (escapes, scopes of weights, brackets without their partners) is not cut any more: it is the last one.
    """
    found = []
    done = 0
    if "::" not in text:
        while (clause := _CLAUSE.match(text, done)) is not None:
            found.append(clause[0])
            done = clause.end()
    if done < len(text):
        found.append(text[done:])
    return found


def _grouped(text: str) -> _Group:
    """The tree of brackets."""
    root = _Group("root")
    stack = [root]
    open_now = dict.fromkeys("([{", 0)
    done = 0
    for mark in _MARK.finditer(text):
        if mark.start() > done:
            stack[-1].inner.append(text[done : mark.start()])
        done = mark.end()
        kind, said = mark.lastgroup, mark[mark.lastgroup or 0]
        if kind == "escaped":
            # A backslash and a letter are an escape (`\n`), which parts words.
            stack[-1].inner.append(f" {said}" if said.isalnum() else said)
        elif kind in ("part", "name"):
            stack[-1].inner.append(", " if kind == "part" else " ")
        elif kind == "scope":
            _leave_scope(stack)
            _enter(stack, _Group("scope", closed=True, weight=float(said)))
        elif kind == "end" and stack[-1].kind == "scope":
            stack.pop()
        elif kind in ("end", "between"):
            if said == "|":
                _leave_scope(stack)
            for sign in said:
                stack[-1].marks.append(len(stack[-1].inner))
                stack[-1].inner.append(sign)
        elif kind == "open":
            open_now[said] += 1
            _enter(stack, _Group(said))
        elif kind in ("close", "after"):
            opened = "(" if kind == "after" else _OPENS[said]
            group = _leave(stack, opened, open_now)
            if group is not None and kind == "after":
                group.weight = float(said)
            elif kind == "after":
                stack[-1].inner.append(" ")
        elif kind == "signs":
            _sign(stack[-1].inner, len(said), _PLUS if said[0] == "+" else _MINUS)
    stack[-1].inner.append(text[done:])
    return root


def _enter(stack: list[_Group], group: _Group) -> None:
    stack[-1].inner.append(group)
    stack.append(group)


def _leave_scope(stack: list[_Group]) -> None:
    """A weight's scope ends where the next begins, and with its bracket."""
    if stack[-1].kind == "scope":
        stack.pop()


def _leave(stack: list[_Group], opened: str, open_now: dict[str, int]) -> _Group | None:
    """Close the innermost bracket of a kind, if there is one; others within it stay without a partner."""
    if not open_now[opened]:
        return None
    while True:
        group = stack.pop()
        if group.kind in open_now:
            open_now[group.kind] -= 1
        if group.kind == opened:
            group.closed = True
            return group


def _sign(inner: list[str | _Group], count: int, base: float) -> None:
    """`+++` and `--` weigh the word or the bracket before them."""
    weight = base ** min(count, 100)
    last = inner[-1] if inner else ""
    if isinstance(last, _Group):
        last.weight = weight if last.weight is None else last.weight * weight
        return
    start = len(last)
    while start and (last[start - 1].isalnum() or last[start - 1] in "_'-"):
        start -= 1
    inner[-1:] = [last[:start], _Group("word", [last[start:]], closed=True, weight=weight)]


def _weighed(root: _Group) -> list[Piece]:
    """The leaves of the tree with the product of the weights above them."""
    pieces: list[Piece] = []
    run: list[str] = []
    level = 1.0
    ahead: list[tuple[str | _Group, float]] = [(root, 1.0)]
    while ahead:
        item, weight = ahead.pop()
        if isinstance(item, str):
            if run and weight != level:
                pieces.append(Piece("".join(run), level))
                run = []
            level = weight
            if item:
                run.append(item)
            continue
        for inner, share in reversed(_parts(item)):
            scaled = min(max(weight * share, -_HEAVIEST), _HEAVIEST)
            ahead.extend((child, scaled) for child in reversed(inner))
    if run:
        pieces.append(Piece("".join(run), level))
    return pieces


def _parts(group: _Group) -> list[tuple[list[str | _Group], float]]:
    """What a group holds, with the weight or share of each part."""
    whole = group.inner
    if not group.closed:
        return [(whole, 1.0)]
    marks = [place for place in group.marks if whole[place] == "|"]
    if group.kind in "[{" and marks:
        options = _split(whole, marks)
        return [(option, 1 / len(options)) for option in options]
    if group.kind in "([" and group.marks:
        number = _number(whole[group.marks[-1] + 1 :])
        if number is not None and group.kind == "(":
            return [(whole[: group.marks[-1]], number * (group.weight or 1))]
        if number is not None and len(group.marks) <= 2:
            first = number if 0 <= number <= 1 else 0.5
            *prompts, _ = _split(whole, group.marks)
            if len(prompts) == 1:
                return [(prompts[0], 1 - first)]
            return [(prompts[0], first), (prompts[1], 1 - first)]
    weight = {"(": _ROUND, "[": _SQUARE, "{": _CURLY}.get(group.kind, 1.0)
    return [(whole, weight if group.weight is None else group.weight)]


def _split(inner: list[str | _Group], marks: list[int]) -> list[list[str | _Group]]:
    """What lies between separators; each but the first starts with a comma, so that no phrase spans two."""
    edges = [-1, *marks, len(inner)]
    return [[*([", "] if i else []), *inner[edges[i] + 1 : edges[i + 1]]] for i in range(len(edges) - 1)]


def _number(inner: list[str | _Group]) -> float | None:
    """The number that this is, if it is one."""
    if len(inner) != 1 or not isinstance(inner[0], str):
        return None
    found = _WEIGHT.fullmatch(inner[0])
    return float(found[1]) if found else None
