"""A source that is away keeps its last facts for a while and then says nothing; its state says so at once."""

import threading

import pytest

from ratchet.errors import TemporaryError
from ratchet.io.poller import Poller


class Somebody:
    """Says what it is told to say, or raises it."""

    def __init__(self, says):
        self.says = says
        self.asked = 0

    def __call__(self):
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@pytest.fixture
def somebody():
    return Somebody("facts")


@pytest.fixture
def source(somebody, clock):
    return Poller("mlflow", somebody, seconds=60, keep=600, clock=clock)


AWAY = TemporaryError("MLflow does not answer")


def test_before_it_has_answered_there_is_nothing(source):
    assert source.facts() is None
    assert (source.state().up, source.state().answered) == (False, None)


def test_what_it_said_last_is_told_until_it_is_too_old(source, somebody, clock):
    source.refresh()
    assert (source.facts(), source.state().up) == ("facts", True)
    somebody.says = AWAY
    clock.sleep(60)
    source.refresh()
    assert (source.facts(), source.state().up, source.state().answered) == ("facts", False, 0.0)
    clock.sleep(600)
    source.refresh()
    assert source.facts() == "facts"
    clock.sleep(1)
    assert (source.facts(), source.state().answered) == (None, 0.0)


def test_it_comes_back(source, somebody, clock):
    somebody.says = AWAY
    source.refresh()
    somebody.says = "news"
    clock.sleep(60)
    source.refresh()
    assert (source.facts(), source.state().up, source.state().answered) == ("news", True, 60.0)


def test_one_that_hangs_is_down_when_its_facts_are_too_old(source, clock):
    source.refresh()
    clock.sleep(661)
    assert (source.facts(), source.state().up) == (None, False)


def test_an_answer_that_nobody_foresaw_is_an_outage(source, somebody):
    somebody.says = KeyError("metadata")
    source.refresh()
    assert not source.state().up


def test_reading_asks_nobody(source, somebody):
    source.refresh()
    for _ in range(100):
        source.facts()
        source.state()
    assert somebody.asked == 1


def test_it_is_asked_again_and_again_until_it_is_told_to_stop(somebody, clock):
    stop = threading.Event()
    quick = Poller("mlflow", somebody, seconds=0.001, keep=600, clock=clock)
    thread = threading.Thread(target=quick.refresh_for_ever, args=(stop,))
    thread.start()
    deadline = threading.Event()
    while somebody.asked < 3:
        assert not deadline.wait(0.01)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_an_outage_is_told_once(source, somebody, capsys):
    somebody.says = AWAY
    source.refresh()
    source.refresh()
    somebody.says = "facts"
    source.refresh()
    somebody.says = AWAY
    source.refresh()
    source.refresh()
    said = capsys.readouterr().out
    # Never having answered is told each time: nothing else would say why there is nothing.
    assert said.count("source.away") == 3
    assert said.count("source.up") == 1
