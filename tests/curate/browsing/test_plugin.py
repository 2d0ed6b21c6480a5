"""The app finds the plugin, beside what else is there, and nobody else's things are touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from curate.browsing import enabling
from curate.browsing.enabling import NAME, PLUGIN, enable_plugin
from curate.errors import InputError


@pytest.fixture
def plugins(fo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """FiftyOne's folder of plugins, a new one, with a plugin of somebody else."""
    folder = tmp_path / "plugins"
    other = folder / "other"
    other.mkdir(parents=True)
    (other / "fiftyone.yml").write_text('name: "@other/thing"\n')
    monkeypatch.setattr(fo.config, "plugins_dir", str(folder))
    return folder


def names(fo: Any) -> set[str]:
    import fiftyone.plugins as fop

    return {plugin.name for plugin in fop.list_plugins()}


def test_it_is_linked_beside_other_plugins_and_again_nothing_changes(fo: Any, plugins: Path) -> None:
    link = enable_plugin()
    assert link == plugins / NAME
    assert link.is_symlink()
    assert link.resolve() == PLUGIN
    before = link.lstat().st_mtime_ns
    assert enable_plugin() == link
    assert link.lstat().st_mtime_ns == before
    assert names(fo) == {"@other/thing", "@curate/faces"}


def test_a_missing_folder_of_plugins_is_made(fo: Any, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fo.config, "plugins_dir", str(plugins / "deeper" / "still"))
    assert (enable_plugin() / "fiftyone.yml").is_file()


@pytest.mark.parametrize("target", ["gone/curate/browsing/plugin", "there/curate/browsing/plugin"])
def test_a_link_of_another_environment_is_replaced(plugins: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "there/curate/browsing/plugin").mkdir(parents=True)
    (plugins / NAME).symlink_to(tmp_path / target)
    assert enable_plugin().resolve() == PLUGIN
    assert (tmp_path / "there/curate/browsing/plugin").is_dir()


def test_somebody_elses_folder_link_or_file_is_an_error_and_stays(plugins: Path, tmp_path: Path) -> None:
    place = plugins / NAME
    place.mkdir()
    (place / "__init__.py").write_text("mine = 1\n")
    with pytest.raises(InputError, match="somebody else's plugin") as caught:
        enable_plugin()
    assert "move it away" in caught.value.hint
    assert (place / "__init__.py").read_text() == "mine = 1\n"
    place.rename(tmp_path / "theirs")
    place.symlink_to(tmp_path / "theirs")
    with pytest.raises(InputError, match="somebody else's link"):
        enable_plugin()
    place.unlink()
    place.write_text("a file")
    with pytest.raises(InputError, match="is a file"):
        enable_plugin()
    assert place.read_text() == "a file"


def test_where_links_cannot_be_made_a_folder_imports_the_package(
    fo: Any, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fiftyone.plugins.context import PluginContext

    def refused(*_: object, **__: object) -> None:
        raise OSError(1314, "A required privilege is not held by the client")

    with monkeypatch.context() as no_links:
        no_links.setattr(Path, "symlink_to", refused)
        for _ in range(2):
            folder = enable_plugin()
            assert not folder.is_symlink()
            assert sorted(path.name for path in folder.iterdir()) == ["__init__.py", "fiftyone.yml"]
    import fiftyone.plugins as fop

    context = PluginContext(fop.get_plugin("@curate/faces"))
    context.register_all()
    assert not context.errors
    assert {one.name for one in context.instances} == {
        "emotional_temperature",
        *(operator.name_ for operator in operators()),
    }
    # Once links can be made it becomes one.
    assert enable_plugin().is_symlink()


def test_a_folder_that_cannot_be_written_is_an_error_in_words(
    fo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(fo.config, "plugins_dir", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be put here") as caught:
        enable_plugin()
    assert "FIFTYONE_PLUGINS_DIR" in caught.value.hint


def operators() -> tuple[Any, ...]:
    from curate.browsing.operators import OPERATORS

    return OPERATORS


def test_every_operator_is_declared_named_and_described(fo: Any) -> None:
    said = yaml.safe_load((PLUGIN / "fiftyone.yml").read_text())
    assert sorted(said["operators"]) == sorted(operator.name_ for operator in operators())
    assert said["panels"] == ["emotional_temperature"]
    for operator in operators():
        config = operator().config
        assert config.label
        assert config.description
        assert config.icon


def test_the_package_ships_the_plugin() -> None:
    assert Path(enabling.__file__).parent / "plugin" == PLUGIN
    shipped = {path.name for path in PLUGIN.iterdir() if path.is_file()}
    assert shipped == {"__init__.py", "fiftyone.yml"}
