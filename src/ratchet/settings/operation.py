"""The settings of MLflow, cycles, servers, the watch, scoring and the exporter."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ratchet.core.steps import ENGINES, EngineName
from ratchet.settings.forms import Flag, Memory, PeriodText, Section, Text


class Tracking(Section):
    """The location of MLflow. The variable MLFLOW_TRACKING_URI, if set, overrides `uri`."""

    uri: Text = "sqlite:///.ratchet/mlflow.db"
    """Address of MLflow: a server (http://…) or a SQLite file."""
    artifacts: Text | None = ".ratchet/artifacts"
    """Folder or s3:// address of a new experiment's artifacts; a server takes no folder. None: the server's default."""
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
    token_file: Text | None = None
    """File with the tokens, one a line, of which a request must have one (`Authorization: Bearer …`). None: open."""
    max_concurrent: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Requests that a server answers at once; further ones get 503 and `Retry-After`, and /ping still answers."""
    max_request: Memory = "64MiB"
    """Size of a request; a larger one gets 413."""
    max_rows: Annotated[int, Field(ge=1)] = 100_000
    """Rows of a request; one with more gets 413."""
    request_seconds: Annotated[float, Field(gt=0, le=3_600)] = 60.0
    """Seconds in which a request is received and answered; a slower one gets 408, or its connection ends."""
    plan: Flag = True
    """Whether servers answer JSON by a plan of the model, if it consists of boosted trees: several times as fast."""


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


class Retention(Section):
    """What `ratchet prune` keeps."""

    runs: PeriodText | None = None
    """How long to keep runs that no version needs, and versions that were set aside. None: forever."""


class Exporter(Section):
    """The exporter, which is the console, too: its poll intervals for MLflow and the cluster, and its address."""

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
    mlflow_page: Annotated[Text, Field(pattern=r"^https?://[^\s@]+$")] = "http://127.0.0.1:5000"
    """Address at which people open MLflow, for the console's links. The default is where `make ui` opens it."""
