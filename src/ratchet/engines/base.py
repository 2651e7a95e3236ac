"""The protocol of an engine; `jobs.training.train` uses engines only through it.

The calls come in this order: `read`, `count_days`, `fit`, `calibrate`, `set_threshold`, `count_test`, `confusion_of`
(once for each existing version), `count_slices` (if there are slices), `draw` and `score_permuted` (if importance is
wanted), `count_features`, `refit` (if that is on), `log_model`, `sample`, `mislabelled`, `close`. A watch calls only
`measure`; `jobs.checking` calls `save_model` instead of `log_model`.
An engine holds rows and returns counts; what it returns of rows are small samples. A `BatchScorer` is the other half of
an engine, for `jobs.score`: it trains nothing and holds as few rows as possible.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self

from ratchet.core.evaluation.counts import Bools, Confusion, Counts, Ints
from ratchet.core.evaluation.day_sums import DaySums
from ratchet.core.evaluation.feature_counts import FeatureCounts
from ratchet.core.evaluation.importance import Permuted
from ratchet.core.gate.day_counts import DayCounts
from ratchet.core.model_inputs import ModelInputs
from ratchet.core.search import Params
from ratchet.core.slices import Group, Grouping, Slice
from ratchet.core.windows import Window, Windows
from ratchet.io.table.score_target import Target
from ratchet.io.table.table import EventTable, ScoringTable

if TYPE_CHECKING:
    import pandas as pd


type Role = Literal["measured", "refitted"]
"""The two models of a candidate: one was measured on rows that it had not seen, the other has learnt from them too."""
LOGGED_AS: Mapping[Role, str] = {"measured": "model", "refitted": "refitted_model"}
"""Their names in MLflow."""


@dataclass(frozen=True)
class MonthSummary:
    """Rows and positives of one calendar month (`2013-12`) of a window."""

    month: str
    rows: int
    positives: int


@dataclass(frozen=True)
class WindowSummary:
    """Facts about one window. missing: the number of rows without a value, by feature, if there are any."""

    window: Window
    rows: int
    positives: int
    months: tuple[MonthSummary, ...]
    missing: Mapping[str, int]

    @property
    def base_rate(self) -> float:
        """The share of positive rows."""
        return self.positives / self.rows


@dataclass(frozen=True)
class Sample:
    """Some test rows in the form of a request to a server, with the trainer's label (0, 1) and probability for each."""

    rows: "pd.DataFrame"
    labels: Sequence[int]
    probabilities: Sequence[float]


@dataclass(frozen=True)
class Drawn:
    """Test rows drawn by chance: columns as they come to a server, and the day and label of each row."""

    columns: "pd.DataFrame"
    day: Ints
    label: Bools


@dataclass(frozen=True)
class Measured:
    """A version's counts on new days. threshold: the version's own. features: their counts, as in training.

    unlabelled: the counts of the days whose labels are not known yet, in which no row is positive. warnings: about the
    data of those days.
    """

    counts: Counts
    threshold: float
    features: tuple[FeatureCounts, ...]
    unlabelled: Counts
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Sliced:
    """The sums by day of the groups of some slices; a group without rows has none."""

    groupings: tuple[Grouping, ...]
    sums: Mapping[Group, DaySums]


