"""YAML that people write, read into a Pydantic model; every error has its line and, for a slip, the right name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from curate.errors import RecipeError
from curate.scorers.columns import suggest

_LONGEST = 1_000_000
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
# What an error's words name: something in backticks, or fields, the inner ones after dots.
_NAMED = re.compile(r"`([^`]+)`|\b([a-z_]+(?:\.[a-z_]+)*)\b")
_QUOTING = "a text with commas, colons or quotes goes on a line of its own, or in double quotes"

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_checked(path: Path, model: type[ModelT]) -> tuple[ModelT, str]:
    """A file as a model, and its text.

    Raises:
        RecipeError: it cannot be read, is no YAML, or does not fit the model; names the file and the line.
    """
    try:
        if path.stat().st_size > _LONGEST:
            raise RecipeError(f"larger than {_LONGEST:,} bytes", where=str(path))
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(
            f"cannot be read: {(error.strerror or str(error)).lower()}", where=str(path)
        ) from None
    except UnicodeDecodeError:
        raise RecipeError("this is not text (UTF-8)", where=str(path)) from None
    return parse_checked(text, model, str(path)), text


def parse_checked(text: str, model: type[ModelT], where: str) -> ModelT:
    """Text as a model; RecipeError as for `read_checked`, with `where` for the file's name."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        content = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise RecipeError(
            error.problem or "no YAML", where=_at(where, mark.line + 1 if mark else None), hint=_QUOTING
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"no YAML: {str(error).splitlines()[0]}", where=where) from None
    except RecursionError:
        raise RecipeError("nested too deeply", where=where) from None
    if not isinstance(content, dict):
        raise RecipeError(
            "a table of fields was expected", where=where, hint=f"fields: {', '.join(model.model_fields)}"
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _explained(error, node, model, where) from None


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases (a few lines of them fill any memory) and without keys that come twice.

    Nor with numbers that are not what they look like: YAML 1.1 reads 010 as 8, and 1:30 as 90.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not read here",
                problem_mark=self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a field's name is a word", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"`{key.value}` is said twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def construct_plain_number(self, node: yaml.ScalarNode) -> int | float:
        """A whole number or a fraction as it reads."""
        written = str(node.value)
        whole = node.tag == _INT
        if ":" in written or (whole and _OCTAL.fullmatch(written)):
            read = self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)
            raise yaml.MarkedYAMLError(
                problem=f"YAML would read {written} as {read:g}; write the number that is meant, or quote the words",
                problem_mark=node.start_mark,
            )
        return self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)


_Loader.add_constructor(_INT, _Loader.construct_plain_number)
_Loader.add_constructor(_FLOAT, _Loader.construct_plain_number)


def _explained(
    error: ValidationError, node: yaml.Node | None, model: type[BaseModel], where: str
) -> RecipeError:
    """The first thing that is wrong, with its line."""
    # A slip of the finger in a required field is told by the slip, not by what is missing for it.
    first = min(error.errors(), key=lambda wrong: wrong["type"] != "extra_forbidden")
    path, line = _found(node, first["loc"])
    field = ".".join(map(str, path))
    if first["type"] == "extra_forbidden":
        owner = _owner(model, path[:-1])
        close = suggest(str(path[-1]), owner.model_fields)
        return RecipeError(
            f"there is no field `{field}`{close}",
            where=_at(where, line),
            hint=f"fields here: {', '.join(owner.model_fields)}",
        )
    if first["type"] == "missing":
        name = str(first["loc"][-1])
        return RecipeError(
            f"`{'.'.join([*map(str, path), name])}` is missing", where=_at(where, line), hint=f"{name}: ..."
        )
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        line = _line_named(node, path, message) or line
    message = message[:1].lower() + message[1:]
    return RecipeError(f"{field}: {message}" if field else message, where=_at(where, line))


def _found(node: yaml.Node | None, loc: Sequence[str | int]) -> tuple[list[str | int], int]:
    """As much of Pydantic's location as the text has (it names branches of unions, too), and the line of it."""
    path: list[str | int] = []
    line = node.start_mark.line + 1 if node else 1
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
            if str(step) not in pairs:
                continue
            key, node = pairs[str(step)]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            continue
        path.append(step)
    return path, line


def _line_named(node: yaml.Node | None, path: Sequence[str | int], message: str) -> int | None:
    """The line of what an error about a whole table names: its field, or the last value that reads so."""
    for step in path:
        node = _inner(node, step)
    for found in _NAMED.finditer(message):
        line, here = None, node
        for name in (found[1] or found[2]).split("."):
            key = _key(here, name)
            if key is None:
                break
            line, here = key.start_mark.line + 1, _inner(here, name)
        if line is None and found[1]:
            alike = [one for one in _scalars(node) if one.value.lower() == found[1].lower()]
            line = alike[-1].start_mark.line + 1 if alike else None
        if line is not None:
            return line
    return None


def _key(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((key for key, _ in pairs if key.value == name), None)


def _inner(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for key, value in pairs if key.value == str(step)), None)


def _scalars(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    """The texts in a node, as they stand."""
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif node is not None:
        for part in node.value:
            for one in part if isinstance(part, tuple) else (part,):
                yield from _scalars(one)


def _owner(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    """The model that holds the field at the end of a path."""
    for step in path:
        if isinstance(step, str) and step in model.model_fields:
            model = _model_in(model.model_fields[step].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model within `Model`, `Model | None`, `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)


def _at(where: str, line: int | None) -> str:
    return f"{where}, line {line}" if line else where
