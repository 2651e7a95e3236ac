"""A month of two models, as the exporter tells of it hour by hour.

The exporter, the registrar, `rollback` and MLflow are real; the measures of the runs and days are made up, and the
cluster is the small API server of the unit tests.
"""

import json
from contextlib import ExitStack
from datetime import UTC, datetime
from math import cos, sin
from urllib.request import urlopen

from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from ratchet.core.objective import Objective
from ratchet.io import prometheus
from ratchet.io.cluster.cycles import COORDINATORS
from ratchet.io.poller import Poller
from ratchet.io.prometheus import Page
from ratchet.io.records.model_facts import Models
from ratchet.jobs.cycles import Cycles
from ratchet.jobs.exporter import Exporter
from ratchet.jobs.promotion import promote, register
from tests.integration.candidate_runs import add_run
from tests.integration.conftest import free_port, settings_for
from tests.unit.cluster_server import Clock as Standing
from tests.unit.cluster_server import Cluster, api_of, serving

HOUR, DAY = 3600, 86_400
DAYS = 30
FEATURES = ("hour", "minute", "day_of_week", "distance", "scheduled_duration", "temperature", "humidity", "plane_age")
COST = Objective(cost=(1.0, 8.0))
# What happens on which day, at four in the morning. F1 by engine; None: the step failed.
CYCLES = {
    2: {"sklearn": 0.527, "spark": 0.531},
    9: {"sklearn": 0.521, "spark": 0.524},
    13: {"sklearn": 0.525, "spark": None},
    16: {"sklearn": 0.541, "spark": 0.529},
    23: {"sklearn": 0.524, "spark": 0.552},
}
ROLLED_BACK = 20
# So many seconds before a scrape MLflow and the cluster were polled.
POLLED = {"flights": (24, 9), "churn": (41, 13)}


class Installation:
    """A model's exporter, with its MLflow and its cluster."""

    def __init__(self, settings, stack, clock):
        self.settings, self.clock, self.cluster = settings, clock, Cluster()
        self.by_cost = settings.model == "churn"
        self.client = MlflowClient(settings.tracking.uri)
        api = api_of(stack.enter_context(serving(self.cluster)), Standing())
        self.facts = None
        self.pollers = (
            Poller("mlflow", self.models, 60, 600, clock),
            Poller("cluster", Cycles(api), 30, 600, clock),
        )
        exporter = Exporter(settings.model, *self.pollers)
        port = free_port()
        stack.callback(prometheus.serve("127.0.0.1", port, exporter.samples, Page(lambda: exporter.page(settings), "")))
        self.address = f"http://127.0.0.1:{port}"
        cron_job = {"spec": {"schedule": "0 4 * * 1", "suspend": False}, "status": {}}
        self.cluster.add("cronjobs", "retrain", cron_job, creationTimestamp=written(clock.now - DAYS * DAY))

    def models(self):
        """The facts of the models; MLflow is asked where something has happened."""
        if self.facts is None:
            self.facts = Models(self.settings)()
        return self.facts

    def told(self, path="metrics"):
        """What the exporter answers; it has polled a moment before."""
        now = self.clock.now
        for poller, ago in zip(self.pollers, POLLED[self.settings.model], strict=True):
            self.clock.now = now - ago
            poller.refresh()
        self.clock.now = now
        with urlopen(f"{self.address}/{path}", timeout=30) as answer:  # noqa: S310  # an address of ours
            return answer.read().decode()

    def cycle(self, f1s):
        """One cycle: its runs, the decision, its Job with the journal."""
        self.facts = None
        name = f"retrain-{datetime.fromtimestamp(self.clock.now, UTC):%Y%m%d-%H%M%S}-1f"
        for engine, f1 in f1s.items():
            if f1 is not None:
                self.run(name, engine, f1)
        self.job(name, {engine: f1 is not None for engine, f1 in f1s.items()})

    def run(self, cycle, engine, f1):
        interval = {"f1_low": f1 - 0.017, "f1_high": f1 + 0.017}
        if self.by_cost:
            interval |= {"objective": 0.4 * f1 - 0.43, "objective_constant": -0.31}
            return add_run(
                self.settings, cycle, f1, engine=engine, metrics=interval, tags=COST.tags(), begun=self.clock.now
            )
        return add_run(self.settings, cycle, f1, engine=engine, metrics=interval, begun=self.clock.now)

    def job(self, name, succeeded):
        began, steps = self.clock.now, {}
        for place, (engine, fine) in enumerate(succeeded.items()):
            end = began + 140 + 95 * place
            steps[engine] = step(began + 12, end, None if fine else "out-of-memory")
        done = all(succeeded.values())
        if done:
            register.register(self.settings, name)
            steps["register"] = step(began + 240, began + 251)
            steps["rollout"] = step(began + 252, began + 290)
        journal = {
            "cycle": name,
            "began": written(began),
            "ended": written(began + 295),
            "steps": steps,
            "decisions": [],
        }
        kind = "Complete" if done else "Failed"
        condition = {"type": kind, "status": "True", "reason": "PodFailurePolicy", "message": "exit code 1"}
        label, _, value = COORDINATORS.partition("=")
        body = {
            "metadata": {"annotations": {"ratchet/journal": json.dumps(journal)}, "labels": {label: value}},
            "spec": {"template": {"spec": {"containers": [{"name": "retrain"}]}}},
            "status": {"conditions": [condition]},
        }
        self.cluster.add("jobs", name, body, creationTimestamp=written(began))

    def watch(self, day):
        """What a watch writes into the champions' runs: days that have all labels, and an estimate of later ones."""
        self.facts = None
        for engine in self.settings.retrain.engines:
            model = self.settings.registered_name(engine)
            champion = self.client.get_model_version_by_alias(model, "champion")
            numbers = measures(day, engine, 0.02 * int(champion.version), objective=self.by_cost)
            for feature, value in drifts(day, engine).items():
                numbers[f"drift.{feature}"] = value, day - 3
            metrics = [Metric(name, value, step * DAY * 1000, step) for name, (value, step) in numbers.items()]
            self.client.log_batch(champion.run_id, metrics=metrics)


