"""Saved views made for the job: what a person would otherwise put together by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from curate.browsing import store
from curate.browsing.colours import ACCEPTED, BAND_COLOURS, DIVERGING, EXPRESSION_COLOURS, NONE, REJECTED
from curate.browsing.fields import DIGEST_FIELD, EXPRESSION
from curate.browsing.names import RECIPE, said_of, say
from curate.browsing.rows import KEPT, RECIPE_FIELD, chosen_by
from curate.decisions import COLUMN as DECISION
from curate.scorers.columns import BANDS, EXPRESSIONS
from curate.scoreset import ScoreSet

# So many faces are shown where a view is the top of an order.
TOP = 200
# From here on classifier and muscles say different things (`agreement`), and two expressions are there at once.
LOW_AGREEMENT, AMBIVALENT = 0.5, 0.3


def first_view(dataset: Any, scores: ScoreSet) -> Any:
    """What the app opens on: of a chosen set what is kept, else everything (None)."""
    field = chosen_by(scores)
    if field is None:
        return None
    kept = _kept(field)
    # A person may have a view of that name.
    return dataset.load_saved_view(kept) if kept in said_of(dataset).get("views", ()) else whole_set(dataset)


def whole_set(dataset: Any) -> Any:
    """All faces that count, as a view: of a chosen set what its recipe kept, else everything."""
    from fiftyone import ViewField as F

    field = said_of(dataset).get(RECIPE)
    return dataset.view() if field is None else dataset.match(F(field) == KEPT)


def save_views(dataset: Any) -> None:
    """Save the views that the dataset's fields allow; those that an earlier import saved and that are none now go.

    A view that a person saved is never touched, also where it has the name of one of ours.
    """
    from fiftyone.core.utils import to_slug

    said = said_of(dataset)
    there = store.saved_views(dataset)
    ours = set(said.get("views", ()))
    # FiftyOne takes names that differ in case or signs alone for one, and would replace a person's view.
    own = {to_slug(name) for name in there.keys() - ours}
    made = []
    for name, view, description, colour in _views(dataset):
        if to_slug(name) in own:
            continue
        made.append(name)
        if name not in there or there[name] != store.stages_of(view):
            dataset.save_view(name, view, description=description, color=colour, overwrite=True)
    for name in (ours & there.keys()) - set(made):
        dataset.delete_saved_view(name)
    say(dataset, {**said, "views": made})


def _views(dataset: Any) -> Iterator[tuple[str, Any, str, str]]:
    """Name, view, description, colour."""
    from fiftyone import ViewField as F

    fields = dataset.get_field_schema()
    faces = whole_set(dataset)
    cold, _, _, _, hot = DIVERGING
    if "temperature" in fields:
        # In MongoDB nothing is less than any number, so what is not known has to be left out first.
        by_heat = faces.match(F("temperature") >= 0).sort_by("temperature", reverse=True)
        yield "hottest", by_heat.limit(TOP), f"the {TOP} faces that express most", hot
        by_cold = faces.match(F("temperature") >= 0).sort_by("temperature")
        yield "coldest", by_cold.limit(TOP), f"the {TOP} faces that express least", cold
    if EXPRESSION in fields:
        for name in EXPRESSIONS:
            view = faces.match(F(f"{EXPRESSION}.label") == name)
            view = view.sort_by("confidence", reverse=True) if "confidence" in fields else view
            yield name, view, f"faces of {name}, the surest first", EXPRESSION_COLOURS[name]
    if "ambivalence" in fields:
        view = faces.match(F("ambivalence") >= AMBIVALENT).sort_by("ambivalence", reverse=True)
        yield "ambivalent faces", view, "expressions that contradict each other, at once", NONE
    if "intent_rank" in fields and EXPRESSION in fields:
        true = faces.match(F("intent_rank") == 1).sort_by("intent_p", reverse=True)
        yield "true to prompt", true, "faces that display what the prompt asked for", ACCEPTED
        untrue = faces.match(F("intent_rank") > 1).sort_by("intent_p")
        yield "untrue to prompt", untrue, "faces that display something else", REJECTED
    doubts = []
    if "au_conflicts" in fields:
        doubts.append(F("au_conflicts") >= 1)
    if "agreement" in fields:
        doubts.append((F("agreement") >= 0) & (F("agreement") < LOW_AGREEMENT))
    if doubts:
        view = faces.match(doubts[0] if len(doubts) == 1 else doubts[0] | doubts[1])
        view = view.sort_by("agreement") if "agreement" in fields else view
        yield "suspicious faces", view, "action units or classifier that contradict each other", REJECTED
    if "band" in fields:
        for name in BANDS:
            yield (
                f"band: {name}",
                faces.match(F("band") == name),
                f"temperature: {name}",
                BAND_COLOURS[name],
            )
    yield (
        "not scored",
        # A person's own samples have no status, either.
        dataset.match((F("status") != "ok") & (F(DIGEST_FIELD) != None)),  # noqa: E711
        "pictures without a face, or that could not be read",
        NONE,
    )
    for decision, colour in (("accept", ACCEPTED), ("reject", REJECTED)):
        view = dataset.match(F(DECISION) == decision)
        yield f"decided: {decision}", view, f"faces that somebody told to {decision}", colour
    for field in fields:
        if field.startswith(RECIPE_FIELD):
            yield from _recipe(dataset, field)


def _kept(field: str) -> str:
    return f"{field.removeprefix(RECIPE_FIELD)}: kept"


def _recipe(dataset: Any, field: str) -> Iterator[tuple[str, Any, str, str]]:
    from fiftyone import ViewField as F

    recipe = field.removeprefix(RECIPE_FIELD)
    yield _kept(field), dataset.match(F(field) == KEPT), f"what {recipe} keeps", ACCEPTED
    counts: Mapping[str | None, int] = dataset.count_values(field)
    clauses = sorted((c for c in counts if c not in (None, KEPT)), key=lambda c: (-counts[c], str(c)))
    for number, clause in enumerate(clauses, 1):
        # Names that differ in signs alone would be one in the app's addresses.
        name = f"{recipe}: rejected {number}, {clause}"
        description = f"what {recipe} rejects by: {clause}"
        yield name, dataset.match(F(field) == clause), description, REJECTED
