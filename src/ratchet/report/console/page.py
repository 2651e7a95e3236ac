"""The console's page: its head, what it could not ask, what runs now, and a section for each model."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from xml.etree.ElementTree import Element

from ratchet.core.exported import CycleFacts, ModelFacts, SourceState
from ratchet.report.console import cycles, models
from ratchet.report.console.elements import document, element
from ratchet.report.console.times import ago, moment

_STYLE = "".join(files("ratchet.report").joinpath(name).read_text("utf-8") for name in ("style.css", "console.css"))
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
"""The Content-Security-Policy that the page must be served with: no script, nothing from elsewhere."""
_NAMES = {"mlflow": "MLflow", "cluster": "The cluster"}


@dataclass(frozen=True)
class Seen:
    """What the page tells.

    name: the configured model. now: a Unix time. states: of the sources; outside a cluster there is only MLflow's.
    models, cluster: None if the source has not answered, or too long ago. mlflow: the address at which people open it.
    """

    name: str
    now: float
    states: Sequence[SourceState]
    models: Sequence[ModelFacts] | None
    cluster: CycleFacts | None
    mlflow: str


def render(seen: Seen) -> str:
    """The page as HTML."""
    sections = {model.model: models.section_of(model, seen.now, seen.mlflow) for model in seen.models or ()}
    if seen.cluster is not None:
        sections[cycles.TITLE] = cycles.section_of(seen.cluster, seen.now)
    main = element("main", _header(seen, list(sections)), *_away(seen), *sections.values(), _footer())
    return document(element("html", _head(seen.name), element("body", main), lang="en"))


def _head(name: str) -> Element:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),
        element("title", f"{name} · Ratchet"),
        element("style", _STYLE),
    )


def _header(seen: Seen, sections: Sequence[str]) -> Element:
    links = (element("a", name, href=f"#{name.replace(' ', '-')}") for name in sections)
    return element(
        "header",
        element("h1", seen.name),
        element(
            "p", "What serves, how well lately, and what was decided. As of ", moment(seen.now), ".", class_="soft"
        ),
        element("nav", *links, element("a", "Reload", href="/"), aria_label="Sections"),
    )


def _away(seen: Seen) -> Iterator[Element]:
    for state in seen.states:
        if state.up:
            continue
        name = _NAMES.get(state.source, state.source)
        if state.answered is None:
            yield element("p", f"{name} has not answered yet.", class_="warnings", role="status")
            continue
        known = seen.models if state.source == "mlflow" else seen.cluster
        then = "What is below is as it was then." if known is not None else "What it said then is too old to be shown."
        since = f", {ago(seen.now - state.answered)}. {then}"
        yield element(
            "p", f"{name} has not answered since ", moment(state.answered), since, class_="warnings", role="status"
        )


def _footer() -> Element:
    said = (
        "Made by Ratchet from the numbers of its exporter. This page changes nothing and loads nothing from elsewhere."
    )
    return element("footer", said)
