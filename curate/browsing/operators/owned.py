"""The fields that operators make: a field of the same name that a person made is never written into."""

from __future__ import annotations

from typing import Any

from curate.browsing.names import said_of, say
from curate.errors import InputError

# In what the dataset says of itself: the fields that operators have made.
_MADE = "made"


def check_field(dataset: Any, name: str, kind: type, description: str) -> None:
    """That an operator may write a field.

    One that is there is ours if the dataset says so, and its type and description are still those that it was made
    with: a person may have deleted ours and made another since.

    Args:
        dataset: of curate's making.
        name: the field's.
        kind: of `fiftyone.Field`.
        description: that it is made with.

    Raises:
        InputError: a person made a field of this name.
    """
    had = dataset.get_field(name)
    if had is None:
        return
    said = said_of(dataset)
    imported = name in said.get("fields", ()) and name == said.get("recipe", name)
    made = name in said.get(_MADE, ()) and had.description == description
    if not isinstance(had, kind) or not (imported or made):
        raise InputError(
            f"the dataset has a field `{name}` that curate did not make, and it would be overwritten",
            where=dataset.name,
            hint=f"give it another name, in Python: dataset.rename_sample_field({name!r}, {'my_' + name!r})",
        )


def own_field(dataset: Any, name: str, kind: type, description: str) -> None:
    """Have a field that an operator may write; InputError as `check_field`."""
    check_field(dataset, name, kind, description)
    said = said_of(dataset)
    made = said.get(_MADE, ())
    if name not in made:
        say(dataset, {**said, _MADE: [*made, name]})
    if not dataset.has_field(name):
        dataset.add_sample_field(name, kind, description=description)
