from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.core.decision import Decision
from ratchet.errors import FailedError
from ratchet.report.decision_section import BEGIN, END, open_section, with_decision

PAGE = f"<html><body>\n{open_section()}\n<h2>Curves</h2></body></html>"


def decision(reason="F1 0.541 beats version 3", outcome="promoted", version=4):
    return Decision(outcome, reason, 0.541, 0.49, 0.7, (), (), version)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def test_a_report_without_a_decision_says_so():
    assert "not decided yet" in open_section()


def test_the_page_says_promoted_and_why():
    page = with_decision(PAGE, decision(), "flights-sklearn")
    assert "promoted · version 4 of flights-sklearn" in page
    assert "F1 0.541 beats version 3." in page
    assert "not decided yet" not in page


def test_the_page_says_held_and_that_no_version_was_made():
    page = with_decision(PAGE, decision("F1 0.5 ties", "held", None), "flights-sklearn")
    assert "held · no version was made" in page
    assert "F1 0.5 ties." in page


def test_nothing_else_of_the_page_changes():
    page = with_decision(PAGE, decision())
    assert (page.partition(BEGIN)[0], page.partition(END)[2]) == (PAGE.partition(BEGIN)[0], PAGE.partition(END)[2])


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_second_decision_replaces_the_first(first, second):
    once = with_decision(PAGE, decision(second))
    assert with_decision(once, decision(second)) == once
    assert with_decision(with_decision(PAGE, decision(first)), decision(second)) == once


@given(st.text(max_size=60))
def test_a_reason_is_text_and_no_markup(reason):
    plain, tricky = Tags(with_decision(PAGE, decision("plain"))), Tags(with_decision(PAGE, decision(reason + "<b>")))
    assert tricky.tags == plain.tags
    assert not tricky.open


@pytest.mark.parametrize("reason", [END, BEGIN, "<script>alert(1)</script>", r"\1 \g<0>"])
def test_a_reason_that_looks_like_a_marker_stays_text(reason):
    page = with_decision(PAGE, decision(reason))
    assert page.count(END) == page.count(BEGIN) == 1
    assert reason in Tags(page).words or "script" in Tags(page).words
    assert "<script" not in page


def test_a_page_without_the_section_is_refused():
    with pytest.raises(FailedError, match="no decision section"):
        with_decision("<html></html>", decision())
