"""What can go wrong, as exceptions that say what to do next.

CurateError
├── InputError     a source, a picture or a score set that cannot be used
├── ModelError     a model pack that is missing, damaged or does not fit
├── RecipeError    a recipe that does not make sense
├── QueryError     a query that does not make sense
└── ExportError    a target that cannot be written

This is the one module that every layer may import: it imports nothing itself.
"""

from __future__ import annotations


class CurateError(Exception):
    """An error a user can act on.

    Args:
        message: what is wrong, in words.
        where: the path or the clause it is about, if there is one.
        hint: the next command to type, or the change to make.
    """

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling between processes.
        return (_rebuild, (type(self), self.message, self.where, self.hint))


class InputError(CurateError):
    """A source, a picture or a score set cannot be used."""


class ModelError(CurateError):
    """A model pack is missing, damaged, or does not fit."""


class RecipeError(CurateError):
    """A recipe does not make sense."""


class QueryError(CurateError):
    """A query does not make sense.

    Args:
        message, where, hint: as in CurateError.
        query: the whole text of the query.
        position: index of the character in it where the trouble begins; None where it has no one place.
        length: how many characters the trouble is long.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        hint: str = "",
        query: str = "",
        position: int | None = None,
        length: int = 1,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.query = query
        self.position = position
        self.length = length

    def __reduce__(self) -> tuple[object, ...]:
        place = (self.query, self.position, self.length)
        return (_rebuild_query, (self.message, self.where, self.hint, *place))


class ExportError(CurateError):
    """A target cannot be written."""


def _rebuild(kind: type[CurateError], message: str, where: str, hint: str) -> CurateError:
    return kind(message, where=where, hint=hint)


def _rebuild_query(
    message: str, where: str, hint: str, query: str, position: int | None, length: int
) -> QueryError:
    return QueryError(message, where=where, hint=hint, query=query, position=position, length=length)