class Engine(Protocol):
    """One training session. A context manager: leaving it stops what it started."""

    name: str
    warnings: Sequence[str]
    """Warnings about the data that need not stop a run; filled by `read`."""

    def read(
        self, table: EventTable, windows: Windows, extra: Sequence[str]
    ) -> tuple[WindowSummary, WindowSummary, WindowSummary]:
        """Read and check the training, calibration and test window, in this order.

        extra: names of columns that only existing versions need; they are read only for the test window. Raises
        DataError for data unfit for training (see `io.table.checks`).
        """

    def count_days(self) -> DayCounts:
        """The rows of all windows by day, for the gate; once, between `read` and `fit`."""

    def fit(self) -> Mapping[str, str]:
        """Fit preprocessing and estimator on the training window; returns all their parameters by name."""

    def calibrate(self) -> Counts:
        """Fit the calibrator on the calibration window; returns that window's counts."""

    def set_threshold(self, threshold: float) -> None:
        """Complete the model: from here on it labels a row positive when its score is at least `threshold`."""

    def count_test(self) -> Counts:
        """Score the test window, once."""

    def confusion_of(self, model_uri: str) -> Confusion:
        """Label the test rows with a registered version, at its own threshold; threads may call it at the same time.

        Raises RatchetError, with the reason in one sentence, if it can't be loaded or a column is missing.
        """

    def count_slices(self, slices: Sequence[Slice], model_uri: str | None = None) -> Sliced:
        """Sum up the test rows by slice and day, labelled by the candidate or by a registered version.

        slices: the same ones in each call; their columns are features or were `extra` in `read`. Raises RatchetError,
        with the reason in one sentence, if the version can't be loaded or is not of this engine, or a column is
        missing.
        """

    def draw(self, rows: int) -> Drawn:
        """At most so many test rows, drawn with the settings' seed, with the columns that existing versions need, too.

        The same rows in the same order, however they lie in files; `score_permuted` takes them.
        """

    def score_permuted(
        self, columns: "pd.DataFrame", permuted: "pd.DataFrame", model_uri: str | None = None
    ) -> Permuted:
        """Score rows, and a copy of them for each feature of a model, in which that feature is taken from `permuted`.

        model_uri: of a registered version; None: the measured model. May run in a separate thread. Raises RatchetError,
        with the reason in one sentence, if the version can't be loaded, lacks a column or gives no probability.
        """

    def count_features(self) -> tuple[tuple[FeatureCounts, ...], tuple[FeatureCounts, ...]]:
        """The counts of the features in the training and in the test window; may be called at any time after `read`."""

    def measure(
        self,
        model_uri: str,
        table: EventTable,
        window: Window,
        unlabelled: Window,
        levels: int,
        training: Sequence[FeatureCounts],
    ) -> Measured:
        """Score the rows of two windows with a registered version, at its own threshold; either may have no rows.

        table: with the features that the version was trained on. unlabelled: the days after `window`, in which a label
        may be missing and none counts, and an infinite number counts as missing. levels: of the scores, see
        `core.evaluation.counts`. training: the counts of the features then; they name the texts to count separately.
        Raises DataError for bad data, FailedError if the version can't be loaded or is not of this engine.
        """

    def refit(self) -> float:
        """Fit preprocessing and estimator on the rows of all windows, and keep the calibrator and the threshold.

        Returns the share of test rows that the measured and the refitted model label differently. May go on in a thread
        of its own beside `log_model` of the measured model.
        """

    def log_model(self, role: Role = "measured") -> str:
        """Log a model to the active MLflow run; returns its address (`models:/m-…` or `runs:/…/model`).

        May run in a separate thread alongside `count_test` and `confusion_of`.
        """

    def save_model(self, folder: str) -> None:
        """Save the measured model to a local folder, which does not exist yet, in the form in which it is logged."""

    def sample(self, role: Role = "measured") -> Sample:
        """Some test rows with the trainer's own labels and probabilities: the same rows in each call."""

    def mislabelled(self, model_uri: str, role: Role = "measured") -> int:
        """Load the logged model as pyfunc and count the sample rows that it labels differently from the trainer.

        May run in a separate thread.
        """

    def close(self) -> None:
        """Release memory and processes; may be called twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Searchable(Engine, Protocol):
    """An engine that can search for parameters; the calls come between `read` and `fit`."""

    def count_folds(self, params: Params) -> tuple[Counts, ...]:
        """Fit on the earlier days of each fold of the training window, and score the later ones, uncalibrated.

        params: override the configured ones. Raises DataError if the window is too short for the folds,
        ConfigurationError if the estimator refuses the parameters.
        """

    def count_untuned(self) -> tuple[Counts, Counts]:
        """The counts of the calibration and the test window by a model with the configured parameters alone."""

    def tune(self, params: Params) -> None:
        """Let `fit` and `refit` use parameters that override the configured ones."""


@dataclass(frozen=True)
class Tally:
    """Counts of scored rows: all, those labelled positive, and by feature those with an infinite number."""

    rows: int
    positives: int
    infinite: Mapping[str, int] = field(default_factory=dict)


class BatchScorer(Protocol):
    """Scores a table with a registered version; `jobs.score` calls `load`, then `score`.

    A context manager: leaving it stops what it started.
    """

    name: str

    def load(self, model_uri: str, model: str) -> ModelInputs:
        """Load a version; returns the columns that it needs. model: its name in messages.

        Raises ConfigurationError if its inputs are unknown, FailedError if it can't be loaded.
        """

    def steps(self, table: ScoringTable) -> int | None:
        """How often `score` will report progress; None if unknown."""

    def score(self, table: ScoringTable, target: Target, version: int, said: Callable[[int], None]) -> Tally:
        """Write all rows of a table with label, probability and version to a target that has begun.

        said: called from time to time with the number of scored rows. Raises DataError for rows that can't be read or
        scored, and the errors of the target.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
