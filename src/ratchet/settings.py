"""What a run is told: one frozen tree of settings, each with its unit, its default and the reason for it.

`configuration` fills the tree before any work starts; every layer above reads it.
"""

import codecs
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from ratchet.core.steps import ENGINES, EngineName
from ratchet.core.windows import Period


def _flag(value: object) -> object:
    return bool(value) if type(value) is int and value in (0, 1) else value


def _period(text: str) -> str:
    Period.parse(text)
    return text


def _bytes(text: str) -> str:
    bytes_of(text)
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{text!r} is no time zone: an IANA name is, such as UTC or Europe/Berlin"
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
        message = f"{text!r} can't separate values: one ASCII character that is no quote and no line end is accepted"
        raise ValueError(message)
    return text


def bytes_of(text: str) -> int:
    """The bytes in `512MiB` or `4GiB`; raises ValueError with what is accepted."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})(MiB|GiB)", text)
    if match is None:
        message = f"{text!r} is no amount of memory: a whole number and MiB or GiB is, such as 512MiB or 4GiB"
        raise ValueError(message)
    return int(match[1]) * 1024 ** (2 if match[2] == "MiB" else 3)


Flag = Annotated[bool, BeforeValidator(_flag)]
PeriodText = Annotated[str, AfterValidator(_period)]
Memory = Annotated[str, AfterValidator(_bytes)]
Text = Annotated[str, Field(min_length=1)]
Scalar = bool | int | float | str


class Section(BaseModel):
    """What all parts of the settings share: frozen, strict, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class Label(Section):
    """The column to predict."""

    column: Text
    """Name of the column that says what happened."""
    positive: bool | int | float | str
    """The value of the positive class; every other value must be one and the same, and none may be missing."""


class Csv(Section):
    """How CSV files are written; docs/data.md says what else holds for them."""

    separator: Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_separator)] = ","
    """What stands between two values."""
    decimal: Literal[".", ","] = "."
    """What stands before a number's fraction. With a comma, no point may be in a number."""
    encoding: Annotated[Text, AfterValidator(_codec)] = "utf-8"
    """Name of the encoding, as Python knows it: `cp1252` is what Excel writes in much of Europe."""


class Data(Section):
    """The table of labelled events."""

    uri: Text
    """Address of the table: a file, a folder or a partitioned folder; a local path or `s3://bucket/prefix`."""
    format: Literal["parquet", "csv"] | None = None
    """Format of the files. None: read off the files' names (.parquet, .csv, .csv.gz)."""
    csv: Csv = Csv()
    snapshot: Annotated[int, Field(ge=0)] | None = None
    """Version of a Delta table, or id of an Iceberg table's snapshot. None: the newest."""
    timestamp: Text
    """Name of the column that says when the event happened: a date, a datetime, text in ISO 8601, or an epoch."""
    timestamp_unit: Literal["s", "ms", "us", "ns"] | None = None
    """Unit of an epoch, which is a number. None: the column is a date, a datetime or text."""
    timezone: Annotated[Text, AfterValidator(_timezone)] = "UTC"
    """IANA name of the time zone in which days begin, and in which timestamps without a zone are meant."""
    label: Label
    numeric: tuple[Text, ...] | None = None
    """Names of the numeric features. None: all other columns with numbers or booleans."""
    categorical: tuple[Text, ...] | None = None
    """Names of the categorical features. None: all other columns with text."""
    exclude: tuple[Text, ...] = ()
    """Names of columns that are no features, where `numeric` or `categorical` is None; leaks belong here."""

    @model_validator(mode="after")
    def _distinct(self) -> "Data":
        named = [self.timestamp, self.label.column, *(self.numeric or ()), *(self.categorical or ())]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            message = f"the column {twice[0]!r} has two roles; timestamp, label, numeric and categorical are distinct"
            raise ValueError(message)
        return self


class WindowSettings(Section):
    """Lengths of the windows, laid backwards from `as_of`; `31d` is days, `4w` weeks, `1mo` calendar months."""

    test: PeriodText = "1mo"
    """Length of the test window, on which F1 is measured. A month: long enough to hold every day of the week often."""
    calibration: PeriodText = "1mo"
    """Length of the window before it, on which the calibrator is fitted and the threshold chosen."""
    train: PeriodText | None = None
    """Length of the training window before that. None: everything there is."""
    refit: Flag = True
    """Whether what is promoted is fitted anew on the rows of all windows before it serves; what is compared is not."""


