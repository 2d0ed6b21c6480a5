"""A person's taste: what the faces that somebody accepted have in common, in columns that are measured already.

A logistic regression on standardised columns, so that the weights can be read. It says what goes with the decisions,
not why they were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.errors import RecipeError
from curate.scorers.columns import EXPRESSIONS, INTENSITY_AUS, PRESENCE_AUS

# So few decisions say nothing yet; and so few of one kind.
ENOUGH, ENOUGH_OF_A_KIND = 50, 5
_FOLDS, _INNER_FOLDS = 5, 3
# So many standard errors from .5 are no chance. Those of a cross-validation are larger than their formula says, which
# is for one model: with 60 thumbs at random the AUC scattered by .10 where it says .074, with 200 by .049 for .041.
_ERRORS = 2.6
_STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_KEY = ("sha256", "face")
_AFFECT = ("valence", "arousal", "temperature", "energy", "agreement", "ambivalence")
# How far a head is turned is liked or not, seldom to which side: queries can say the same.
_POSE = ("yaw", "pitch", "roll")
_QUALITY = ("sharpness", "brightness", "contrast", "eye_distance", "asymmetry")

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Taste:
    """What decisions go with. Make one with `fit_taste`.

    Attributes:
        weights: column (String; a column or `abs(column)`), weight (Float64): by how much the logarithm of the odds
            of being accepted rises with one standard deviation of the column; the largest first, whatever their sign.
        auc: probability that of an accepted and a rejected face, neither of which it was made from, it ranks the
            accepted one higher; .5 is chance. Mean over the folds of a cross-validation that also chooses the strength.
        auc_error: its standard error (Hanley & McNeil 1982).
        accepted, rejected: how many decisions it was made from.
        strength: inverse strength of the regularisation (scikit-learn's C).
    """

    weights: pl.DataFrame
    auc: float
    auc_error: float
    accepted: int
    rejected: int
    strength: float
    _model: _Model

    @property
    def better_than_chance(self) -> bool:
        """Whether thumbs at random would give such an AUC less than about once in forty."""
        return self.auc - _ERRORS * self.auc_error > 0.5

    @property
    def verdict(self) -> str:
        """How far it is to be believed, in a sentence for people."""
        seen = f"in {self.auc:.0%} of pairs it ranks the accepted face above the rejected one"
        if not self.better_than_chance:
            return (
                f"no better than chance: {seen}, and tossing a coin does in 50%; its order means nothing yet"
            )
        if self.auc < 0.7:
            return f"a weak hint: {seen}, where a coin has 50%"
        return f"{seen}, where a coin has 50%"

    def score(self, rows: pl.DataFrame) -> pl.Series:
        """How probably a person with this taste accepts each row.

        Args:
            rows: a score set. A column that is missing, and a value that is null, count as average.

        Returns:
            `taste` (Float64, in [0, 1]); null where nothing is known of a face.
        """
        odds = np.full(rows.height, self._model.intercept)
        known = np.zeros(rows.height, bool)
        for name, mean, spread, weight in self._model.terms():
            values = _values(rows, name)
            there = ~np.isnan(values)
            known |= there
            odds += np.where(there, weight * (values - mean) / spread, 0.0)
        taste = pl.Series("taste", _probability(odds))
        return taste.set(pl.Series(~known), None)


@dataclass(frozen=True, eq=False)
class _Model:
    """Columns with mean, spread and weight (float64, one each), and the intercept."""

    columns: tuple[str, ...]
    mean: Floats
    spread: Floats
    weight: Floats
    intercept: float

    def terms(self) -> zip[tuple[str, Any, Any, Any]]:
        return zip(self.columns, self.mean, self.spread, self.weight, strict=True)

    def odds(self, values: Floats) -> Floats:
        """Logarithm of the odds of each row of values (n, k)."""
        standard = np.nan_to_num((values - self.mean) / self.spread)
        return np.asarray(standard @ self.weight + self.intercept, np.float64)


def taste_columns(columns: Mapping[str, Any] | pl.Schema | list[str]) -> list[str]:
    """Of a set's columns those that a taste is read from: nothing of identity, prompt, seed, nor made from others."""
    affect = (*EXPRESSIONS, "confidence", *_AFFECT)
    units = (*(f"au{n:02}" for n in INTENSITY_AUS), *(f"au{n:02}_p" for n in PRESENCE_AUS))
    gaze = ("gaze_yaw", "gaze_pitch")
    return [name for name in (*units, *affect, *_POSE, *gaze, *_QUALITY) if name in columns]


def fit_taste(rows: pl.DataFrame, liked: NDArray[np.bool_] | pl.Series) -> Taste:
    """Find out what accepted faces have in common that rejected ones do not.

    Deterministic, and independent of the order of the rows where they have `sha256` and `face`. A face that is there
    more than once counts once. Missing values are the mean of the rows that a model is made from, never of those it is
    tried on.

    Args:
        rows: the faces that were decided, columns of a score set.
        liked: (n,) bool, whether each was accepted.

    Raises:
        RecipeError: there are fewer than `ENOUGH` decisions, or nearly all of a kind; no column to go by is there;
            scikit-learn is not installed.
    """
    likes = liked.to_numpy().astype(bool) if isinstance(liked, pl.Series) else np.asarray(liked, bool)
    if len(likes) != rows.height:
        raise RecipeError(f"{rows.height} faces and {len(likes)} decisions")
    rows, likes = _in_order(rows, likes)
    _check_enough(int(likes.sum()), int((~likes).sum()))
    names = _terms(taste_columns(rows.columns))
    values = np.column_stack([_values(rows, name) for name in names]) if names else np.empty((len(likes), 0))
    told = np.array([np.nanmax(column) > np.nanmin(column) if np.isfinite(column).any() else False
                     for column in values.T], bool)  # fmt: skip
    names = [name for name, there in zip(names, told, strict=True) if there]
    if not names:
        raise RecipeError(
            "there is nothing to go by: the faces have no scores that differ", hint="curate score SOURCE"
        )
    values = values[:, told]
    aucs = []
    # One thread: these are small matrices, and the sums of several depend on how many there are.
    with _imported("threadpoolctl").threadpool_limits(1):
        for train, test in _folds(likes, _FOLDS, seed=0):
            model = _fitted(values[train], likes[train], _best(values[train], likes[train]), names)
            aucs.append(_auc(model.odds(values[test]), likes[test]))
        strength = _best(values, likes)
        model = _fitted(values, likes, strength, names)
    auc, accepted, rejected = float(np.mean(aucs)), int(likes.sum()), int((~likes).sum())
    order = np.lexsort((np.arange(len(names)), -np.abs(model.weight)))
    weights = pl.DataFrame({"column": [names[i] for i in order], "weight": model.weight[order]})
    error = _auc_error(auc, accepted, rejected)
    return Taste(weights, auc, error, accepted, rejected, strength, model)


def _check_enough(accepted: int, rejected: int) -> None:
    few, other = ("accepted", "rejected") if accepted < rejected else ("rejected", "accepted")
    if accepted + rejected < ENOUGH:
        missing = ENOUGH - accepted - rejected
        raise RecipeError(
            f"{accepted + rejected} decisions say too little of a taste: {ENOUGH} are needed",
            hint=f"accept or reject {missing} more faces",
        )
    if min(accepted, rejected) < ENOUGH_OF_A_KIND:
        raise RecipeError(
            f"nearly all faces were {other}, and only {min(accepted, rejected)} {few}: a taste needs both",
            hint=f"{few.removesuffix('ed')} at least {ENOUGH_OF_A_KIND}",
        )


def _in_order(rows: pl.DataFrame, likes: NDArray[np.bool_]) -> tuple[pl.DataFrame, NDArray[np.bool_]]:
    """Each face once, by content where that is known."""
    key = [name for name in _KEY if name in rows.columns]
    if len(key) < len(_KEY):
        return rows, likes
    keyed = rows.select(_KEY).with_columns(pl.Series("_liked", likes)).with_row_index("_row")
    # A face that was both accepted and rejected cannot be: decisions are kept by content.
    order = keyed.unique(key, keep="first", maintain_order=True).sort(key)["_row"]
    return rows[order], likes[order.to_numpy()]


def _terms(columns: list[str]) -> list[str]:
    return [term for name in columns for term in ((name, f"abs({name})") if name in _POSE else (name,))]


def _values(rows: pl.DataFrame, term: str) -> Floats:
    """A term of each row, float64; NaN where it is missing."""
    name = term.removeprefix("abs(").removesuffix(")")
    if name not in rows.columns:
        return np.full(rows.height, np.nan)
    values = rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    values = np.where(np.isfinite(values), values, np.nan)
    return np.abs(values) if term != name else values


def _fitted(values: Floats, likes: NDArray[np.bool_], strength: float, names: list[str]) -> _Model:
    """A model of the rows (n, k), which may have NaN."""
    linear = _imported("sklearn.linear_model")
    there = np.isfinite(values)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, values, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(there, values - mean, 0.0) ** 2).sum(axis=0) / count)
    spread[spread == 0] = 1.0  # constant here: its weight is 0
    standard = np.nan_to_num((values - mean) / spread)
    model = linear.LogisticRegression(C=strength, max_iter=2000, tol=1e-6).fit(standard, likes)
    return _Model(tuple(names), mean, spread, model.coef_[0].astype(np.float64), float(model.intercept_[0]))


