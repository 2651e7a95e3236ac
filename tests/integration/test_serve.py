"""A version's server, as a process: it answers as MLflow's own does, counts, and goes without losing a request."""

import asyncio
import json
import signal
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import mlflow
import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient
from prometheus_client.parser import text_string_to_metric_families

from ratchet.engines.serving import loaded
from ratchet.io.records import model_files, samples
from ratchet.io.serving import in_process, scoring_server
from ratchet.io.serving.exchange import Limits
from ratchet.settings import Serving
from tests.integration.conftest import free_port
from tests.integration.scoring_fixtures import like
from tests.integration.trainer_fixtures import small_settings, write_configuration
from tests.integration.verbs import Verb, ratchet

JSON = {"Content-Type": "application/json"}
MODEL = "flights-sklearn"


@pytest.fixture(scope="module")
def folder(registered, flights_slice, tmp_path_factory):
    """A working directory with one registered version of the scikit-learn model."""
    return like(registered, tmp_path_factory.mktemp("serve"), flights_slice)


@pytest.fixture(scope="module")
def sample(folder):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    return samples.read(client, client.get_model_version(MODEL, "1").run_id)


class Asked:
    """A server's address, by which it is asked."""

    def __init__(self, port):
        self.pool = urllib3.PoolManager(retries=False, timeout=30)
        self.address = f"http://127.0.0.1:{port}"

    def get(self, path):
        return self.pool.request("GET", self.address + path)

    def post(self, body, query="", kind="application/json", **headers):
        sent = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.pool.request(
            "POST", f"{self.address}/invocations{query}", body=sent, headers={"Content-Type": kind, **headers}
        )

    def measures(self):
        families = text_string_to_metric_families(self.get("/metrics").data.decode())
        return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


@contextmanager
def serving(folder, *options, environment=None):
    port = free_port()
    with Verb(
        folder, "serve", "sklearn", "--env", "test", "--port", str(port), *options, environment=environment
    ) as verb:
        verb.wait_for("serve.ready")
        yield verb, Asked(port)


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder) as (_, asked):
        yield asked


@pytest.fixture(scope="module")
def mlflows_own(folder):
    """What MLflow's own server answers to a body of a type."""
    from mlflow.pyfunc import scoring_server

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}/1")

    def answer(body, kind):
        try:
            result = scoring_server.invocations(body, kind, model, model.metadata.get_input_schema())
        except mlflow.exceptions.MlflowException as error:
            return error.get_http_status_code(), None
        return result.status, json.loads(result.response) if result.status == 200 else None

    return answer


def bodies(sample, number=3):
    columns, rows = list(sample.columns), [list(row) for row in sample.rows[:number]]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    csv = "\n".join([",".join(columns), *(",".join("" if one is None else str(one) for one in row) for row in rows)])
    return {
        "split": (json.dumps({"dataframe_split": {"columns": columns, "data": rows}}), "application/json"),
        "records": (json.dumps({"dataframe_records": records}), "application/json"),
        "inputs": (
            json.dumps({"inputs": {name: [row[name] for row in records] for name in columns}}),
            "application/json",
        ),
        "csv": (csv, "text/csv"),
        "no json": ("{", "application/json"),
        "no rows": ("{}", "application/json"),
        "a column less": (json.dumps({"dataframe_records": [{columns[0]: 1}]}), "application/json"),
        "another type": ("hello", "text/plain"),
    }


@pytest.mark.parametrize(
    "what", ["split", "records", "inputs", "csv", "no json", "no rows", "a column less", "another type"]
)
def test_it_accepts_and_answers_what_mlflows_own_does(server, mlflows_own, sample, what):
    body, kind = bodies(sample)[what]
    status, content = mlflows_own(body, kind)
    answer = server.post(body, kind=kind)
    assert answer.status == status
    assert content is None or json.loads(answer.data) == content
    assert (status == 200) is (what in ("split", "records", "inputs", "csv"))


@pytest.mark.parametrize("body", [{"dataframe_records": []}, {"dataframe_records": [{"carrier": ["AA"]}]}])
def test_a_request_without_rows_or_with_what_is_no_category_is_refused(server, body):
    answer = server.post(json.dumps(body))
    assert answer.status == 400
    assert json.loads(answer.data)["error_code"] == "BAD_REQUEST"