class SklearnSettings(Section):
    """The scikit-learn trainer."""

    estimator: Literal["hist_gradient_boosting", "logistic_regression", "random_forest"] = "hist_gradient_boosting"
    """Name of the estimator. The default measures best on the sample data and reads categories natively."""
    params: Mapping[str, Scalar | None] = {}
    """Parameters of the estimator, by scikit-learn's own names, over Ratchet's defaults."""
    memory_limit: Memory | None = None
    """Memory that the trainer may use. None: the limit of its cgroup, or the machine's memory."""


class SparkSettings(Section):
    """The Spark trainer."""

    estimator: Literal["logistic_regression", "random_forest", "gradient_boosted_trees", "xgboost"] = (
        "logistic_regression"
    )
    """Name of the estimator. The default is the fastest, and as good on the sample data as the noise allows to say."""
    params: Mapping[str, Scalar | None] = {}
    """Parameters of the estimator, by Spark's own names, over Ratchet's defaults."""
    driver_memory: Memory = "2GiB"
    """Heap of Spark's JVM where it runs on one machine; on Kubernetes the SparkApplication says it."""
    conf: Mapping[str, Scalar] = {}
    """Spark's own configuration (`spark.…`), over Ratchet's defaults."""


class Evaluation(Section):
    """How the test rows are counted and compared."""

    score_levels: Annotated[int, Field(ge=64, le=1_048_576)] = 16_384
    """Scores are counted in steps of one over this power of two, smaller ones near 0 and 1: bounds the count table."""
    rolling_days: Annotated[int, Field(ge=1, le=366)] = 7
    """Calendar days in a rolling window, the day itself included."""
    bootstrap_samples: Annotated[int, Field(ge=100, le=100_000)] = 10_000
    """Resamples of blocks of test days behind intervals and probabilities; 10,000 err by 0.5 % on a probability."""

    @model_validator(mode="after")
    def _power_of_two(self) -> "Evaluation":
        if self.score_levels & (self.score_levels - 1):
            message = f"score_levels is {self.score_levels}; a power of two is accepted, such as 16384"
            raise ValueError(message)
        return self


class Promotion(Section):
    """When a new version may serve."""

    compare: Literal["same_rows", "recorded"] = "same_rows"
    """`same_rows`: existing versions are scored on the candidate's test rows. `recorded`: their own runs' F1 counts."""
    against: Literal["all", "champion"] = "all"
    """`all`: a candidate must be better than every existing version. `champion`: than the one that serves."""
    confidence: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Required probability of being better than the best of them on days like these. None: a greater F1 is enough."""
    common_days: Annotated[int, Field(ge=1, le=366)] = 14
    """Fewest days with test rows that a version has not learnt from, where it has learnt from others, to compare it."""
    set_aside: Flag = True
    """Whether versions that were rolled back, or failed their trial, are no rivals any more."""
    refit_flips: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Greatest share of test rows that the refitted model may label differently; beyond it the measured one serves."""
    rescore: Annotated[int, Field(ge=1, le=1_000)] = 100
    """How many existing versions are scored anew: the champion, then the newest and the best of the last comparison."""
    lock_seconds: Annotated[int, Field(ge=5, le=3_600)] = 60
    """Seconds for which a registrar holds a model's lock; one that was killed blocks the next for no longer."""
    validation: Flag = False
    """Whether a better version is tried in the image that will serve it before it becomes champion."""
    approval: Literal["automatic", "manual"] = "automatic"
    """`manual`: a better version stays in `staging` until `ratchet promote` is called."""

    @model_validator(mode="after")
    def _measurable(self) -> "Promotion":
        if self.compare == "recorded" and self.confidence is not None:
            message = "confidence can't be known where compare is recorded; set compare to same_rows or drop confidence"
            raise ValueError(message)
        return self


class Tracking(Section):
    """Where MLflow is. The variable MLFLOW_TRACKING_URI, where set, wins over `uri`."""

    uri: Text = "sqlite:///.ratchet/mlflow.db"
    """Address of MLflow: a server (http://…) or a SQLite file."""
    artifacts: Text | None = ".ratchet/artifacts"
    """Folder or s3:// address of the artifacts of a new experiment. None: what the server decides."""
    experiment: Text | None = None
    """Name of MLflow's experiment. None: the model's name."""


class Retrain(Section):
    """A whole cycle."""

    engines: Annotated[tuple[EngineName, ...], Field(min_length=1)] = ENGINES
    """The engines of a cycle."""
    deadline_minutes: Annotated[int, Field(ge=1, le=10_080)] = 360
    """Minutes after which a step that has not ended is stopped and counts as failed."""
    runner: Literal["processes", "kubernetes"] = "processes"
    """Where steps run: as processes of this machine, or as Jobs of the cluster that `ratchet retrain` is a Job of."""
    pending_seconds: Annotated[int, Field(ge=5, le=86_400)] = 45
    """Seconds for which a pod may wait for what isn't there (an image, a Secret, a node that is large enough)."""
    unschedulable_seconds: Annotated[int, Field(ge=5, le=86_400)] = 600
    """Seconds for which a pod may wait for room that others take on a node; the cycle's own pods don't count."""
    when_busy: Literal["wait", "fail"] = "wait"
    """What a cycle does while another one works in the same namespace of a cluster."""


