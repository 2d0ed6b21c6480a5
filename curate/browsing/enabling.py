"""The app finds our plugin: a link in FiftyOne's folder of plugins, beside whatever else is there."""

from __future__ import annotations

import shutil
from pathlib import Path

from curate.errors import InputError

NAME = "curate-faces"
PLUGIN = Path(__file__).resolve().parent / "plugin"
_DESCRIPTION = "fiftyone.yml"
# In a folder that we wrote because links cannot be made; only such a one is ever written over.
_MARK = "# Written by `curate browse`: this system makes no links. The plugin is in the package `curate`.\n"


def enable_plugin() -> Path:
    """Make FiftyOne find the plugin `@curate/faces`, also in a server that runs already.

    Returns:
        The link (or, where links cannot be made, the folder) within `fiftyone.config.plugins_dir`.

    Raises:
        InputError: somebody else's folder is in its place, or the folder of plugins cannot be written.
    """
    import fiftyone as fo

    plugins = Path(fo.config.plugins_dir)
    place = plugins / NAME
    try:
        plugins.mkdir(parents=True, exist_ok=True)
        _clear(place)
        if not place.exists():
            try:
                place.symlink_to(PLUGIN, target_is_directory=True)
            except FileExistsError:
                pass  # another `curate browse` was faster
            except (OSError, NotImplementedError):
                _write(place)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "FIFTYONE_PLUGINS_DIR=FOLDER names another folder"
        raise InputError(f"the plugin cannot be put here: {reason}", where=str(place), hint=hint) from error
    return place


def _clear(place: Path) -> None:
    """Take away what we put there for another environment, and nothing else."""
    if place.is_symlink():
        if not _ours(place):
            hint = f"move it away, then type this again: {place}"
            raise InputError("is somebody else's link, not curate's", where=str(place), hint=hint)
        if place.resolve() != PLUGIN:
            place.unlink()
    elif place.is_dir():
        written = place / "__init__.py"
        if not written.is_file() or not written.read_text(encoding="utf-8").startswith(_MARK):
            hint = f"move it away, then type this again: {place}"
            raise InputError("is somebody else's plugin, not curate's", where=str(place), hint=hint)
        shutil.rmtree(place)
    elif place.exists():
        raise InputError("is a file, where the plugin is to be", where=str(place), hint="move it away")


def _ours(link: Path) -> bool:
    """Whether a link leads, or led, to this plugin of some environment: `.../curate/browsing/plugin`."""
    return link.readlink().parts[-3:] == PLUGIN.parts[-3:]


def _write(place: Path) -> None:
    """A folder that imports the plugin from the package, for systems without links."""
    place.mkdir()
    shutil.copyfile(PLUGIN / _DESCRIPTION, place / _DESCRIPTION)
    lines = f"{_MARK}from curate.browsing.plugin import register  # noqa: F401\n"
    (place / "__init__.py").write_text(lines, encoding="utf-8")
