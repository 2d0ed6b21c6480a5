"""What the app shows of a score set beside the grid: groups of fields, the ones that are on, colours, indexes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from curate.browsing.colours import ACCEPTED, BAND_COLOURS, DIVERGING, EXPRESSION_COLOURS, NONE, REJECTED
from curate.browsing.fields import DETECTION, DIGEST_FIELD, EXPRESSION, KEYPOINTS, MESH, field_name
from curate.browsing.mesh import PARTS
from curate.browsing.rows import KEPT, LANDMARKS, RECIPE_FIELD
from curate.decisions import COLUMN as DECISION
from curate.scorers.columns import (
    EXPRESSIONS,
    GENERATION,
    INTENSITY_AUS,
    INTENT,
    MEASURES,
    PRESENCE_AUS,
    QUALITY,
)

# Group -> its columns, in the order in which people look for them; recipes are added to the first.
GROUPS: dict[str, tuple[str, ...]] = {
    "Choice": (DECISION, "status"),
    "Temperature": ("temperature", "tone", "band", "valence", "arousal", "energy", "agreement", "ambivalence"),
    "Expression": (EXPRESSION, DETECTION, "confidence", *EXPRESSIONS, *(c.name for c in MEASURES)),
    "Action units": tuple(f"au{n:02}" for n in INTENSITY_AUS),
    "Action units, probabilities": tuple(f"au{n:02}_p" for n in PRESENCE_AUS),
    "Face": ("yaw", "pitch", "roll", "eye_distance", "asymmetry", "gaze_yaw", "gaze_pitch", "face", "n_faces",
             "box_x", "box_y", "box_w", "box_h", KEYPOINTS, MESH),
    "Quality": (*(c.name for c in QUALITY if c.name != "phash"), "width", "height", "format"),
    "Intent": tuple(c.name for c in INTENT),
    "Generation": tuple(c.name for c in GENERATION),
}  # fmt: skip
_OPEN = ("Choice", "Temperature", "Expression", "Action units", "Quality")
# The app has a group "metadata" in any case: there is what is known of the file.
_REST, _FILE = "More columns", "metadata"
# On from the start, with the recipe: what is read off a picture at a glance.
ACTIVE = (DECISION, "temperature", "band", "tone", "valence", EXPRESSION, DETECTION, "confidence", "intent")
_LANDMARKS_COLOUR = "#4fd1c5"
# What people slide or tick; the rest can be filtered as well, slower.
INDEXED = (
    "temperature", "tone", "valence", "arousal", "energy", "agreement", "ambivalence", "band", "confidence",
    f"{EXPRESSION}.label", *(f"au{n:02}" for n in INTENSITY_AUS), "yaw", "pitch", "roll", "eye_distance", "sharpness",
    "brightness", "contrast", "au_conflicts", "intent", "intent_p", "intent_rank", "status", DECISION,
    "model", "sha256",
)  # fmt: skip


def arrange(dataset: Any, columns: Iterable[str]) -> None:
    """Lay out the sidebar of a dataset whose score set has these columns; what a person added comes last.

    Colours and groups are set anew at every import: they follow the columns.
    """
    import fiftyone as fo

    names = [field_name(column) for column in columns if column not in ("image", LANDMARKS)]
    recipes = [name for name in dataset.get_field_schema() if name.startswith(RECIPE_FIELD)]
    there = {*names, *recipes, *(path for path in (DETECTION, KEYPOINTS, MESH) if dataset.has_field(path))}
    groups, placed = [], {DIGEST_FIELD, "sha256", "error", "image", "phash"}
    for group, members in GROUPS.items():
        wanted = [field_name(m) if m not in (DETECTION, KEYPOINTS, MESH) else m for m in members]
        paths = [*(recipes if group == "Choice" else ()), *(path for path in wanted if path in there)]
        placed |= set(paths)
        if paths:
            groups.append(_group(group, paths, expanded=group in _OPEN))
    others = [name for name in dataset.get_field_schema() if name not in placed]
    basic = {"id", "filepath", "tags", "metadata", "created_at", "last_modified_at"}
    rest = [name for name in others if name not in basic]
    if rest:
        groups.append(_group(_REST, rest, expanded=False))
    file = ["id", "filepath", "image", "sha256", "phash", "error", "metadata.width", "metadata.height",
            "metadata.mime_type", "metadata.size_bytes", "metadata.num_channels", DIGEST_FIELD, "created_at",
            "last_modified_at"]  # fmt: skip
    groups.insert(0, _group("tags", [], expanded=True))
    groups.append(_group(_FILE, [path for path in file if dataset.has_field(path)], expanded=False))
    config = dataset.app_config
    before = config.to_dict()
    config.sidebar_groups = groups
    config.active_fields = fo.DatasetAppConfig.default_active_fields(dataset)
    config.active_fields.exclude = False
    config.active_fields.paths = [*(path for path in ACTIVE if path in there), *recipes[:1]]
    config.color_scheme = _colours(before.get("color_scheme"), there)
    if config.to_dict() != before:
        dataset.save()
    _index(dataset, [*INDEXED, *recipes])


def _group(name: str, paths: list[str], *, expanded: bool) -> Any:
    import fiftyone as fo

    return fo.SidebarGroupDocument(name=name, paths=paths, expanded=expanded)


def _index(dataset: Any, paths: Iterable[str]) -> None:
    had = dataset.list_indexes()
    for path in paths:
        if path not in had and dataset.has_field(path):
            dataset.create_index(path)


def _colours(before: Mapping[str, Any] | None, there: Iterable[str]) -> Any:
    """Fixed colours of expressions and bands; blue by grey to red for what has a middle."""
    import fiftyone as fo

    def words(colours: Mapping[str, str]) -> list[dict[str, str]]:
        return [{"value": value, "color": colour} for value, colour in colours.items()]

    expressions = words(EXPRESSION_COLOURS)
    scale = [{"value": i / (len(DIVERGING) - 1), "color": _rgb(colour)} for i, colour in enumerate(DIVERGING)]
    fields: list[dict[str, Any]] = [
        {"path": EXPRESSION, "colorByAttribute": "label", "valueColors": expressions},
        {"path": DETECTION, "colorByAttribute": "label", "valueColors": expressions},
        {"path": "intent", "valueColors": expressions},
        {"path": "muscles", "valueColors": expressions},
        {"path": "band", "valueColors": words(BAND_COLOURS)},
        {"path": DECISION, "valueColors": words({"accept": ACCEPTED, "reject": REJECTED})},
        {
            "path": KEYPOINTS,
            "colorByAttribute": "label",
            "valueColors": words(dict.fromkeys(PARTS, _LANDMARKS_COLOUR)),
        },
        *(
            {"path": path, "valueColors": words({KEPT: ACCEPTED})}
            for path in there
            if path.startswith(RECIPE_FIELD)
        ),
    ]
    scheme = fo.ColorScheme(
        color_by="value",
        # What has no colour of its own, numbers above all, is grey: any other would seem to mean something.
        color_pool=[NONE],
        fields=[field for field in fields if field["path"] in there],
        colorscales=[
            {"path": path, "list": scale} for path in ("temperature", "valence", "tone") if path in there
        ],
        multicolor_keypoints=False,
        show_skeletons=True,
        opacity=0.7,
    )
    if before and before.get("_id") is not None:
        scheme.id = before["_id"]
    return scheme


def _rgb(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"
