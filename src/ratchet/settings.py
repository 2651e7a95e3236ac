"""The settings: one frozen tree, each setting with its unit, its default and the reason for the default.

`configuration` fills the tree before any work starts; every layer above reads it.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import isfinite
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from ratchet.core import objective
from ratchet.core.guardrail import LESS_IS_BETTER, Limit
from ratchet.core.objective import F1, Objective
from ratchet.core.slices import Slice
from ratchet.core.steps import ENGINES, EngineName
from ratchet.core.windows import Period


def _flag(value: object) -> object:
    return bool(value) if type(value) is int and value in (0, 1) else value


def _period(text: str) -> str:
    Period.parse(text)
    return text


def _gap(text: str) -> str:
    return text if text == "0d" else _period(text)


def _bytes(text: str) -> str:
    bytes_of(text)
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{text!r} is not a time zone; an IANA name is accepted, such as UTC or Europe/Berlin"
        raise ValueError(message) from error
    return text


def _codec(text: str) -> str:
    sample = 'a,"\n'
    try:
        name = codecs.lookup(text).name
        # Some of Python's codecs are not for text, write commas and line ends differently, or can't decode in pieces.
        decoder = codecs.getincrementaldecoder(name)()
        known = "".join([*(decoder.decode(bytes([byte])) for byte in sample.encode(name)), decoder.decode(b"", True)])
    except (LookupError, UnicodeError, TypeError):
        known = ""
    if known != sample:
        message = f"{text!r} is not an encoding of text files; utf-8, cp1252 and latin-1 are examples of those accepted"
        raise ValueError(message)
    return name


def _separator(text: str) -> str:
    if not text.isascii() or text in '"\r\n':
        message = f"{text!r} can't separate values; one ASCII character other than a quote or a line end is accepted"
        raise ValueError(message)
    return text


def _slice(value: object) -> object:
    """One slice as in YAML: a column's name, or a name with the edges of its ranges."""
    if isinstance(value, str):
        return value
    edges = next(iter(value.values())) if isinstance(value, Mapping) and len(value) == 1 else None
    if not isinstance(edges, tuple) or not _ascending(edges):
        message = (
            f"{value!r} is no slice; accepted is a column's name, alone or with ascending edges: {{age: [25, 40]}}"
        )
        raise ValueError(message)
    return value


def _ascending(edges: tuple[object, ...]) -> bool:
    numbers = [float(edge) for edge in edges if isinstance(edge, int | float) and isfinite(edge)]
    return 0 < len(numbers) == len(edges) and all(before < after for before, after in pairwise(numbers))


def bytes_of(text: str) -> int:
    """The bytes in `512MiB` or `4GiB`; raises ValueError with the accepted form."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})(MiB|GiB)", text)
    if match is None:
        message = f"{text!r} is not an amount of memory; a whole number with MiB or GiB is accepted, such as 4GiB"
        raise ValueError(message)
    return int(match[1]) * 1024 ** (2 if match[2] == "MiB" else 3)


Flag = Annotated[bool, BeforeValidator(_flag)]
PeriodText = Annotated[str, AfterValidator(_period)]
Memory = Annotated[str, AfterValidator(_bytes)]
Text = Annotated[str, Field(min_length=1)]
SliceText = Annotated[Text | Mapping[Text, tuple[float, ...]], BeforeValidator(_slice)]
Scalar = bool | int | float | str
ObjectiveForm = Annotated[
    Objective,
    PlainValidator(Objective.parse),
    PlainSerializer(lambda chosen: chosen.form),
    WithJsonSchema(objective.SCHEMA),
    Field(json_schema_extra={"default": "f1"}),
]


class Section(BaseModel):
    """The base of all sections: frozen, strict, without unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class Label(Section):
    """The column to predict, and when its values become known."""

    column: Text
    """Name of the column with the outcome."""
    positive: bool | int | float | str
    """The value of the positive class. The column must have exactly one other value."""
    known_after: PeriodText | None = None
    """How long after an event its label is final. The rows of that time, the newest, are left to later cycles."""
    known_at: Text | None = None
    """Column with the time at which a label became known. Where it is missing, `known_after` says it."""
    missing: Literal["refuse", "drop", "negative"] = "refuse"
    """What a row is whose label is missing although it should be known: an error, left out, or negative."""


