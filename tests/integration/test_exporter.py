"""`ratchet exporter` beside a real MLflow server: it tells the truth, is cheap, and outlives the server's absence."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
from prometheus_client.parser import text_string_to_metric_families

from ratchet.io.records.decision_counts import DecisionCounts
from ratchet.io.records.model_facts import Models
from ratchet.jobs.promotion import promote, register
from ratchet.settings import Exporter
from tests.integration.candidate_runs import add_run
from tests.integration.conftest import free_port, settings_for, start_server, stop_server, wait_until_up

DAY = 16_040
ENGINES = {"engines": ("sklearn",)}
SKLEARN = (("model", "flights-sklearn"),)
MLFLOW = (("model", "flights"), ("source", "mlflow"))
WAIT_SECONDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of its own, that may be stopped: a function that starts it, one that stops it, and its address."""
    folder, port = tmp_path_factory.mktemp("away"), free_port()
    uri, running = f"http://127.0.0.1:{port}", []

    def start():
        running.append(start_server(folder, port))
        wait_until_up(running[-1], uri, Path(folder) / "server.log")

    def stop():
        while running:
            stop_server(running.pop())

    start()
    yield uri, start, stop
    for process in running:
        stop_server(process)


@pytest.fixture(scope="module")
def settings(server):
    """Two versions, the first champion again after a rollback, one run held; and rolling metrics of the champion."""
    found = settings_for(server[0], retrain=ENGINES)
    first = add_run(found, "one", 0.6)
    register.register(found, "one")
    add_run(found, "two", 0.7)
    register.register(found, "two")
    add_run(found, "three", 0.5)
    register.register(found, "three")
    promote.rollback(found, "flights-sklearn", "a test")
    client = MlflowClient(found.tracking.uri)
    rolling = [Metric("rolling_f1", value, day * 86_400_000, day) for day, value in ((DAY - 1, 0.4), (DAY, 0.5))]
    others = [Metric("rolling_precision", 0.55, DAY * 86_400_000, DAY), Metric("drift.hour", 0.125, 0, DAY)]
    others += [Metric("rolling_f1_estimated", 0.48, day * 86_400_000, day) for day in (DAY + 1, DAY + 3)]
    others += [Metric("rolling_f1_estimated_error", error, 0, step) for step, error in ((0, 0.01), (DAY, 0.02))]
    client.log_batch(first, metrics=[*rolling, *others])
    return found


@contextmanager
def exporter(uri, **more):
    """`ratchet exporter` as a process, asking every second: the process and its address."""
    port = free_port()
    chosen = {"exporter.port": port, "exporter.mlflow_seconds": 1, "exporter.keep_seconds": 12, **more}
    chosen |= {"retrain.engines": "[sklearn]", "tracking.uri": uri}
    words = [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("RATCHET", "MLFLOW"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "ratchet", "exporter", *words],
        cwd=Path(__file__).parents[2],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, f"http://127.0.0.1:{port}/metrics"
    finally:
        process.kill()
        process.communicate()


def scrape(address):
    """The samples by name and labels, and how long the scrape took; None while nobody listens."""
    begin = time.monotonic()
    try:
        with urlopen(address, timeout=10) as answer:  # noqa: S310  # an address of ours
            page = answer.read().decode()
    except (URLError, ConnectionError):
        return None
    seconds = time.monotonic() - begin
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("ratchet_")
    }
    return found, seconds


