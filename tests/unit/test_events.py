"""Events are lines that people and `ratchet retrain` read."""

import io
import json
import sys

import pytest
import structlog

from ratchet.cli import events
from ratchet.jobs import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def _as_before():
    yield
    structlog.reset_defaults()


@pytest.fixture
def written(monkeypatch):
    def written(stream, *told, **fields):
        monkeypatch.setattr(sys, "stdout", stream)
        events.configure()
        structlog.get_logger().info(*told, **fields)
        return stream.getvalue()

    return written


def test_an_event_is_one_line_of_json_where_stdout_is_no_terminal(written):
    text = written(io.StringIO(), "train.fit", seconds=1.5, why="zwei\nZeilen — ü")
    assert text.count("\n") == 1
    event = json.loads(text)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "train.fit", "level": "info", "seconds": 1.5, "why": "zwei\nZeilen — ü"}
    assert "ü" in text


def test_a_value_that_json_does_not_know_is_written_as_text(written, tmp_path):
    assert json.loads(written(io.StringIO(), "data.read", path=tmp_path))["path"] == str(tmp_path)


def test_an_event_is_readable_on_a_terminal(written):
    text = written(Terminal(), "train.fit", seconds=1.5)
    assert "train.fit" in text
    assert "seconds" in text
    assert not text.startswith("{")


def test_an_event_goes_to_the_stdout_of_its_moment(written, monkeypatch):
    written(io.StringIO(), "train.started")
    later = io.StringIO()
    monkeypatch.setattr(sys, "stdout", later)
    structlog.get_logger().info("train.done")
    assert json.loads(later.getvalue())["event"] == "train.done"


def test_bars_are_shown_on_a_terminal_and_move_by_steps(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress.bars({"train sklearn": 2}) as advance:
        advance("train sklearn", "train.read")
        advance("train sklearn", "train.fit")
    assert "train sklearn" in terminal.getvalue()
    assert "train.fit" in terminal.getvalue()


@pytest.mark.parametrize(("stream", "steps"), [(io.StringIO, {"train sklearn": 2}), (Terminal, {})])
def test_there_is_no_bar_without_a_terminal_or_without_steps(monkeypatch, stream, steps):
    out = stream()
    monkeypatch.setattr(sys, "stdout", out)
    with progress.bars(steps) as advance:
        advance("train sklearn", "train.read")
    assert out.getvalue() == ""
