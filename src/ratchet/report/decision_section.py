"""The decision section of report.html: the trainer leaves it open, the registrar fills it in.

`report.page` puts `open_section` at the top of the page; `jobs.promotion.register`, which has neither templates nor
plots, calls `with_decision`. The section is delimited by two markers, has its own colours, and loads nothing.
"""

import re
from html import escape

from ratchet.core.decision import Decision
from ratchet.errors import FailedError

BEGIN = "<!-- ratchet: decision -->"
END = "<!-- ratchet: end of decision -->"

_SECTION = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
_BOX = "border:1px solid {colour};border-left-width:8px;border-radius:4px;padding:0.6em 1em;margin:1em 0"
_BADGE = "background:{colour};color:#fff;border-radius:4px;padding:0.15em 0.6em;font-weight:600"
# Blue, green and vermilion of a colour-blind-safe palette (Okabe and Ito), and a grey; the word repeats the meaning.
_COLOURS = {"promoted": "#0072B2", "staged": "#00795C", "held": "#B24700", "open": "#5F6368"}


def open_section() -> str:
    """The section of a report before the decision, including its markers."""
    return _section("open", "not decided yet", "The registrar (`ratchet register`) has not decided on this run.")


def with_decision(html: str, decision: Decision, registered_name: str = "") -> str:
    """The page with its decision section filled in; an earlier decision is replaced.

    registered_name: the registered model, shown with the version. Raises FailedError if the page has no such section.
    """
    where = f"version {decision.version}" if decision.version is not None else "no version was made"
    name = f" of {registered_name}" if registered_name and decision.version is not None else ""
    text = f"{decision.reason[:1].upper()}{decision.reason[1:]}."
    section = _section(decision.outcome, f"{decision.outcome} · {where}{name}", text)
    page, replaced = _SECTION.subn(lambda _match: section, html, count=1)
    if not replaced:
        message = f"the report has no decision section: {BEGIN} is not in it"
        raise FailedError(message)
    return page


def _section(outcome: str, title: str, text: str) -> str:
    colour = _COLOURS[outcome]
    return (
        f"{BEGIN}\n"
        f'<section class="decision {outcome}" style="{_BOX.format(colour=colour)}">\n'
        f'<p><span style="{_BADGE.format(colour=colour)}">{escape(title)}</span></p>\n'
        f"<p>{escape(text)}</p>\n"
        f"</section>\n{END}"
    )