def measures(day, engine, more, *, objective):
    """Value and day by the name of the metric."""
    phase = 0.0 if engine == "sklearn" else 1.3
    f1 = 0.5 + more + 0.03 * sin(day / 4 + phase)
    found = {"f1": f1, "precision": f1 - 0.03, "recall": f1 + 0.05, "accuracy": 0.7 + 0.02 * cos(day / 5)}
    found["roc_auc"] = 0.7 + 0.015 * sin(day / 6 + phase)
    if objective:
        found |= {"objective": 0.4 * f1 - 0.43, "objective_floor": -0.265}
    else:
        found["f1_floor"] = 0.494 + 0.008 * cos(day / 6)
    labelled = {f"rolling_{name}": (value, day - 3) for name, value in found.items()}
    expected = 0.5 + more + 0.025 * sin((day + 2) / 4 + phase)
    estimated = {"f1": expected, "precision": expected - 0.02, "recall": expected + 0.04, "positives": 410.0}
    estimated |= {"f1_floor": 0.48, "f1_error": 0.012 + 0.003 * sin(day)}
    names = {"f1_floor": "rolling_f1_estimated_floor", "f1_error": "rolling_f1_estimated_error"}
    return labelled | {names.get(k, f"rolling_{k}_estimated"): (v, day - 1) for k, v in estimated.items()}


def drifts(day, engine):
    scale = 0.02 if engine == "sklearn" else 0.025
    return {name: scale * (1 + place) * (1.2 + sin(day / 7 + place)) for place, name in enumerate(FEATURES)}


def step(begin, end, reason=None):
    state = {"state": "failed", "reason": reason, "sentence": "?"} if reason else {"state": "done"}
    return {**state, "submitted": written(begin), "ended": written(end)}


def written(at):
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def installations(uris, stack: ExitStack, clock):
    """Flights, with both engines, and churn, by a cost. uris: of their MLflows, with the folders of their artifacts."""
    flights = settings_for(uris[0][0], "flights", uris[0][1], retrain={"engines": ("sklearn", "spark")})
    engines, by = {"engines": ("sklearn",)}, {"objective": COST.form}
    churn = settings_for(uris[1][0], "churn", uris[1][1], retrain=engines, promotion=by)
    return Installation(flights, stack, clock), Installation(churn, stack, clock)


def live(found, clock, until):
    """Let a month pass until a time; yields the time and what each exporter tells, for every hour."""
    first = until - DAYS * DAY
    for hour in range(DAYS * 24 + 1):
        clock.now = first + hour * HOUR
        day = int(clock.now // DAY - until // DAY) + DAYS
        for own in found:
            happens(own, day, int(clock.now % DAY // HOUR))
        yield clock.now, [own.told() for own in found]


def happens(own, day, of_day):
    """Let an hour's events take place."""
    if of_day == 4 and day in CYCLES:
        engines = own.settings.retrain.engines
        own.cycle({engine: f1 for engine, f1 in CYCLES[day].items() if engine in engines})
    if own.settings.model == "flights" and (day, of_day) == (ROLLED_BACK, 10):
        promote.rollback(own.settings, "flights-sklearn", "complaints from sales")
        own.facts = None
    if of_day == 6 and day >= min(CYCLES):
        own.watch(int(own.clock.now // DAY))