def test_every_label_and_probability_is_the_trainers(server, sample):
    body = sample.request(0, len(sample.rows))
    assert json.loads(server.post(body).data)["predictions"] == sample.labels
    both = json.loads(server.post(body, "?probabilities=true").data)["predictions"]
    assert [one["label"] for one in both] == sample.labels
    assert [one["probability"] for one in both] == pytest.approx(sample.probabilities)


def odd_requests(sample):
    """Bodies of one kind that differ from the usual in one thing each."""
    record = dict(zip(sample.columns, sample.rows[0], strict=True))
    number, text = "distance", "carrier"
    values = [None, 7, 7.5, "7", " 7 ", "x", "", True, float("nan"), 2**53, 2**53 + 1, -(2**70), 1e300, [1], {}, "NaN"]
    for name in (number, text):
        for value in values:
            yield {"dataframe_records": [{**record, name: value}, record]}
    without = {name: value for name, value in record.items() if name != number}
    columns, rows = list(record), [list(record.values())] * 2
    yield from (
        {"dataframe_records": content}
        for content in ([without], [record, without], [{**record, "more": 1}], {}, [1], [])
    )
    split = {"columns": columns, "data": rows}
    yield from (
        {"dataframe_split": each} for each in (split, {**split, "index": [5, 6]}, {"data": rows}, {**split, "data": []})
    )
    yield {"dataframe_split": {"columns": [*columns, "more"], "data": [[*row, "x"] for row in rows]}}
    yield {"dataframe_split": {"columns": [*columns[1:], columns[0]], "data": [[*row[1:], row[0]] for row in rows]}}
    yield {"dataframe_records": [record], "params": {"a": 1}}
    yield {"dataframe_records": [record], "more": 1}
    yield {"dataframe_records": [record] * 600}


def odd_texts(sample):
    """JSON that Python does not write: a value, or the form of the whole."""
    record = dict(zip(sample.columns, sample.rows[0], strict=True))
    words = (
        "1e999",
        "-1e999",
        "Infinity",
        "NaN",
        "9" * 5000,
        "1" * 30,
        "[" * 3000,
        r'"\ud800"',
        '{"a": 1e999}',
        "-0.0",
    )
    for name in ("distance", "carrier", "more"):
        text = json.dumps({"dataframe_records": [record | {name: "@"}, record | {name: None}]})
        yield from (text.replace('"@"', word) for word in words)
    usual = json.dumps({"dataframe_records": [record] * 2})
    yield usual[:-1]
    yield usual.replace("}, {", '}, {"more": 1, ')
    yield usual.replace("}, {", "}, [], {")
    split = json.dumps({"dataframe_split": {"columns": sample.columns, "data": sample.rows[:3]}})
    yield split.replace("[[", "[[1, ", 1)
    yield split.replace('"columns": [', f'"columns": ["{sample.columns[1]}", ', 1).replace("[[", "[[1, ")
    yield split.replace("[[", '["row", [')


@pytest.fixture(scope="module")
def both_ways(folder, tmp_path_factory):
    """A request's answers by the model itself and by its plan, and what each server counted."""
    settings = small_settings("nowhere", folder)
    files = model_files.files_of(settings.tracking, MODEL, 1, tmp_path_factory.mktemp("both-ways"))
    with loaded("sklearn", settings, str(files)) as model:
        assert model.plan is not None, model.unplanned
        planned, general = (scoring_server.ScoringServer(Limits.of(settings.serving)) for _ in range(2))
        planned.serve(model.labels, model.both, MODEL, 1, model.plan)
        general.serve(model.labels, model.both, MODEL, 1)
        yield (
            lambda body: [asyncio.run(in_process._ask(app, body.encode())) for app in (general, planned)],
            [app.measures.registry.get_sample_value for app in (general, planned)],
        )


def test_a_plan_answers_as_the_model_does_without_it(both_ways, sample):
    """The same status and the same bytes, to a request of whatever kind."""
    ask, values = both_ways
    answers = []
    for body in (*map(json.dumps, odd_requests(sample)), *odd_texts(sample)):
        own, found = ask(body)
        assert found == own, body[:1000]
        answers.append(own[0])
    assert answers.count(200) > 25
    assert answers.count(400) > 30
    general, planned = (value("ratchet_server_predictions_total", {"label": "0"}) for value in values)
    assert planned == general > 0
    assert [value("ratchet_server_prepared") for value in values] == [0, 1]


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["AA", "1.5", "nan"])
)


