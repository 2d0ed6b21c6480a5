"""The panel's plots, as Plotly takes them: traces, which follow the view, and layouts, which do not.

The app sets the colours of text, grid and ground by its theme, so none is set here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curate.browsing.colours import EXPRESSION_COLOURS, NONE
from curate.browsing.panel_data import (
    BAR,
    Cells,
    Faces,
    au_label,
    bars,
    cells,
    expression_label,
    table,
)
from curate.scorers.columns import BANDS, EXPRESSIONS

# So many faces are drawn a dot each; of more, those that lie close are put together.
DOTS = 1500
# The cells of the table: both ends differ from a dark and from a light ground, and white text is read on both.
_FEW, _MANY = "#6b625b", "#c4540f"
_BAR = "#f0944d"
_CODES = (*range(len(EXPRESSIONS)), -1)
# Where each band begins, unless the set was made with a table of its own; see the column `band`.
BANDS_BEGIN: Mapping[str, float] = {"frozen": 0, "cool": 15, "warm": 35, "hot": 60, "blazing": 80}

Trace = dict[str, Any]
Layout = dict[str, Any]


def _colour(code: int) -> str:
    return EXPRESSION_COLOURS[EXPRESSIONS[code]] if code >= 0 else NONE


def _title(text: str) -> Layout:
    return {"text": text, "font": {"size": 15}, "x": 0.01, "xanchor": "left", "y": 0.98, "yanchor": "top"}


_BELOW = {
    "orientation": "h",
    "x": 0,
    "y": -0.2,
    "yanchor": "top",
    "font": {"size": 12},
    "traceorder": "normal",
}
QUIET = {"displayModeBar": False, "scrollZoom": False}
# Of the tools that Plotly has, those that choose a region.
CHOOSING = {
    "displayModeBar": True,
    "scrollZoom": False,
    "modeBarButtonsToRemove": [
        "toImage",
        "zoom2d",
        "pan2d",
        "zoomIn2d",
        "zoomOut2d",
        "autoScale2d",
        "resetScale2d",
    ],
}


def histogram(faces: Faces) -> list[Trace]:
    """Temperature, stacked by expression: a trace an expression that is there."""
    counts = bars(faces)
    traces = []
    for code in _CODES:
        full = np.flatnonzero(counts[code])
        if not len(full):
            continue
        name = expression_label(code)
        traces.append(
            {
                "type": "bar",
                "name": name,
                "x": (BAR * (full + 0.5)).tolist(),
                "y": counts[code][full].tolist(),
                "width": BAR * 0.92,
                "customdata": [f"{BAR * i}–{BAR * (i + 1)}" for i in full],
                "marker": {"color": _colour(code)},
                "hovertemplate": f"temperature %{{customdata}}<br>%{{y:,}} faces<extra>{name}</extra>",
            }
        )
    return traces


def histogram_layout(bands: Mapping[str, float] = BANDS_BEGIN) -> Layout:
    """With the bands' limits and names above the bars."""
    limits = [*bands.values(), 100]
    names = [
        {"x": (low + high) / 2, "y": 1.0, "yref": "paper", "yanchor": "bottom", "text": name, "showarrow": False,
         "font": {"size": 11}, "opacity": 0.75}
        for name, low, high in zip(bands, limits, limits[1:], strict=False)
    ]  # fmt: skip
    lines = [
        {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "opacity": 0.45,
         "line": {"width": 1, "dash": "dot", "color": NONE}}
        for at in limits[1:-1]
    ]  # fmt: skip
    return {
        "title": _title("Temperature"),
        "barmode": "stack",
        "bargap": 0.08,
        "dragmode": False,
        "showlegend": True,
        "legend": _BELOW,
        "xaxis": {"range": [0, 100], "tickvals": limits, "showgrid": False, "fixedrange": True},
        "yaxis": {"title": {"text": "faces"}, "fixedrange": True, "rangemode": "tozero"},
        "annotations": names,
        "shapes": lines,
        "margin": {"t": 56, "l": 50, "r": 12, "b": 70},
        "hoverlabel": {"namelength": -1},
    }


def map_(faces: Faces) -> list[Trace]:
    """Valence and arousal: a dot a face, or, of many faces, a dot for each cell of the map."""
    together = cells(faces)
    if int(together.count.sum()) > DOTS:
        return _cells(together)
    if faces.valence is None or faces.arousal is None:
        return []
    known = ~(np.isnan(faces.valence) | np.isnan(faces.arousal))
    traces = []
    for code in _CODES:
        those = known & (faces.expression == code)
        if those.any():
            marker = {"color": _colour(code), "size": 8, "opacity": 0.8}
            trace = _dots(expression_label(code), faces.valence[those], faces.arousal[those], marker)
            traces.append(trace | {"ids": faces.ids[those].tolist()})
    return traces


