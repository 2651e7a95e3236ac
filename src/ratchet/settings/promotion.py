"""The settings of evaluation and promotion."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from ratchet.core.guardrail import LESS_IS_BETTER, Limit
from ratchet.core.objective import F1
from ratchet.core.slices import Slice
from ratchet.settings.forms import Flag, ObjectiveForm, Section, SliceText, Text


class Evaluation(Section):
    """How the test rows are counted and compared."""

    slices: Annotated[tuple[SliceText, ...], Field(max_length=20)] = ()
    """Columns to look at test rows by, such as `carrier`, or with edges of ranges, `{age: [25, 40, 65]}`."""

    score_levels: Annotated[int, Field(ge=64, le=1_048_576)] = 16_384
    """Number of score levels, a power of two: scores are rounded down to multiples of 1 / it, finer near 0 and 1."""
    rolling_days: Annotated[int, Field(ge=1, le=366)] = 7
    """Calendar days in a rolling window, including the day itself."""
    bootstrap_samples: Annotated[int, Field(ge=100, le=100_000)] = 10_000
    """Resamples of blocks of test days; 10,000 have a standard error of at most 0.5 % on a probability."""
    importance: Flag = True
    """Whether a trainer measures which features its model and the champion rest on (permutation importance)."""
    importance_rows: Annotated[int, Field(ge=100, le=1_000_000)] = 4_000
    """Test rows drawn for that; each feature scores them anew. More rows narrow the intervals, and take longer."""

    @property
    def sliced(self) -> tuple[Slice, ...]:
        """The slices; a column need not be a feature."""
        pairs = [((one, None),) if isinstance(one, str) else one.items() for one in self.slices]
        return tuple(Slice(column, edges) for pair in pairs for column, edges in pair)

    @model_validator(mode="after")
    def _each_once(self) -> "Evaluation":
        names = [one.column for one in self.sliced]
        if twice := [name for name in names if names.count(name) > 1]:
            message = f"slices names the column {twice[0]!r} more than once"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _power_of_two(self) -> "Evaluation":
        if self.score_levels & (self.score_levels - 1):
            message = f"score_levels is {self.score_levels}; a power of two is accepted, such as 16384"
            raise ValueError(message)
        return self


class Guardrail(Section):
    """A metric that must not get worse: exactly one of `at_least`, `at_most` and `not_worse_by` is set."""

    metric: Literal[
        "f1", "precision", "recall", "accuracy", "roc_auc", "average_precision", "brier", "log_loss", "objective"
    ]
    """Name of the metric, on the test rows. `objective` is `promotion.objective`; a cost is negative there."""
    slice: Text | None = None
    """Column of `evaluation.slices`, each group of which is held to the bound. None: all rows together."""
    at_least: Annotated[float, Field(ge=0)] | None = None
    """Least value of a metric of which more is better."""
    at_most: Annotated[float, Field(ge=0)] | None = None
    """Greatest value of `brier` or `log_loss`, of which less is better."""
    not_worse_by: Annotated[float, Field(ge=0)] | None = None
    """A candidate that is shown, at 95 % for all such guardrails together, to be worse than the champion by more."""

    @property
    def limit(self) -> Limit:
        """Which of the three bounds it has."""
        return next(name for name in get_args(Limit) if getattr(self, name) is not None)

    @property
    def bound(self) -> float:
        """The value of that bound."""
        return float(getattr(self, self.limit))

    @property
    def less_is_better(self) -> bool:
        return self.metric in LESS_IS_BETTER

    @property
    def text(self) -> str:
        """The guardrail in words, such as `recall at least 0.5`, `f1 by carrier not worse by 0.03`."""
        by = f" by {self.slice}" if self.slice else ""
        return f"{self.metric}{by} {self.limit.replace('_', ' ')} {self.bound:g}"

    @model_validator(mode="after")
    def _one_bound(self) -> "Guardrail":
        bounds = [name for name in get_args(Limit) if getattr(self, name) is not None]
        wrong = "at_least" if self.less_is_better else "at_most"
        if len(bounds) != 1:
            message = f"one of at_least, at_most and not_worse_by is accepted, not {' and '.join(bounds) or 'none'}"
        elif bounds == [wrong]:
            message = f"{wrong} does not bound {self.metric}, of which {'less' if self.less_is_better else 'more'} is"
            message += f" better; use {'at_most' if self.less_is_better else 'at_least'}"
        elif self.metric in ("roc_auc", "average_precision") and (self.slice or self.not_worse_by is not None):
            message = (
                f"{self.metric} can only have at_least, for all rows; the other metrics have slices and not_worse_by"
            )
        elif self.metric == "objective" and bounds == ["at_least"]:
            message = "objective can only have not_worse_by; the other metrics have levels"
        else:
            return self
        raise ValueError(message)


class Promotion(Section):
    """The conditions for promoting a new version."""

    objective: ObjectiveForm = F1
    """What is optimised, such as `{beta: 2}` or `{cost: {false_positive: 1, false_negative: 8}}`; F1 needs no price."""
    compare: Literal["same_rows", "recorded"] = "same_rows"
    """`same_rows`: score existing versions on the candidate's test rows. `recorded`: use the F1 of their own runs."""
    against: Literal["all", "champion"] = "all"
    """`all`: a candidate must be better than every existing version. `champion`: only better than the champion."""
    confidence: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Required probability of being better than the best of them on days like these. None: a greater F1 is enough."""
    guardrails: tuple[Guardrail, ...] = ()
    """What must not get worse: a better candidate that breaks one of these is held."""
    common_days: Annotated[int, Field(ge=1, le=366)] = 14
    """Minimum of test days outside a version's training data for a comparison, if it was trained on the other days."""
    set_aside: Flag = True
    """Whether to exclude versions that were rolled back or failed their trial from the comparison."""
    refit_flips: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Maximum share of test rows that the refitted model may label differently; above it the measured one serves."""
    rescore: Annotated[int, Field(ge=1, le=1_000)] = 100
    """Maximum number of existing versions to score: the champion, then the newest and the last comparison's best."""
    lock_seconds: Annotated[int, Field(ge=5, le=3_600)] = 60
    """Seconds after which a registrar's lock on a model expires; so a killed registrar blocks the next no longer."""
    validation: Flag = False
    """Whether a better version must pass a trial in its serving image before it becomes champion."""
    approval: Literal["automatic", "manual"] = "automatic"
    """`manual`: a better version stays in `staging` until `ratchet promote` is called."""

    @model_validator(mode="after")
    def _measurable(self) -> "Promotion":
        if self.compare == "recorded" and self.confidence is not None:
            message = "confidence needs a comparison on the same rows; set compare to same_rows or omit confidence"
            raise ValueError(message)
        if self.compare == "recorded" and self.objective != F1:
            message = "only recorded F1 is compared; set compare to same_rows, or objective to f1"
            raise ValueError(message)
        return self