def _best(values: Floats, likes: NDArray[np.bool_]) -> float:
    """The strength of the regularisation that foresees best, by the logarithmic loss of a cross-validation."""
    names = [""] * values.shape[1]
    losses = np.zeros(len(_STRENGTHS))
    for train, test in _folds(likes, _INNER_FOLDS, seed=1):
        for i, strength in enumerate(_STRENGTHS):
            odds = _fitted(values[train], likes[train], strength, names).odds(values[test])
            losses[i] += np.logaddexp(0, np.where(likes[test], -odds, odds)).sum()
    return _STRENGTHS[int(losses.argmin())]  # of equals the simplest


def _folds(
    likes: NDArray[np.bool_], count: int, seed: int
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows to fit and rows to try, with as many accepted ones in each fold as in all."""
    selection = _imported("sklearn.model_selection")
    folds = selection.StratifiedKFold(count, shuffle=True, random_state=seed)
    return list(folds.split(np.zeros(len(likes)), likes))


def _auc(odds: Floats, likes: NDArray[np.bool_]) -> float:
    """Share of pairs of an accepted and a rejected row in which the accepted one has the larger odds; ties a half."""
    ranks = pl.Series(odds).rank("average").to_numpy()
    accepted, rejected = int(likes.sum()), int((~likes).sum())
    return float((ranks[likes].sum() - accepted * (accepted + 1) / 2) / (accepted * rejected))


def _auc_error(auc: float, accepted: int, rejected: int) -> float:
    """Standard error of an AUC (Hanley & McNeil 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (accepted - 1) * (q1 - auc**2) + (rejected - 1) * (q2 - auc**2)
    return float(np.sqrt(max(variance, 0.0) / (accepted * rejected)))


def _probability(odds: Floats) -> Floats:
    return np.asarray(np.exp(-np.logaddexp(0, -odds)), np.float64)


def _imported(module: str) -> Any:
    """Of scikit-learn, or what it brings along."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise RecipeError(
            "a taste needs scikit-learn, which is not installed", hint="pip install 'curate-faces[app]'"
        ) from error