def _cells(together: Cells) -> list[Trace]:
    most = float(together.count.max())
    traces = []
    for code in _CODES:
        those = together.expression == code
        if those.any():
            count = together.count[those]
            # The area says how many, but a single face stays visible.
            size = 4 + 20 * np.sqrt(count / most)
            marker = {"color": _colour(code), "size": size.round(1).tolist(), "opacity": 0.75}
            trace = _dots(expression_label(code), together.valence[those], together.arousal[those], marker)
            trace |= {
                "ids": [f"cell {cell}" for cell in together.cell[those]],
                "customdata": count.tolist(),
                "hovertemplate": "%{customdata:,} faces, mostly " + expression_label(code).lower()
                + "<br>valence %{x:.2f}, arousal %{y:.2f}<extra></extra>",
            }  # fmt: skip
            traces.append(trace)
    return traces


def _dots(name: str, x: Any, y: Any, marker: Mapping[str, Any]) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": np.round(x, 4).tolist(),
        "y": np.round(y, 4).tolist(),
        "marker": {**marker, "line": {"width": 0}},
        "hovertemplate": f"{name}<br>valence %{{x:.2f}}, arousal %{{y:.2f}}<extra></extra>",
    }


def map_layout() -> Layout:
    """Unpleasant to pleasant, calm to excited."""
    axis = {"range": [-1.02, 1.02], "fixedrange": True, "tickvals": [-1, -0.5, 0, 0.5, 1], "zeroline": True}
    return {
        "title": _title("Valence and arousal"),
        "dragmode": "select",
        "showlegend": True,
        "legend": _BELOW,
        "xaxis": axis | {"title": {"text": "unpleasant  ←  valence  →  pleasant"}},
        "yaxis": axis | {"title": {"text": "calm  ←  arousal  →  excited"}, "range": [-0.55, 1.02]},
        "margin": {"t": 46, "l": 60, "r": 12, "b": 90},
    }


def heatmap(faces: Faces) -> list[Trace]:
    """Expression by band, a cell a number of faces."""
    counts = table(faces)
    return [
        {
            "type": "heatmap",
            "name": "faces",
            "x": list(BANDS),
            "y": [expression_label(code) for code in range(len(EXPRESSIONS))],
            # By the root, so that the cells beside the fullest one do not all look empty.
            "z": [[round(n**0.5, 3) if n else None for n in row] for row in counts.tolist()],
            "text": [[f"{n:,}" if n else "" for n in row] for row in counts.tolist()],
            "texttemplate": "%{text}",
            "textfont": {"size": 12, "color": "#ffffff"},
            "customdata": counts.tolist(),
            "hovertemplate": "%{y}, %{x}<br>%{customdata:,} faces<extra></extra>",
            "colorscale": [[0, _FEW], [1, _MANY]],
            "zmin": 0,
            "showscale": False,
            "xgap": 2,
            "ygap": 2,
        }
    ]


def heatmap_layout() -> Layout:
    """The expressions from the top down, in their order."""
    return {
        "title": _title("Expression and band"),
        "dragmode": False,
        "xaxis": {
            "side": "top",
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
            "type": "category",
        },
        "yaxis": {
            "autorange": "reversed",
            "showgrid": False,
            "zeroline": False,
            "fixedrange": True,
            "type": "category",
        },
        "margin": {"t": 62, "l": 90, "r": 12, "b": 12},
    }


def profile(view: Mapping[str, float | None], whole: Mapping[str, float | None]) -> list[Trace]:
    """Mean of each action unit: bars for the view, ticks for the whole set."""
    names = [name for name in whole if whole[name] is not None]
    labels = [au_label(name) for name in names]

    def said(means: Mapping[str, float | None]) -> list[str]:
        return [_mean(name, means.get(name)) for name in names]

    return [
        {
            "type": "bar",
            "orientation": "h",
            "name": "this view",
            "y": labels,
            "x": [view.get(name) for name in names],
            "marker": {"color": _BAR},
            "customdata": said(view),
            "hovertemplate": "%{y}<br>%{customdata}<extra>this view</extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "name": "the whole set",
            "y": labels,
            "x": [whole[name] for name in names],
            "marker": {
                "symbol": "line-ns-open",
                "size": 13,
                "color": NONE,
                "line": {"width": 3, "color": NONE},
            },
            "customdata": said(whole),
            "hovertemplate": "%{y}<br>%{customdata}<extra>the whole set</extra>",
        },
    ]


def profile_layout(aus: Sequence[str]) -> Layout:
    """The action units from the top down, in their order."""
    return {
        "title": _title("Action units: this view against the whole set"),
        "dragmode": False,
        "showlegend": True,
        "legend": {**_BELOW, "y": -0.13},
        "bargap": 0.3,
        "xaxis": {
            "title": {"text": "mean, as a share of the scale"},
            "tickformat": ".0%",
            "rangemode": "tozero",
            "fixedrange": True,
        },
        "yaxis": {
            "autorange": "reversed",
            "fixedrange": True,
            "showgrid": False,
            "categoryorder": "array",
            "categoryarray": [au_label(name) for name in aus],
        },
        "margin": {"t": 46, "l": 160, "r": 16, "b": 90},
    }


def _mean(name: str, mean: float | None) -> str:
    if mean is None:
        return "no face"
    return f"probability {mean:.2f}" if name.endswith("_p") else f"intensity {5 * mean:.2f} of 5"


def cell_numbers(ids: Sequence[str]) -> list[int]:
    """The cells that dots of the map stand for; none where they stand for faces."""
    return [int(each.removeprefix("cell ")) for each in ids if each.startswith("cell ")]