class Csv(Section):
    """The dialect of CSV files; docs/data.md has further rules."""

    separator: Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_separator)] = ","
    """Separator between values."""
    decimal: Literal[".", ","] = "."
    """Decimal separator. With a comma, numbers must not contain a point."""
    encoding: Annotated[Text, AfterValidator(_codec)] = "utf-8"
    """Python's name of the encoding; Excel writes `cp1252` in much of Europe."""


class Data(Section):
    """The table of labelled events."""

    uri: Text
    """Address of the table: a file, a folder or a partitioned folder; a local path or `s3://bucket/prefix`."""
    format: Literal["parquet", "csv"] | None = None
    """Format of the files. None: derived from the files' names (.parquet, .csv, .csv.gz)."""
    csv: Csv = Csv()
    snapshot: Annotated[int, Field(ge=0)] | None = None
    """Version of a Delta table, or id of an Iceberg table's snapshot. None: the newest."""
    timestamp: Text
    """Name of the column with the time of the event: a date, a datetime, text in ISO 8601, or an epoch."""
    timestamp_unit: Literal["s", "ms", "us", "ns"] | None = None
    """Unit of an epoch (a number). None: the column is a date, a datetime or text."""
    timezone: Annotated[Text, AfterValidator(_timezone)] = "UTC"
    """IANA name of the time zone in which days begin; it also applies to timestamps without a zone."""
    label: Label
    numeric: tuple[Text, ...] | None = None
    """Names of the numeric features. None: all other columns with numbers or booleans."""
    categorical: tuple[Text, ...] | None = None
    """Names of the categorical features. None: all other columns with text."""
    entity: Text | None = None
    """Column with the id of what an event belongs to, such as a customer; it is no feature unless named as one."""
    exclude: tuple[Text, ...] = ()
    """Names of columns that are not features if `numeric` or `categorical` is None; list leaks here."""

    @model_validator(mode="after")
    def _distinct(self) -> "Data":
        named = [self.timestamp, self.label.column, *(self.numeric or ()), *(self.categorical or ())]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            message = f"the column {twice[0]!r} has two roles; timestamp, label, numeric and categorical are distinct"
            raise ValueError(message)
        if self.label.known_at in (self.timestamp, self.label.column, *(self.numeric or ()), *(self.categorical or ())):
            message = f"the column {self.label.known_at!r} has two roles; label.known_at is distinct from all others"
            raise ValueError(message)
        if self.entity in (self.timestamp, self.label.column):
            message = f"the column {self.entity!r} has two roles; entity is neither the timestamp nor the label"
            raise ValueError(message)
        return self


class WindowSettings(Section):
    """Lengths of the windows, counted back from `as_of`, in days (`31d`), weeks (`4w`) or calendar months (`1mo`)."""

    test: PeriodText = "1mo"
    """Length of the test window, on which F1 is measured. A month has each day of the week at least four times."""
    calibration: PeriodText = "1mo"
    """Length of the calibration window before it, on which the calibrator is fitted and the threshold chosen."""
    train: PeriodText | None = None
    """Length of the training window before that. None: all earlier rows."""
    gap: Annotated[str, AfterValidator(_gap)] | None = None
    """Days between two windows, in which the earlier one's labels become known; `0d` for none. None: `known_after`."""
    refit: Flag = True
    """Whether to fit what is promoted anew on the rows of all windows before it serves; comparisons don't change."""


class SklearnSettings(Section):
    """The scikit-learn trainer."""

    estimator: Literal["hist_gradient_boosting", "logistic_regression", "random_forest"] = "hist_gradient_boosting"
    """Name of the estimator. The default performs best on the sample data and supports categories natively."""
    params: Mapping[str, Scalar | None] = {}
    """Parameters of the estimator by scikit-learn's own names; they override Ratchet's defaults."""
    memory_limit: Memory | None = None
    """Memory that the trainer may use. None: the limit of its cgroup, or the machine's memory."""


