"""A word to the team: what happened to a model, as one short text and as JSON.

`jobs.notifying` makes notices from results, failures and verdicts; `io.webhook` sends them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import isnan
from typing import Literal, get_args

from ratchet.errors import without_credentials

NoticeEvent = Literal["promoted", "held", "staged", "failed", "rolled_back", "watch_low"]
EVENTS: tuple[NoticeEvent, ...] = get_args(NoticeEvent)
Form = Literal["slack", "plain"]

# The error of a failed image pull fills a page; a chat shows a few lines.
_LONGEST_REASON = 1000


@dataclass(frozen=True)
class Measured:
    """An F1 with its 95 % interval on days like those of the test window; None where it is unknown."""

    f1: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, metrics: Mapping[str, float | None] | None) -> "Measured | None":
        """From `f1`, `f1_low` and `f1_high`; None if there is no F1."""
        f1, low, high = (_number((metrics or {}).get(name)) for name in ("f1", "f1_low", "f1_high"))
        return None if f1 is None else cls(f1, low, high)

    def text(self) -> str:
        """The value, and its interval if it is known."""
        known = self.low is not None and self.high is not None
        return f"{self.f1:.3f} ({self.low:.3f} to {self.high:.3f})" if known else f"{self.f1:.3f}"


@dataclass(frozen=True)
class Notice:
    """What the team is told.

    model: the registered model, or the configured name if it is about a whole cycle. reason: a sentence. engine,
    version, cycle: None where there is none. measured, champion: of the candidate, and of the champion that it was
    compared with, on the same rows. report: its address.
    """

    event: NoticeEvent
    model: str
    reason: str
    engine: str | None = None
    version: int | None = None
    cycle: str | None = None
    measured: Measured | None = None
    champion: Measured | None = None
    champion_version: int | None = None
    report: str | None = None

    @property
    def title(self) -> str:
        """What happened, in one line."""
        what = "the candidate" if self.version is None else f"version {self.version}"
        match self.event:
            case "failed":
                return f"{self.model}: failed"
            case "rolled_back":
                return f"{self.model}: {what} was rolled back"
            case "watch_low":
                return f"{self.model}: {what} performs badly"
        return f"{self.model}: {what} is {self.event}"

    def text(self) -> str:
        """The title, the reason and what is known besides, a line each."""
        lines = [self.title, self._reason()]
        if self.measured is not None:
            which = "" if self.champion_version is None else f", version {self.champion_version},"
            beside = "" if self.champion is None else f"; the champion{which} has {self.champion.text()}"
            lines.append(f"F1 {self.measured.text()}{beside}")
        lines += [f"{name} {value}" for name, value in (("report", self._report()), ("cycle", self.cycle)) if value]
        return "\n".join(lines)

    def body(self, form: Form) -> bytes:
        """The JSON to send, in UTF-8. A notice has the same bytes whenever it is sent."""
        if form == "slack":
            return _json({"text": _escaped(self.text())})
        own, champion = (None if one is None else asdict(one) for one in (self.measured, self.champion))
        fields = {
            "event": self.event,
            "model": self.model,
            "engine": self.engine,
            "version": self.version,
            "reason": self._reason(),
            "f1": own,
            "champion": None if champion is None else {"version": self.champion_version, **champion},
            "report": self._report(),
            "cycle": self.cycle,
        }
        return _json({**fields, "text": self.text()})

    def _reason(self) -> str:
        words = without_credentials(" ".join(self.reason.split()))
        return words if len(words) <= _LONGEST_REASON else words[:_LONGEST_REASON] + "…"

    def _report(self) -> str | None:
        return None if self.report is None else without_credentials(self.report)


def id_of(body: bytes) -> str:
    """The id of a message: it is the same at each attempt, and when a replaced coordinator sends it again."""
    return sha256(body).hexdigest()[:32]


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()


def _escaped(text: str) -> str:
    """The three characters that mean something to Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _number(value: float | None) -> float | None:
    return None if value is None or isnan(value) else value