@given(st.data())
def test_a_plan_and_the_model_answer_alike_whatever_the_values(both_ways, sample, data):
    names = data.draw(st.lists(st.sampled_from([*sample.columns, "more"]), max_size=3, unique=True))
    rows = [dict(zip(sample.columns, row, strict=True)) for row in sample.rows[: data.draw(st.integers(1, 3))]]
    rows = [row | {name: data.draw(VALUES) for name in names} for row in rows]
    if data.draw(st.booleans()):
        body = {"dataframe_records": rows}
    else:
        columns = data.draw(st.permutations(list(rows[0])))
        body = {"dataframe_split": {"columns": columns, "data": [[row[name] for name in columns] for row in rows]}}
    own, found = both_ways[0](json.dumps(body))
    assert found == own


LIMITS = ("max_concurrent=4", "max_request=1MiB", "max_rows=100", "request_seconds=5")


@pytest.fixture(scope="module")
def limited(folder):
    with serving(folder, *(word for limit in LIMITS for word in ("--set", f"serving.{limit}"))) as (_, asked):
        yield asked


@contextmanager
def unfinished(asked, number, length, part):
    """Connections that each announce a request of a length, and send a part of it."""
    port = urllib3.util.parse_url(asked.address).port
    head = f"POST /invocations HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {length}"
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(number)]
        for each in found:
            each.sendall(head.encode() + b"\r\n\r\n" + part)
        yield found


def test_a_request_that_is_too_large_is_413_and_others_are_answered(limited, sample):
    many = json.dumps({"dataframe_records": [dict(zip(sample.columns, sample.rows[0], strict=True))] * 5000})
    assert len(many) > 2**20
    answer = limited.post(many)
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert "larger than 1,048,576 bytes" in json.loads(answer.data)["message"]
    assert limited.post(sample.request(0, 1)).status == 200


@pytest.mark.parametrize("what", ["split", "records", "inputs", "csv"])
def test_a_request_with_too_many_rows_is_413_in_every_form(limited, sample, what):
    rows = [list(row) for row in sample.rows[:1]] * 101
    many = replace(sample, rows=rows)
    body, kind = bodies(many, len(rows))[what]
    answer = limited.post(body, kind=kind)
    assert answer.status == 413
    assert "has 101 rows; at most 100 are accepted" in json.loads(answer.data)["message"]
    body, kind = bodies(many, 100)[what]
    assert limited.post(body, kind=kind).status == 200


def test_clients_that_do_not_finish_their_requests_are_408_and_hold_up_nobody(limited, sample):
    with unfinished(limited, 6, 1000, b'{"dataframe_records": [') as slow:
        assert limited.post(sample.request(0, 1)).status == 200
        answers = [b"".join(iter(lambda each=each: each.recv(4096), b"")) for each in slow]
    assert [answer[:13] for answer in answers] == [b"HTTP/1.1 408 "] * 6
    assert b"not received and answered in 5 s" in answers[0]


def test_requests_that_are_too_large_together_are_503(limited, sample):
    """Five that hold a megabyte each, where four are held."""
    with unfinished(limited, 5, 2**20, b" " * 1_048_000) as large:
        codes = Counter(each.recv(4096)[9:12] for each in large)
    assert codes == {b"503": 1, b"408": 4}
    assert limited.post(sample.request(0, 1)).status == 200


def test_too_many_at_once_are_503_and_the_server_still_tells_how_it_is(limited, sample):
    """Some forty clients without a pause, where four are answered at once."""
    body, codes, over = json.dumps(sample.request(0, 50)), Counter(), threading.Event()

    def client():
        own = Asked(urllib3.util.parse_url(limited.address).port)
        while not over.is_set():
            answer = own.post(body)
            codes[answer.status, answer.headers.get("retry-after")] += 1

    threads = [threading.Thread(target=client) for _ in range(40)]
    for each in threads:
        each.start()
    try:
        deadline = time.monotonic() + 60
        while not (codes[200, None] > 20 and codes[503, "1"] > 20) and time.monotonic() < deadline:
            assert limited.get("/ping").status == 200
            assert ("ratchet_server_requests_total", ("code", "200")) in limited.measures()
    finally:
        over.set()
        for each in threads:
            each.join()
    assert {*codes} == {(200, None), (503, "1")}
    assert min(codes.values()) > 20
    assert limited.post(body).status == 200


