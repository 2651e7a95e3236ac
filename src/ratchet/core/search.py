"""The trials of a search for parameters, and what it brought."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratchet.core.objective import Objective

type Params = Mapping[str, bool | float | str]


@dataclass(frozen=True)
class Trial:
    """Parameters that were tried. value: the mean objective of the folds, greater is better. Number 0 is untuned."""

    number: int
    params: Params
    value: float
    seconds: float


@dataclass(frozen=True)
class Searched:
    """A finished search. untuned_f1: on the test rows; None if the untuned parameters are the best.

    stopped: whether its minutes ended it. seconds: of all trials, and of the untuned model's measurement.
    """

    objective: Objective
    trials: Sequence[Trial]
    folds: int
    seconds: float
    stopped: bool
    untuned_f1: float | None

    @property
    def best(self) -> Trial:
        """The trial with the greatest value; if tied, the first, which is the untuned one if that is among them."""
        return best(self.trials)

    def metrics(self, f1: float) -> dict[str, float]:
        """The metrics of the run, by name. f1: the candidate's, on the test rows."""
        return {
            "search_trials": len(self.trials) - 1,
            "search_seconds": self.seconds,
            "search_value": self.best.value,
            "search_value_untuned": self.trials[0].value,
            "untuned_f1": f1 if self.untuned_f1 is None else self.untuned_f1,
        }

    def to_csv(self) -> str:
        """One row per trial; a parameter that a trial leaves at its default is empty."""
        names = sorted({name for trial in self.trials for name in trial.params})
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["trial", "value", "seconds", *names])
        for one in self.trials:
            writer.writerow([one.number, one.value, one.seconds, *(one.params.get(name, "") for name in names)])
        return text.getvalue()


def best(trials: Sequence[Trial]) -> Trial:
    """The trial with the greatest value; if tied, the first."""
    return max(trials, key=lambda trial: trial.value)