class SparkSettings(Section):
    """The Spark trainer."""

    estimator: Literal["logistic_regression", "random_forest", "gradient_boosted_trees", "xgboost"] = (
        "logistic_regression"
    )
    """Name of the estimator. The default is the fastest, and not measurably worse on the sample data."""
    params: Mapping[str, Scalar | None] = {}
    """Parameters of the estimator by Spark's own names; they override Ratchet's defaults."""
    driver_memory: Memory = "2GiB"
    """Heap of Spark's JVM on a single machine; on Kubernetes the SparkApplication sets it."""
    conf: Mapping[str, Scalar] = {}
    """Spark's own configuration (`spark.…`); it overrides Ratchet's defaults."""


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


class Tracking(Section):
    """The location of MLflow. The variable MLFLOW_TRACKING_URI, if set, overrides `uri`."""

    uri: Text = "sqlite:///.ratchet/mlflow.db"
    """Address of MLflow: a server (http://…) or a SQLite file."""
    artifacts: Text | None = ".ratchet/artifacts"
    """Folder or s3:// address of the artifacts of a new experiment. None: the server's default."""
    experiment: Text | None = None
    """Name of MLflow's experiment. None: the model's name."""


class Retrain(Section):
    """A full cycle."""

    engines: Annotated[tuple[EngineName, ...], Field(min_length=1)] = ENGINES
    """The engines of a cycle."""
    deadline_minutes: Annotated[int, Field(ge=1, le=10_080)] = 360
    """Minutes after which an unfinished step is stopped and counts as failed."""
    runner: Literal["processes", "kubernetes"] = "processes"
    """Where steps run: as processes on this machine, or as Jobs in the cluster that `ratchet retrain` runs in."""
    pending_seconds: Annotated[int, Field(ge=5, le=86_400)] = 45
    """Seconds for which a pod may wait for a missing object: an image, a Secret, a large enough node."""
    unschedulable_seconds: Annotated[int, Field(ge=5, le=86_400)] = 600
    """Seconds for which a pod may wait for resources used by other pods; the cycle's own pods don't count."""
    when_busy: Literal["wait", "fail"] = "wait"
    """What a cycle does while another cycle runs in the same namespace of a cluster."""


class Serving(Section):
    """The requirements of a trial, and the rollout of versions to servers."""

    deployments: Flag = False
    """Whether the Deployments `server-sklearn` and `server-spark` in a cluster follow `champion`."""
    namespace: Text = "ratchet"
    """Their namespace, for moving `champion` manually; inside a pod it is the pod's own."""

    latency_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Limit for the 95th percentile of the latency of requests with one row during a trial, in seconds."""
    memory_limit: Memory | None = None
    """Memory that the version's server may use during a trial. None: the limit of its container."""
    start_seconds: Annotated[int, Field(ge=5, le=3_600)] = 180
    """Seconds within which the version's server must be ready in a trial."""
    ready_seconds: Annotated[int, Field(ge=10, le=3_600)] = 300
    """Seconds within which all pods must be ready in a rollout; otherwise `champion` and the pods are rolled back."""
    settle_seconds: Annotated[int, Field(ge=0, le=3_600)] = 20
    """Seconds for which ready pods are observed before the rollout counts as done."""


