"""What the gate finds, and the sentence that says it."""

from dataclasses import dataclass
from typing import Literal, get_args

from ratchet.core.gate.weeks import Span

type Check = Literal["rows", "days", "duplicates", "positives", "missing", "unseen", "range"]
_THOUSAND = 1_000
CHECKS: tuple[Check, ...] = get_args(Check.__value__)


@dataclass(frozen=True)
class Finding:
    """Something extraordinary. feature: None if it is about all rows. was, now, accepted: values as they are printed.

    severe: beyond the bound of a refusal; otherwise it is only told, whatever the setting. own: by a bound of the
    team's own.
    """

    check: Check
    feature: str | None
    what: str
    where: Span
    was: str
    now: str
    accepted: str
    severe: bool
    own: bool = False

    def sentence(self, uri: str) -> str:
        """What, where, was, is, and the bound."""
        before = f", and {self.was}" if self.was else ""
        return f"{self.what} of {uri} is {self.now} {self.where}{before}; {self.accepted} is accepted"

    @property
    def overruled_by(self) -> str:
        """The setting that overrules a refusal."""
        one = None if self.feature is None else f"data.bounds.{self.feature}.check: warn"
        if self.own:
            return f"`{one}` or another bound overrules it"
        every = f"data.checks.{self.check}: warn"
        return f"`{every}` overrules it" if one is None else f"`{one}` overrules it, for all features `{every}`"


def share(value: float) -> str:
    """A share: 12.3 %."""
    return f"{100 * value:.1f} %"


def number(value: float) -> str:
    """A value with four digits."""
    return f"{value:,.0f}" if abs(value) >= _THOUSAND else f"{value:.4g}"
