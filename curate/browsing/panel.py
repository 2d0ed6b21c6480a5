"""The panel *Emotional temperature*: what the faces of the current view express."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import fiftyone.operators as foo
import numpy as np
from fiftyone.operators import types

from curate.browsing import panel_choice, panel_plots
from curate.browsing.current import base_view, current_view
from curate.browsing.operators.faces import score_set
from curate.browsing.panel_data import Faces, au_means, aus_of, read_faces, whole_means
from curate.errors import CurateError

NAME = "emotional_temperature"
_TALL = {"histogram": 330, "map": 430, "heatmap": 330, "profile": 540}
_NEEDS = {
    "histogram": "No temperatures: this set has no expression scores.",
    "map": "No valence and arousal: this set has no expression scores.",
    "heatmap": "No bands: this set has no expression scores.",
    "profile": "No action units: this set was scored without them (`curate score SOURCE` measures them).",
}


class EmotionalTemperature(foo.Panel):
    """Histogram, map, table and profile of the current view; a click shows the faces behind what was clicked."""

    @property
    def config(self) -> Any:
        return foo.PanelConfig(
            name=NAME,
            label="Emotional temperature",
            icon="thermostat",
            category=foo.Categories.CURATE,
            surfaces="grid",
            help_markdown=(
                "What the faces of the current view and filters express. Click a bar, a cell or an action unit, or "
                "draw around faces on the map, to see them; **Back** returns."
            ),
        )

    def on_load(self, ctx: Any) -> None:
        """The panel opens: it is drawn (`render`) after every event."""

    def on_change_view(self, ctx: Any) -> None:
        """View, saved view or filters are others now."""

    def on_change_dataset(self, ctx: Any) -> None:
        """Another set: nothing to go back to."""
        ctx.panel.set_state("back", [])

    def on_bar(self, ctx: Any) -> None:
        """A bar of the histogram was clicked."""
        if ctx.params.get("x") is not None:
            name, heat = ctx.params["trace"], float(ctx.params["x"])
            self._show(ctx, lambda view: panel_choice.of_bar(view, name, heat))

    def on_cell(self, ctx: Any) -> None:
        """A cell of the table was clicked."""
        if ctx.params.get("x") is not None:
            name, band = ctx.params["y"], ctx.params["x"]
            self._show(ctx, lambda view: panel_choice.of_cell(view, name, band))

    def on_region(self, ctx: Any) -> None:
        """A region of the map was drawn."""
        ids = [point["id"] for point in ctx.params.get("data") or () if point.get("id")]
        if ids:
            self._show(ctx, lambda view: panel_choice.of_region(view, ids))

    def on_dot(self, ctx: Any) -> None:
        """A dot of the map was clicked."""
        if ctx.params.get("id"):
            ids = [ctx.params["id"]]
            self._show(ctx, lambda view: panel_choice.of_region(view, ids))

    def on_action_unit(self, ctx: Any) -> None:
        """A bar of the profile was clicked."""
        label = str(ctx.params.get("y"))
        if panel_choice.of_action_unit(ctx.dataset, label) is not None:
            self._show(ctx, lambda view: panel_choice.of_action_unit(view, label))

    def on_back(self, ctx: Any) -> None:
        """To the view before the last click."""
        back = list(ctx.panel.get_state("back") or [])
        if back:
            stages = back.pop()
            ctx.panel.set_state("back", back)
            ctx.ops.set_view(_view(ctx.dataset, stages))

    def on_all(self, ctx: Any) -> None:
        """To the whole set."""
        ctx.panel.set_state("back", [])
        ctx.ops.clear_sidebar_filters()
        ctx.ops.clear_view()

    def render(self, ctx: Any) -> Any:
        """Headline, buttons, plots; for a plot that has nothing to show, what is missing.

        The numbers are part of the layout and not of the panel's data: the app merges new data into what it had, so
        that bars of an earlier view would stay.
        """
        view = current_view(ctx)
        faces, aus = read_faces(view), aus_of(ctx.dataset)
        panel = types.Object()
        panel.md(headline(faces, ctx.dataset.count()), name="headline")
        buttons = panel.h_stack("buttons", gap=1)
        back = bool(ctx.panel.get_state("back"))
        buttons.btn(
            "back",
            label="Back",
            icon="arrow_back",
            on_click=self.on_back,
            variant="outlined",
            disabled=not back,
        )
        buttons.btn("all", label="All faces", icon="select_all", on_click=self.on_all, variant="outlined")
        there = {
            "histogram": faces.temperature is not None,
            "map": faces.valence is not None and faces.arousal is not None,
            "heatmap": "band" in ctx.dataset.get_field_schema(),
            "profile": bool(aus),
        }
        for name, height in _TALL.items():
            if not there[name]:
                panel.md(_NEEDS[name], name=f"no_{name}")
                continue
            data, layout, config, events = self._plot(name, ctx, view, faces, aus)
            panel.plot(name, data=data, layout=layout, config=config, height=f"{height}px", **events)
        return types.Property(panel, view=types.GridView(orientation="vertical", columns=1, gap=2, px=1))

    def _plot(self, name: str, ctx: Any, view: Any, faces: Faces, aus: tuple[str, ...]) -> tuple[Any, ...]:
        """Traces, layout, configuration and events of a plot."""
        quiet = panel_plots.QUIET
        if name == "histogram":
            return (
                panel_plots.histogram(faces),
                panel_plots.histogram_layout(_bands(ctx.dataset)),
                quiet,
                {"on_click": self.on_bar},
            )
        if name == "map":
            events = {"on_click": self.on_dot, "on_selected": self.on_region}
            return panel_plots.map_(faces), panel_plots.map_layout(), panel_plots.CHOOSING, events
        if name == "heatmap":
            return panel_plots.heatmap(faces), panel_plots.heatmap_layout(), quiet, {"on_click": self.on_cell}
        data = panel_plots.profile(au_means(view, aus), whole_means(ctx.dataset))
        return data, panel_plots.profile_layout(aus), quiet, {"on_click": self.on_action_unit}

    def _show(self, ctx: Any, part: Callable[[Any], Any]) -> None:
        """Make a part of the current view the view, if there is any face in it: the sidebar's filters stay."""
        if not part(current_view(ctx)).count():
            return
        back = list(ctx.panel.get_state("back") or [])
        ctx.panel.set_state("back", [*back, ctx.request_params.get("view") or []])
        ctx.ops.set_view(part(base_view(ctx)))