class Watch(Section):
    """The conditions under which a champion performs badly on the newest labelled days."""

    floor: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Rolling F1, or F-beta, below which a day counts as low. None: what chance explains, see `false_alarms`."""
    false_alarms: Annotated[float, Field(gt=0, le=0.2)] = 0.01
    """Share of days that count as low although nothing has changed, if `floor` is None. 0.01: three or four a year."""
    windows: Annotated[int, Field(ge=1, le=366)] = 5
    """Number of newest days whose rolling windows are considered."""
    low: Annotated[int, Field(ge=1, le=366)] = 2
    """How many of them must be low, including the newest, to start a cycle."""
    most_days: Annotated[int, Field(ge=1, le=366)] = 92
    """Maximum number of days, the newest, that one watch scores; three months limit its memory and time."""
    cool_down_days: Annotated[int, Field(ge=0, le=366)] | None = None
    """Days with new labels to wait for after a cycle that a watch started. None: half a test window."""
    lag_days: Annotated[int, Field(ge=0, le=366)] = 0
    """Days at the end of the data that a watch only estimates, because a day is measured once, when it is complete."""

    @model_validator(mode="after")
    def _reachable(self) -> "Watch":
        if self.low > self.windows:
            message = f"low is {self.low} and windows is {self.windows}; low can be at most windows"
            raise ValueError(message)
        return self


class Score(Section):
    """Batch scoring: defaults for the arguments of `ratchet score`."""

    source: Text | None = None
    """Address of the table to score, as in `data.uri`. None: the argument FROM is required."""
    target: Text | None = None
    """Folder or `s3://bucket/prefix` for the result. None: the argument TO is required."""
    version: Annotated[int, Field(ge=1)] | None = None
    """Number of the version to use. None: the champion."""


class Exporter(Section):
    """The exporter: its poll intervals for MLflow and the cluster, and its address for Prometheus."""

    host: Text = "127.0.0.1"
    """Address to listen on. 0.0.0.0 means all addresses of the machine, as needed in a pod."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 9464
    """Port to listen on."""
    mlflow_seconds: Annotated[int, Field(ge=1, le=3_600)] = 60
    """Poll interval for MLflow, in seconds. Versions change once per cycle, rolling metrics once per day."""
    cluster_seconds: Annotated[int, Field(ge=1, le=3_600)] = 30
    """Poll interval for the cluster, in seconds. A step takes minutes."""
    keep_seconds: Annotated[int, Field(ge=0, le=86_400)] = 600
    """Seconds for which the last values of an unavailable source are still exported."""
    estimate_alert: Flag = False
    """Whether an estimated F1 below its floor is an alert. Off, because an estimate is no measurement."""


class Settings(Section):
    """All settings of Ratchet."""

    model: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]
    """Name of the model in lower case, digits, hyphens; it is registered as `<model>-sklearn` and `<model>-spark`."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of all randomness: the same data and settings give the same model."""
    data: Data
    windows: WindowSettings = WindowSettings()
    sklearn: SklearnSettings = SklearnSettings()
    spark: SparkSettings = SparkSettings()
    evaluation: Evaluation = Evaluation()
    promotion: Promotion = Promotion()
    tracking: Tracking = Tracking()
    retrain: Retrain = Retrain()
    serving: Serving = Serving()
    watch: Watch = Watch()
    score: Score = Score()
    exporter: Exporter = Exporter()

    @model_validator(mode="after")
    def _sliceable(self) -> "Settings":
        columns = [one.column for one in self.evaluation.sliced]
        for column, role in ((self.data.label.column, "label"), (self.data.timestamp, "timestamp")):
            if column in columns:
                message = f"evaluation.slices names the {role} column {column!r}; any other column is accepted"
                raise ValueError(message)
        for guardrail in self.promotion.guardrails:
            if guardrail.slice is not None and guardrail.slice not in columns:
                message = f"promotion.guardrails names the slice {guardrail.slice!r}, which is not in evaluation.slices"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _floor_of_a_share(self) -> "Settings":
        if self.watch.floor is not None and self.promotion.objective.cost is not None:
            message = "watch.floor is an F1 or F-beta, and promotion.objective is a cost; omit watch.floor"
            raise ValueError(message)
        return self

    @property
    def gap(self) -> Period | None:
        """The time between two windows; None if there is none."""
        text = self.windows.gap or self.data.label.known_after
        return None if text in (None, "0d") else Period.parse(text)

    def registered_name(self, engine: str) -> str:
        """Name of an engine's registered model."""
        return f"{self.model}-{engine}"

    @property
    def experiment(self) -> str:
        """Name of MLflow's experiment."""
        return self.tracking.experiment or self.model

    def flattened(self) -> dict[str, str]:
        """The values as text by path, without passwords; logged as parameters."""
        return {path: _without_password(str(value)) for path, value in _leaves(self.model_dump(), ())}


def _leaves(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield ".".join((*path, key)), value


def _without_password(text: str) -> str:
    if "://" not in text or "@" not in text:
        return text
    parts = urlsplit(text)
    if parts.password is None:
        return text
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{parts.netloc.rpartition('@')[2]}"))