def until(address, true):
    """The samples of the first scrape of which something is true."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if (scraped := scrape(address)) is not None and true(scraped[0]):
            return scraped[0]
        time.sleep(0.2)
    pytest.fail(f"not within {WAIT_SECONDS} s; the last scrape: {scraped}")


def is_up(value):
    return lambda samples: samples.get(("ratchet_exporter_source_up", MLFLOW)) == value


def test_it_tells_the_truth_and_outlives_the_server(server, settings):
    uri, start, stop = server
    with exporter(uri) as (process, address):
        told = until(address, is_up(1))
        assert told["ratchet_champion_version", SKLEARN] == 1
        assert told["ratchet_champion_info", (*SKLEARN, ("version", "1"))] == 1
        assert told["ratchet_champion_f1", SKLEARN] == 0.6
        assert told["ratchet_rolling_f1_floor", SKLEARN] == pytest.approx(0.54)
        assert told["ratchet_rolling_f1", SKLEARN] == 0.5
        assert told["ratchet_rolling_precision", SKLEARN] == 0.55
        assert told["ratchet_rolling_day_timestamp_seconds", SKLEARN] == DAY * 86_400
        assert told["ratchet_rolling_f1_estimated", SKLEARN] == 0.48
        assert told["ratchet_rolling_f1_estimated_error", SKLEARN] == 0.02
        assert told["ratchet_estimated_day_timestamp_seconds", SKLEARN] == (DAY + 3) * 86_400
        assert told["ratchet_estimate_alert", SKLEARN] == 0
        assert ("ratchet_rolling_f1_estimated_floor", SKLEARN) not in told
        assert told["ratchet_drift", (("feature", "hour"), *SKLEARN)] == 0.125
        assert told["ratchet_versions", SKLEARN] == 2
        assert time.time() - 300 < told["ratchet_champion_since_timestamp_seconds", SKLEARN] < time.time()
        decisions = {kind: told["ratchet_decisions", (("decision", kind), *SKLEARN)] for kind in ("promoted", "held")}
        assert decisions == {"promoted": 2, "held": 1}
        # Outside of a cluster nothing is said of cycles.
        assert not [name for name, _ in told if "cycle" in name]
        assert ("ratchet_exporter_source_up", (("model", "flights"), ("source", "cluster"))) not in told

        stop()
        away = until(address, is_up(0))
        assert away["ratchet_champion_version", SKLEARN] == 1, "the last values stay for a while"
        gone = until(address, lambda samples: ("ratchet_champion_version", SKLEARN) not in samples)
        assert gone["ratchet_exporter_source_up", MLFLOW] == 0
        assert ("ratchet_exporter_source_timestamp_seconds", MLFLOW) in gone
        assert not [name for name, _ in gone if "exporter" not in name]
        assert max(scrape(address)[1] for _ in range(20)) < 1, "a scrape waits for nobody"

        start()
        assert until(address, is_up(1))["ratchet_champion_version", SKLEARN] == 1
        must_end_at_once(process, signal.SIGTERM)


def test_it_begins_without_a_server_and_finds_it_later(server, settings):
    uri, start, stop = server
    stop()
    with exporter(uri) as (process, address):
        try:
            assert until(address, is_up(0)).keys() == {("ratchet_exporter_source_up", MLFLOW)}
        finally:
            start()
        assert until(address, is_up(1))["ratchet_versions", SKLEARN] == 2
        must_end_at_once(process, signal.SIGINT)


def must_end_at_once(process, number):
    """Told to, it ends as every verb does."""
    begin = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert time.monotonic() - begin < 5
    assert (process.returncode, said) == (128 + number, f"ratchet: interrupted by {number.name}\n")


def test_a_port_that_somebody_has_is_a_matter_of_the_configuration(server, settings):
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        port = somebody.getsockname()[1]
        with exporter(server[0], **{"exporter.port": port}) as (process, _):
            _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"exporter.port {port} can't be listened on" in said


def test_mlflow_is_asked_for_few_things_however_many_versions_there_are(settings, asked):
    models = Models(settings)
    (found,) = models()
    assert len(asked) == 5 + asked.count("metrics/get-history") == 7
    asked.clear()
    assert models() == (found,)
    assert sorted(asked) == [
        "experiments/get-by-name",
        "model-versions/search",
        "registered-models/get",
        "runs/get",
        "runs/search",
    ]


def test_a_model_that_was_never_trained_is_told_as_such(settings):
    other = settings_for(settings.tracking.uri, model="untrained", retrain=ENGINES)
    (found,) = Models(other)()
    assert (found.model, found.champion, found.versions) == ("untrained-sklearn", None, 0)


def test_what_the_registrar_and_the_validation_wrote_is_told(settings):
    own = settings_for(settings.tracking.uri, model="validated", retrain=ENGINES, watch={"floor": 0.25})
    run = add_run(own, "one", 0.6)
    register.register(own, "one")
    client, models = MlflowClient(own.tracking.uri), Models(own)
    assert models()[0].validation_failed is False
    client.set_model_version_tag("validated-sklearn", "1", "ratchet.validation", '{"outcome": "failed"}')
    assert models()[0].validation_failed is True
    client.set_model_version_tag("validated-sklearn", "1", "ratchet.validation", "by hand")
    assert models()[0].validation_failed is False
    assert models()[0].champion.floor == 0.25
    client.log_batch(run, metrics=[Metric("rolling_f1_estimated", 0.48, 0, DAY)])
    assert models()[0].champion.rolling["f1_estimated_floor"] == 0.25
    assert models()[0].estimate_alert is False
    assert Models(own.model_copy(update={"exporter": Exporter(estimate_alert=True)}))()[0].estimate_alert is True


def test_a_champion_that_somebody_named_in_mlflow_itself_has_no_beginning(settings):
    own = settings_for(settings.tracking.uri, model="by-hand", retrain=ENGINES)
    for cycle, f1 in (("one", 0.6), ("two", 0.7)):
        add_run(own, cycle, f1)
        register.register(own, cycle)
    models = Models(own)
    assert models()[0].champion.since is not None
    MlflowClient(own.tracking.uri).set_registered_model_alias("by-hand-sklearn", "champion", "1")
    assert (models()[0].champion.version, models()[0].champion.since) == (1, None)


def test_runs_that_are_decided_later_are_counted_then(settings):
    own = settings_for(settings.tracking.uri, model="later", retrain=ENGINES)
    client, models = MlflowClient(own.tracking.uri), Models(own)
    add_run(own, "one", 0.6)
    register.register(own, "one")
    tags = {"ratchet.model": "later", "ratchet.engine": "sklearn"}
    experiment = client.get_experiment_by_name("later").experiment_id
    assert models()[0].decisions == {"promoted": 1, "held": 0, "staged": 0}
    run = client.create_run(experiment, tags=tags).info.run_id
    for decision in ("staged", "held", "promoted"):
        client.set_tag(run, "ratchet.decision", decision)
        others = dict.fromkeys({"promoted", "held", "staged"}, 0) | {"promoted": 1}
        assert models()[0].decisions == others | {decision: others[decision] + 1}


def test_settled_runs_are_not_read_again_until_the_next_day(settings, monkeypatch):
    """The runs of `add_run` began days ago; the filter of the request says from when on runs are read."""
    own = settings_for(settings.tracking.uri, model="settled", retrain=ENGINES)
    client, now = MlflowClient(own.tracking.uri), [time.time()]
    add_run(own, "one", 0.6)
    register.register(own, "one")
    failed = add_run(own, "two", 0.7, status="FAILED")
    filters, search = [], MlflowClient.search_runs
    monkeypatch.setattr(
        MlflowClient,
        "search_runs",
        lambda self, ids, wanted, **more: filters.append(wanted) or search(self, ids, wanted, **more),
    )
    counts = DecisionCounts(own.experiment, own.model, own.retrain.engines, clock=lambda: now[0])
    assert counts.refresh(client) == {"sklearn": {"promoted": 1, "held": 0, "staged": 0}}
    now[0] += 60
    assert counts.refresh(client) == {"sklearn": {"promoted": 1, "held": 0, "staged": 0}}
    since = [int(wanted.rpartition(" ")[2]) / 1000 for wanted in filters]
    assert since[0] == 0
    assert since[1] == pytest.approx(now[0] - 86_400, abs=1)

    waiting = client.create_run(
        client.get_experiment_by_name("settled").experiment_id,
        start_time=int((now[0] - 3_600) * 1000),
        tags={"ratchet.model": "settled", "ratchet.engine": "sklearn", "ratchet.decision": "staged"},
    )
    assert counts.refresh(client)["sklearn"]["staged"] == 1
    now[0] += 20 * 3_600
    counts.refresh(client)
    assert int(filters[-1].rpartition(" ")[2]) == waiting.info.start_time, "it is looked at until it is decided on"

    client.set_tag(failed, "ratchet.decision", "held")
    client.delete_run(waiting.info.run_id)
    now[0] += 20 * 3_600
    assert counts.refresh(client) == {"sklearn": {"promoted": 1, "held": 1, "staged": 0}}, "a day later all are read"