def headline(faces: Faces, whole: int) -> str:
    """One line on the faces of a view, as Markdown."""
    scored = len(faces.ids)
    parts = [f"**{scored:,} faces**" if faces.count == whole else f"**{scored:,} faces** of {whole:,} rows"]
    if faces.count > scored:
        parts.append(f"{faces.count - scored:,} not scored")
    if faces.temperature is not None and not np.isnan(faces.temperature).all():
        parts.append(f"median temperature **{np.nanmedian(faces.temperature):.0f}**")
    if faces.valence is not None and not np.isnan(faces.valence).all():
        parts.append(f"mean valence **{np.nanmean(faces.valence):+.2f}**")
    return " · ".join(parts)


def _view(dataset: Any, stages: list[dict[str, Any]]) -> Any:
    """A view from its stages, as the app sends them."""
    from fiftyone.server.view import get_view

    return get_view(dataset, stages=stages)


def _bands(dataset: Any) -> Mapping[str, float]:
    """Where the bands of a set begin."""
    from curate.affect import tables_of

    try:
        source = score_set(dataset)
        if source.manifest.own_tables:
            return tables_of(source.folder, source.manifest).affect.bands
    except CurateError:
        pass  # the set is gone: its faces are still there to be looked at
    return panel_plots.BANDS_BEGIN
