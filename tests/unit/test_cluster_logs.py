"""A followed log: no line lost, none twice."""

import json

import pytest

from ratchet.io.cluster.logs import Follower, Said, said_in


class Log:
    """A container's log as the API serves it: from a whole second on."""

    def __init__(self):
        self.lines = []
        self.away = False
        self.asked = []

    def log(self, _pod, _container, since):
        self.asked.append(since)
        if self.away:
            return None
        return "".join(line + "\n" for line in self.lines if since is None or line[:19] >= since[:19])

    def write(self, at, text):
        self.lines.append(f"2026-11-24T19:00:{at}Z {text}")


def event(name):
    return json.dumps({"event": name, "level": "info"})


def names(found):
    return [each["event"] for each in found]


def test_each_event_is_told_once():
    log = Log()
    follower = Follower(log, "pod", "main")
    assert names(follower.events()) == []
    log.write("01.000000001", event("one"))
    log.write("01.000000002", event("two"))
    assert names(follower.events()) == ["one", "two"]
    assert names(follower.events()) == []
    log.write("01.000000003", event("two"))
    assert names(follower.events()) == ["two"], "the same words a moment later are another line"
    log.write("40.5", event("three"))
    assert names(follower.events()) == ["three"]
    log.write("40.4", event("late"))
    assert names(follower.events()) == ["late"], "the other stream's line may come a hair later"
    assert log.asked[0] is None
    assert log.asked[-1] == "2026-11-24T19:00:38Z"


def test_a_log_that_can_not_be_had_is_asked_for_again():
    log = Log()
    follower = Follower(log, "pod", "main")
    log.write("01.1", event("one"))
    assert names(follower.events()) == ["one"]
    log.away = True
    log.write("02.1", event("two"))
    assert follower.events() is None
    log.away = False
    assert names(follower.events()) == ["two"]


def test_what_is_no_event_is_left_out_and_the_last_sentence_kept():
    log = Log()
    follower = Follower(log, "pod", "main")
    for number, text in enumerate(
        ["26/11/24 WARN Spark", "{no json", '{"no": "event"}', "[1]", "ratchet: it is wrong", ""]
    ):
        log.write(f"01.{number}", text)
    log.lines.append("a line without a time")
    assert follower.events() == []
    assert follower.said == Said("it is wrong")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ratchet: first\nratchet: last\nother", "last"),
        ("  ratchet: indented", "indented"),
        ("nothing of it: ratchet: no", ""),
        ("", ""),
    ],
)
def test_the_last_line_of_a_failed_verb_is_its_sentence(text, sentence):
    assert said_in(text.splitlines()).sentence == sentence


def test_the_reason_that_a_verb_gives_is_kept_with_its_sentence():
    log = Log()
    follower = Follower(log, "pod", "main")
    log.write("01.1", json.dumps({"event": "verb.failed", "reason": "out-of-memory"}))
    assert names(follower.events()) == ["verb.failed"]
    log.write("05.1", "ratchet: Spark ran out of memory")
    assert follower.events() == []
    assert follower.said == Said("Spark ran out of memory", "out-of-memory")


def test_a_reason_of_another_version_is_other():
    assert said_in([json.dumps({"event": "verb.failed", "reason": "weather"})]).reason == "other"


def test_a_long_log_is_not_remembered_line_by_line():
    log = Log()
    follower = Follower(log, "pod", "main")
    for second in range(10, 60):
        log.write(f"{second}.5", event("x"))
        assert names(follower.events()) == ["x"]
    assert len(follower._seen) < 8
