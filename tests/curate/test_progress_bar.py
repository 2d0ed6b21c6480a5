"""The bar of long commands."""

from __future__ import annotations

import pytest

from curate.output import Output
from curate.progress_bar import progress_bar, rate


def test_nobody_looks_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bar(Output()) as bar:
        assert bar is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("seconds", "said"), [(10, "1.0/s"), (0.01, "1,000/s")])
def test_a_terminal_shows_how_far_and_how_fast(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], seconds: float, said: str
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with progress_bar(Output(), "note", before="now ") as bar:
        assert bar is not None
        now = 0.0
        bar.get_time = lambda: now
        task = bar.add_task("writing", total=30, rate="", note="")
        assert rate(bar, task) == ""
        bar.advance(task, 0)  # where the clock starts
        for _ in range(2):
            now += seconds
            bar.advance(task, 10)
        assert rate(bar, task) == said
        assert rate(bar, task, "faces") == said.replace("/", " faces/")
        bar.update(task, rate=rate(bar, task), note="two are left out")
        bar.refresh()
    shown = capfd.readouterr().err
    assert all(word in shown for word in ("now writing", "20/30", said, "two are left out"))


def test_with_json_and_quiet_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    for output in (Output(as_json=True), Output(quiet=True)):
        with progress_bar(output) as bar:
            assert bar is None
