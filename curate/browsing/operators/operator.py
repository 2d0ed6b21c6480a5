"""What our operators have in common: they work on the score set behind the dataset, and say what is wrong in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import fiftyone.operators as foo
from fiftyone.operators import types

from curate.browsing.operators.faces import score_set
from curate.errors import CurateError, QueryError
from curate.output import excerpt
from curate.scoreset import ScoreSet


class FaceOperator(foo.Operator):
    """An operator on a dataset that was made from a score set.

    Attributes:
        name_, label, icon, description: as the app shows it.
        submit: what its button says; "" where it has no form and runs at once.
        places: where its button is.
        unlisted: it has a button and is not among the operations: the app gives an operator one button only, so that
            what is over the grid and over an open face has two names.
        generator: `run` yields what the app is to do meanwhile.
    """

    name_: ClassVar[str]
    label: ClassVar[str]
    icon: ClassVar[str]
    description: ClassVar[str]
    submit: ClassVar[str] = ""
    places: ClassVar[types.Places | None] = None
    unlisted: ClassVar[bool] = False
    generator: ClassVar[bool] = False

    @property
    def config(self) -> Any:
        return foo.OperatorConfig(
            name=self.name_,
            label=self.label,
            description=self.description,
            icon=self.icon,
            unlisted=self.unlisted,
            dynamic=bool(self.submit),
            execute_as_generator=self.generator,
        )

    def form(self, ctx: Any, inputs: Any, source: ScoreSet) -> None:
        """Put the fields into the form; a CurateError is shown in it, and nothing runs."""

    def run(self, ctx: Any, source: ScoreSet) -> dict[str, Any]:
        """Do it, and say what was done."""
        raise NotImplementedError

    def resolve_input(self, ctx: Any) -> Any:
        """The form, with what is wrong in it."""
        if not self.submit:
            return None
        inputs = types.Object()
        try:
            self.form(ctx, inputs, score_set(ctx.dataset))
        except CurateError as error:
            show_error(inputs, error)
        return types.Property(
            inputs, view=types.PromptView(label=self.label, submit_button_label=self.submit)
        )

    def resolve_placement(self, ctx: Any) -> Any:
        """Its button, over faces that are ours."""
        if self.places is None or ctx.dataset is None or "curate" not in (ctx.dataset.info or {}):
            return None
        button = types.Button(label=self.label, icon=self.icon, prompt=bool(self.submit))
        return types.Placement(self.places, button)

    def execute(self, ctx: Any) -> Any:
        """Run; an error becomes a notice in the app, and `error`, `where` and `hint` in the result."""
        if self.generator:
            return self._stream(ctx)
        try:
            return self.run(ctx, score_set(ctx.dataset))
        except CurateError as error:
            ctx.ops.notify(in_words(error), variant="error")
            return {"error": error.message, "where": error.where, "hint": error.hint}

    def stream(self, ctx: Any, source: ScoreSet) -> Iterator[Any]:
        """As `run`, for an operator that tells how far it is."""
        raise NotImplementedError

    def _stream(self, ctx: Any) -> Iterator[Any]:
        try:
            yield from self.stream(ctx, score_set(ctx.dataset))
        except CurateError as error:
            yield ctx.ops.notify(in_words(error), variant="error")


def in_words(error: CurateError) -> str:
    """An error and its hint, in one line."""
    hint = _hint(error)
    return f"{error}. {hint}" if hint else str(error)


def show_error(inputs: Any, error: CurateError) -> None:
    """An error in a form: what, where, what to do; and the form cannot be sent."""
    lines = [str(error)]
    if isinstance(error, QueryError) and error.position is not None:
        lines += excerpt(error.query, error.position, error.length)
    if hint := _hint(error):
        lines.append(f"hint: {hint}")
    text = "\n".join(lines)
    inputs.md(fenced(text), name="wrong")
    inputs.define_property(
        "invalid", types.Void(), view=types.HiddenView(), invalid=True, error_message=in_words(error)
    )


def _hint(error: CurateError) -> str:
    """What to do, where there is a box to tick and no option to type."""
    return error.hint.replace("add --overwrite", "tick the box to replace it").replace(
        "--overwrite", "tick the box to replace it"
    )


def fenced(text: str) -> str:
    """Text as it stands, in Markdown: names and metadata are other people's words."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, the cells as they stand."""

    def line(cells: list[str]) -> str:
        return (
            "| "
            + " | ".join(cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for cell in cells)
            + " |"
        )

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])