def test_ping_and_version_are_mlflows(server):
    assert (server.get("/ping").status, server.get("/version").data.decode()) == (200, mlflow.__version__)
    assert server.get("/nowhere").status == 404


def test_metrics_count_requests_labels_and_name_the_version(folder, sample):
    with serving(folder) as (_, asked):
        asked.post(sample.request(0, 10))
        asked.post("{")
        found = asked.measures()
    assert found["ratchet_server_requests_total", ("code", "200")] == 1
    assert found["ratchet_server_requests_total", ("code", "400")] == 1
    assert found["ratchet_server_request_seconds_count",] == 2
    labels = [found.get(("ratchet_server_predictions_total", ("label", label)), 0) for label in "01"]
    assert labels == [sample.labels[:10].count(0), sample.labels[:10].count(1)]
    assert found["ratchet_server_model_info", ("model", MODEL), ("version", "1")] == 1


def test_going_it_loses_no_request(folder, sample):
    """It is asked for half of the time that it stays: by then a cluster sends nobody to it any more."""
    body, stop, lost, answered = sample.request(0, 1), threading.Event(), [], [0]
    with serving(folder) as (verb, asked):

        def ask():
            own = Asked(asked.address.rpartition(":")[2])
            while not stop.is_set():
                try:
                    answered[0] += own.post(body).status == 200
                except urllib3.exceptions.HTTPError as error:
                    lost.append(error)

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        time.sleep(1)
        verb.send(signal.SIGTERM)
        before = answered[0]
        time.sleep(scoring_server.DRAIN_SECONDS / 2)
        stop.set()
        for client in clients:
            client.join(30)
        code, _ = verb.end()
    assert lost == []
    assert answered[0] > before, "it goes on for a while after it was told to go"
    assert code == 0


def test_the_parts_of_an_answer_wait_for_no_acknowledgement(monkeypatch):
    found = []

    def run(_, sockets):
        (listening,) = sockets
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            found.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(scoring_server._Server, "run", run)
    scoring_server.run(scoring_server.ScoringServer(Limits.of(Serving())), "127.0.0.1", 0)
    assert found[0] != 0


def test_it_waits_for_the_first_champion(flights_slice, tmp_path):
    made, port = write_configuration(tmp_path, flights_slice), free_port()
    with Verb(made, "serve", "sklearn", "--env", "test", "--port", str(port)) as verb:
        verb.wait_for("serve.waiting")
        asked = Asked(port)
        assert (asked.get("/live").status, asked.get("/ping").status, asked.post({}).status) == (200, 503, 503)
        assert ratchet(made, "train", "sklearn", "--env", "test", "--as-of", "2013-05-01").returncode == 0
        assert ratchet(made, "register", "--env", "test").returncode == 0
        assert verb.wait_for("serve.ready")["version"] == 1
        assert asked.get("/ping").status == 200


def test_started_again_it_needs_neither_mlflow_nor_the_store(folder, tmp_path, sample):
    kept = {"RATCHET_MODELS": str(tmp_path / "models"), "RATCHET_VERSION": "1"}
    with serving(folder, environment=kept):
        pass
    away = kept | {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}
    with serving(folder, environment=away) as (_, asked):
        assert json.loads(asked.post(sample.request(0, 5)).data)["predictions"] == sample.labels[:5]


def test_an_empty_version_is_none(folder):
    with serving(folder, environment={"RATCHET_VERSION": ""}) as (_, asked):
        assert asked.get("/ping").status == 200


def test_a_version_that_is_none_gets_a_sentence(folder):
    done = ratchet(folder, "serve", "sklearn", "--env", "test", "--version", "7", "--port", str(free_port()))
    assert (done.returncode, "has no version 7 of flights-sklearn" in done.stderr) == (2, True)


def test_a_port_that_is_taken_gets_a_sentence(folder, server):
    port = server.address.rpartition(":")[2]
    done = ratchet(folder, "serve", "sklearn", "--env", "test", "--port", port)
    assert (done.returncode, f"127.0.0.1:{port} can't be used" in done.stderr) == (2, True)
