"""What a person sees in the app at this moment."""

from __future__ import annotations

from typing import Any


def current_view(ctx: Any) -> Any:
    """The view of an operator's or panel's context, with the sidebar's filters.

    `ctx.view` leaves the filters out where the view is a saved one.
    """
    from fiftyone.server.view import get_extended_view, get_view

    asked = ctx.request_params
    view = get_view(ctx.dataset, view_name=asked.get("view_name"), stages=asked.get("view"))
    filters, extended = asked.get("filters"), asked.get("extended")
    return get_extended_view(view, filters, extended_stages=extended) if filters or extended else view


def base_view(ctx: Any) -> Any:
    """The same without the sidebar's filters: what the view bar shows."""
    from fiftyone.server.view import get_view

    asked = ctx.request_params
    return get_view(ctx.dataset, view_name=asked.get("view_name"), stages=asked.get("view"))
