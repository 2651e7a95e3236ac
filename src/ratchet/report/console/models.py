"""A model's section: its champion, how well it does lately, and the decisions of the last cycles."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from ratchet.core.exported import Champion, ModelFacts
from ratchet.core.history import Curve, Trained
from ratchet.report.console import curve
from ratchet.report.console.elements import Child, element, sentence, table
from ratchet.report.console.times import ago, day_of, moment
from ratchet.report.numbers import measure

_DAY_SECONDS = 86_400
_STATES = {"RUNNING": "running", "SCHEDULED": "running", "FAILED": "failed", "KILLED": "stopped"}


def section_of(model: ModelFacts, now: float, mlflow: str) -> Element:
    """The section. now: a Unix time. mlflow: the address at which people open MLflow."""
    return element(
        "section", element("h2", model.model), *_champion(model, now), *_cycles(model, mlflow), id=model.model
    )


def _champion(model: ModelFacts, now: float) -> Iterator[Element]:
    champion = model.champion
    if champion is None:
        yield element("p", "No version serves yet.")
    else:
        yield element("dl", *_figures(model, champion, now), class_="figures")
        if champion.moved:
            yield element("p", f"Made champion by {sentence(champion.moved)}")
    if model.validation_failed:
        yield element("p", "The newest version that was tried has failed its trial.", class_="warnings")
    days = None if champion is None else champion.curve
    if days is not None:
        newest = max(days.values)
        if days.is_low(newest):
            said = f"Rolling {days.name} is {days.floor_words.passed} on the newest measured day, {day_of(newest)}."
            yield element("p", said, class_="warnings")
        yield curve.figure_of(days)


def _figures(model: ModelFacts, champion: Champion, now: float) -> Iterator[Element]:
    since: tuple[Child, ...] = ("champion, moved in MLflow itself: since when is not known",)
    if champion.since is not None:
        since = ("champion since ", moment(champion.since), f", {ago(now - champion.since)}")
    yield _figure("Serves", f"version {champion.version}", *since)
    yield from _objective(champion)
    known = champion.f1_low is not None and champion.f1_high is not None
    interval = f"95 % interval {measure(champion.f1_low)} to {measure(champion.f1_high)}, " if known else ""
    yield _figure("F1", measure(champion.f1), f"{interval}on the test rows of its own run")
    if champion.curve is not None:
        yield _lately(champion.curve)
    yield from _estimate(champion)
    counts = ", ".join(f"{count} {decision}" for decision, count in model.decisions.items() if count)
    yield _figure(
        "Versions", str(model.versions), f"of the cycles' runs: {counts}" if counts else "no run was decided on"
    )


def _objective(champion: Champion) -> Iterator[Element]:
    """The figure of another objective than F1, whose name is known once a day was measured."""
    days = champion.curve
    if champion.objective is not None and days is not None:
        value = champion.objective if days.greater_is_better else -champion.objective
        yield _figure(days.name.capitalize(), measure(value), "on the same rows; it decides")


def _lately(days: Curve) -> Element:
    newest = max(days.values)
    limit, floor = days.floor_words.name, days.floors.get(newest)
    told = f"its {limit} is {measure(floor)}" if floor is not None else f"no {limit} is known for that day"
    value = measure(days.values[newest])
    return _figure(f"Rolling {days.name}", value, f"over the days up to {day_of(newest)}; {told}")


def _estimate(champion: Champion) -> Iterator[Element]:
    value, day = champion.rolling.get("f1_estimated"), champion.estimated_day
    if value is not None and day is not None:
        error = champion.rolling.get("f1_estimated_error")
        off = "" if error is None else f", off by {measure(error)} on average so far"
        said = f"from the scores alone, over the days up to {day_of(int(day // _DAY_SECONDS))}{off}"
        yield _figure("Estimated F1", measure(value), said)


def _figure(name: str, value: str, *said: Child) -> Element:
    return element("div", element("dt", name), element("dd", value, class_="value"), element("dd", *said))


def _cycles(model: ModelFacts, mlflow: str) -> Iterator[Element]:
    yield element("h3", "Last cycles")
    if not model.trained:
        yield element("p", "No cycle has trained it yet.")
        return
    names = ("Cycle", "Began", "F1", "Decision", "Why")
    heads = (element("th", name, scope="col", class_=None if name == "F1" else "text") for name in names)
    rows = (_row(run, mlflow) for run in model.trained)
    yield table(heads, rows, "cycles")


def _row(run: Trained, mlflow: str) -> Element:
    outcome = run.decision or _STATES.get(run.status, "not decided")
    known = run.low is not None and run.high is not None
    interval = element("span", f"{measure(run.low)} to {measure(run.high)}", class_="note") if known else None
    return element(
        "tr",
        element("th", run.cycle or "unknown", scope="row", class_="wrap"),
        element("td", moment(run.begun), class_="text"),
        element("td", measure(run.f1), " " if known else None, interval, class_="f1"),
        element(
            "td", element("span", outcome, class_=f"badge {'' if outcome == 'promoted' else 'grey'}"), class_="text"
        ),
        element("td", *_why(run, mlflow), class_="text wrap why"),
    )


def _why(run: Trained, mlflow: str) -> Iterator[Child]:
    why = sentence(run.reason)
    yield f"{why[:1].upper()}{why[1:]}. " if why else None
    for name, page in (("Report", run.report), ("Run", run.page)):
        if page:
            label = f"{name} of {run.cycle} in MLflow"
            yield element("a", name, href=f"{mlflow.rstrip('/')}/{page}", rel="noreferrer", aria_label=label)
            yield " "
