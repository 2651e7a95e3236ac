"""The section on a cluster's cycles: the steps of what runs now, and how the last ones ended."""

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from ratchet.core.exported import CycleFacts
from ratchet.core.history import CycleNow
from ratchet.report.console.elements import Child, element, sentence, table
from ratchet.report.console.times import ago, moment, took

TITLE = "What runs now"


def section_of(facts: CycleFacts, now: float) -> Element:
    """The section. now: a Unix time."""
    at_work = [cycle for cycle in facts.newest if cycle.runs]
    over = [cycle for cycle in facts.newest if not cycle.runs]
    return element("section", element("h2", TITLE), *_at_work(at_work, now), *_over(over), id=TITLE.replace(" ", "-"))


def _at_work(cycles: Sequence[CycleNow], now: float) -> Iterator[Element]:
    if not cycles:
        yield element("p", "No cycle is running.")
    for cycle in cycles:
        yield element("h3", cycle.cycle, " ", element("span", cycle.state, class_="badge"))
        if cycle.began is not None:
            yield element("p", "Began ", moment(cycle.began), f", {ago(now - cycle.began)}.", class_="soft")
        if cycle.steps:
            rows = [
                ((step.name,), (step.state,), (took(step.seconds),), (sentence(step.said),)) for step in cycle.steps
            ]
            yield _table(("Step", "State", "Time", "Result, or why it waits"), rows)
        else:
            yield element("p", sentence(cycle.said) or "It has no step yet.")


def _over(cycles: Sequence[CycleNow]) -> Iterator[Element]:
    if cycles:
        yield element("h3", "Ended")
        rows = [
            (
                (cycle.cycle,),
                (cycle.state,),
                ("–" if cycle.began is None else moment(cycle.began),),
                (sentence(_failure(cycle)),),
            )
            for cycle in cycles
        ]
        yield _table(("Cycle", "State", "Began", "Why it failed"), rows)


def _failure(cycle: CycleNow) -> str:
    if cycle.state != "failed":
        return ""
    return next((f"{step.name}: {step.said}" for step in cycle.steps if step.state == "failed"), cycle.said)


def _table(names: Sequence[str], rows: Sequence[Sequence[tuple[Child, ...]]]) -> Element:
    heads = (element("th", name, scope="col", class_="text") for name in names)
    body = (
        element(
            "tr",
            element("th", *first, scope="row", class_="wrap"),
            *(element("td", *cell, class_="text") for cell in middle),
            element("td", *last, class_="text wrap why"),
        )
        for first, *middle, last in rows
    )
    return table(heads, body, "cycles")