class Serving(Section):
    """What a version must be able to do before it serves, and how it is brought to serve."""

    deployments: Flag = False
    """Whether the Deployments `server-sklearn` and `server-spark` of a cluster follow `champion`."""
    namespace: Text = "ratchet"
    """Their namespace, for whoever moves `champion` by hand; inside of a pod it is the pod's own."""

    latency_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """95th percentile of the time that a request with one row may take while a version is validated."""
    memory_limit: Memory | None = None
    """Memory that its server may use while it is validated. None: the limit of its container."""
    start_seconds: Annotated[int, Field(ge=5, le=3_600)] = 180
    """Seconds in which its server must answer after it was started."""
    ready_seconds: Annotated[int, Field(ge=10, le=3_600)] = 300
    """Seconds in which all its pods must be ready; otherwise `champion` and the pods go back."""
    settle_seconds: Annotated[int, Field(ge=0, le=3_600)] = 20
    """Seconds for which they are looked at once they are ready, before the rollout counts as done."""


class Watch(Section):
    """When a champion counts as too weak on the newest labelled days."""

    floor: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The rolling F1 below which a day counts as low. None: what chance alone explains, see `false_alarms`."""
    false_alarms: Annotated[float, Field(gt=0, le=0.2)] = 0.01
    """Share of days that are low although nothing has changed, where `floor` is None. 0.01: three or four a year."""
    windows: Annotated[int, Field(ge=1, le=366)] = 5
    """The newest days whose rolling windows are looked at."""
    low: Annotated[int, Field(ge=1, le=366)] = 2
    """How many of them must be low, the newest among them, for a cycle to be started."""
    most_days: Annotated[int, Field(ge=1, le=366)] = 92
    """Days that one watch scores at most, the newest ones; three months bound its memory and its time."""
    cool_down_days: Annotated[int, Field(ge=0, le=366)] | None = None
    """Days with new labels that it waits for after a cycle that it started. None: half a test window."""
    lag_days: Annotated[int, Field(ge=0, le=366)] = 0
    """Days at the end of the data left to a later watch: a day is measured once, when all its rows are there."""

    @model_validator(mode="after")
    def _reachable(self) -> "Watch":
        if self.low > self.windows:
            message = f"low is {self.low} and windows {self.windows}; low can be at most windows"
            raise ValueError(message)
        return self


class Score(Section):
    """Batch scoring: what `ratchet score` does where its arguments don't say."""

    source: Text | None = None
    """Address of the table to score, as `data.uri`. None: the argument FROM says it."""
    target: Text | None = None
    """Folder or `s3://bucket/prefix` that gets the result. None: the argument TO says it."""
    version: Annotated[int, Field(ge=1)] | None = None
    """Number of the version that scores. None: the champion."""


class Exporter(Section):
    """How `ratchet exporter` asks MLflow and the cluster, and where it answers Prometheus."""

    host: Text = "127.0.0.1"
    """Address on which it listens. 0.0.0.0 is every address of the machine, which a pod needs."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 9464
    """Port on which it listens."""
    mlflow_seconds: Annotated[int, Field(ge=1, le=3_600)] = 60
    """Seconds between two askings of MLflow. A version changes once in a cycle, a rolling metric once a day."""
    cluster_seconds: Annotated[int, Field(ge=1, le=3_600)] = 30
    """Seconds between two askings of the cluster. A step takes minutes."""
    keep_seconds: Annotated[int, Field(ge=0, le=86_400)] = 600
    """Seconds for which the last values of one that is away are still told; then they are left out."""


class Settings(Section):
    """All settings of Ratchet."""

    model: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$")]
    """Name of the model, in lower case, digits, hyphens; registered are `<model>-sklearn` and `<model>-spark`."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of everything random: the same data and settings give the same model."""
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

    def registered_name(self, engine: str) -> str:
        """Name of an engine's registered model."""
        return f"{self.model}-{engine}"

    @property
    def experiment(self) -> str:
        """Name of MLflow's experiment."""
        return self.tracking.experiment or self.model

    def flattened(self) -> dict[str, str]:
        """Every key with its path and its value as text, without passwords: what is logged as parameters."""
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
