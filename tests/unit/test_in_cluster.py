"""What is run in a cluster by `ratchet in-cluster`: what is made there, what is shown of it, and how it ends."""

import json
import os
import re
import subprocess
import sys
from functools import partial

import pytest
from click.testing import CliRunner

from ratchet import cli
from ratchet.cli import group
from ratchet.io.cluster.credentials import Credentials
from ratchet.io.cluster.followed import HOURS_TO_END, SECONDS_TO_START, Followed
from ratchet.jobs import in_cluster
from tests.unit.cluster_objects import ended, pod, running, unscheduled
from tests.unit.cluster_server import Cluster, serving

LOG = "2026-11-24T19:00:06.000000001Z a line of its log\n"
EVENT = (
    '2026-01-01T08:30:00.%sZ {"cycle": "c1", "event": "%s", "level": "info", "timestamp": "2026-01-01T08:30:00.5Z"}\n'
)
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: x, cluster: {server: ADDRESS}}]
users: [{name: x, user: {}}]
contexts: [{name: kind-x, context: {cluster: x, user: x}}]
"""


def cron_job(name, *args):
    container = {"name": name, "args": list(args)}
    template = {"spec": {"backoffLimit": 4, "template": {"spec": {"containers": [container]}}}}
    return {"metadata": {"labels": {"of": "the CronJob"}}, "spec": {"suspend": True, "jobTemplate": template}}


APPLICATION = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"suspend": True, "template": {"arguments": ["score", "spark"], "image": "i"}},
}


class Playing(Cluster):
    """A cluster whose Jobs and applications are at once what the test says.

    condition: of the Job. pods: of the object, or none. state: what the operator says of an application. later: whether
    there is no log yet. body: what was made last.
    """

    def __init__(self):
        super().__init__()
        self.condition, self.pods, self.state = "Complete", [pod("the-pod", state=ended(0), phase="Succeeded")], None
        for name, args in (("retrain", ["retrain"]), ("rollout", ["rollout"]), ("score-sklearn", ["score", "sklearn"])):
            self.add("cronjobs", name, cron_job(name, *args))
        self.add("scheduledsparkapplications", "score-spark", APPLICATION)
        self.later, self.body = False, None

    def add(self, plural, name, body=None, **metadata):
        found = super().add(plural, name, body, **metadata)
        if plural not in ("jobs", "sparkapplications"):
            return found
        self.body = json.loads(json.dumps(found))
        found["status"] = {"conditions": [{"type": self.condition, "status": "True"}] if self.condition else []}
        found["status"]["applicationState"] = {"state": self.state}
        for each in self.pods:
            of = {"batch.kubernetes.io/job-name": name, "sparkoperator.k8s.io/app-name": name, "spark-role": "driver"}
            super().add("pods", each["metadata"]["name"], each | {"metadata": each["metadata"] | {"labels": of}})
            if not self.later:
                self.logs.setdefault(each["metadata"]["name"], LOG)
        return found

    def ends(self, code):
        """Its Jobs and applications end with a code."""
        self.condition = "Failed" if code else "Complete"
        self.pods = [pod("the-pod", state=ended(code), phase="Failed" if code else "Succeeded")]


@pytest.fixture
def cluster():
    return Playing()


@pytest.fixture
def ratchet(cluster, clock, monkeypatch):
    """Call `ratchet in-cluster` with that cluster; returns how it ended."""
    monkeypatch.setattr(group.signal, "signal", lambda *_: None)
    monkeypatch.setattr("ratchet.cli.events.configure", lambda: None)
    monkeypatch.setattr(in_cluster, "Followed", partial(Followed, clock=clock, sleep=clock.sleep))
    monkeypatch.setenv("USER", "eve")
    monkeypatch.delenv("RATCHET_NAMESPACE", raising=False)
    asked = []
    with serving(cluster) as address:

        def found(context):
            asked.append(context)
            return Credentials(address, lambda: None)

        monkeypatch.setattr("ratchet.io.cluster.credentials.found", found)

        def run(*words):
            done = CliRunner().invoke(cli.main, ["in-cluster", *words], prog_name="ratchet")
            done.contexts = asked
            return done

        yield run


def container_of(made):
    (container,) = made["spec"]["template"]["spec"]["containers"]
    return container


def test_a_job_gets_the_arguments_as_they_are(ratchet, cluster):
    done = ratchet("score", "sklearn", "s3://a/$(PASSWORD) b", "s3://c", "--version", "3")
    assert done.exit_code == 0, done.stderr
    args = container_of(cluster.body)["args"]
    assert args == ["score", "sklearn", "s3://a/$$(PASSWORD) b", "s3://c", "--version", "3"]
    assert "a line of its log" in done.stdout


def test_a_job_is_made_as_kubectl_makes_one_from_its_cron_job(ratchet, cluster):
    assert ratchet("retrain", "--as-of", "2026-01-01").exit_code == 0
    (owner,) = cluster.body["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("CronJob", "retrain", True)
    assert cluster.body["metadata"]["annotations"] == {"cronjob.kubernetes.io/instantiate": "manual"}
    assert re.fullmatch(r"retrain-\d{8}-\d{6}", cluster.body["metadata"]["name"])
    assert container_of(cluster.body)["args"] == ["retrain", "--as-of", "2026-01-01"]
    assert cluster.body["spec"]["backoffLimit"] == 4


def test_an_application_is_made_from_its_definition(ratchet, cluster):
    cluster.state = "RUNNING"
    done = ratchet("score", "spark", "s3://a")
    assert done.exit_code == 0, done.stderr
    made = cluster.body
    assert (made["kind"], made["metadata"]["namespace"]) == ("SparkApplication", "ratchet")
    assert made["metadata"]["name"].startswith("score-spark-")
    assert made["metadata"]["labels"] == {"a": "b"}
    assert done.stdout.startswith(f"sparkapplication.sparkoperator.k8s.io/{made['metadata']['name']} created\n")
    assert made["spec"] == {"arguments": ["score", "spark", "s3://a"], "image": "i"}
    assert "a line of its log" in done.stdout, "a driver that has ended is the truth, whatever the operator still says"


def test_an_application_without_a_driver_ends_as_the_operator_says(ratchet, cluster):
    cluster.state, cluster.pods = "FAILED", []
    assert ratchet("score", "spark").exit_code == 1
    cluster.state = "COMPLETED"
    cluster.objects.pop(("sparkapplications", cluster.body["metadata"]["name"]))
    assert ratchet("score", "spark").exit_code == 0


@pytest.mark.parametrize("words", [("score", "sklearn"), ("score", "spark"), ("show",), ("retrain",)], ids=" ".join)
@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_it_ends_as_the_pod_ends(ratchet, cluster, code, words):
    cluster.ends(code)
    done = ratchet(*words)
    assert done.exit_code == code
    sentence = r"ratchet: (it|the cycle) failed; kubectl describe \w+ \S+ -n ratchet says (why|at which step)\n"
    assert bool(re.fullmatch(sentence, done.stderr)) == (code != 0), done.stderr


def test_a_job_that_failed_is_no_success_though_its_pod_is_gone_or_ended_with_0(ratchet, cluster):
    cluster.condition = "Failed"
    assert ratchet("show").exit_code == 1
    cluster.pods = []
    cluster.objects = {key: thing for key, thing in cluster.objects.items() if key[0] not in ("jobs", "pods")}
    assert ratchet("show").exit_code == 1


@pytest.mark.parametrize("words", [("score", "sklearn"), ("score", "spark"), ("show",)], ids=" ".join)
def test_a_pod_that_does_not_start_says_why(ratchet, cluster, clock, words):
    cluster.condition, cluster.pods = None, [unscheduled("0/1 nodes are available", "the-pod")]
    clock.during = lambda now: setattr(clock, "now", now + 30)
    done = ratchet(*words)
    assert done.exit_code == 1
    assert re.search(r"has not started: .*0/1 nodes are available; kubectl describe \w+ \S+ says more", done.stderr)
    assert SECONDS_TO_START <= clock.now < SECONDS_TO_START + 35


def test_a_job_without_a_pod_says_why(ratchet, cluster, clock):
    cluster.condition, cluster.pods = None, []
    clock.during = lambda now: setattr(clock, "now", now + 30)
    done = ratchet("show")
    assert (done.exit_code, "has not started: nothing says why" in done.stderr) == (1, True)


def test_what_never_ends_is_given_up(ratchet, cluster, clock):
    cluster.condition, cluster.pods = None, [pod("the-pod", state=running())]
    clock.during = lambda now: setattr(clock, "now", now + 600)
    done = ratchet("retrain")
    assert (done.exit_code, "has not ended within 6 hours" in done.stderr) == (1, True)
    assert HOURS_TO_END * 3600 <= clock.now < HOURS_TO_END * 3600 + 605
    assert done.stdout.count("a line of its log") == 1


def test_a_job_that_is_deleted_is_not_waited_for(ratchet, cluster, clock):
    cluster.condition = None
    clock.during = lambda _: cluster.objects.pop(("jobs", cluster.body["metadata"]["name"]))
    done = ratchet("show")
    assert (done.exit_code, "was deleted before it had ended" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("score", "sklearn"), "there is no definition to make it from; is the component batch-scoring deployed?"),
        (("score", "spark"), "there is no definition to make it from; is the component batch-scoring deployed?"),
        (("show",), "there is no definition to make it from; is Ratchet deployed?"),
        (("retrain",), "the cycle could not be started; is Ratchet deployed? make deploy-local does that"),
    ],
)
def test_a_missing_definition_is_said(ratchet, cluster, words, sentence):
    cluster.objects.clear()
    done = ratchet(*words)
    assert (done.exit_code, done.stderr) == (1, f"ratchet: {sentence}\n")
    assert cluster.body is None


@pytest.mark.parametrize("words", [("score",), ("score", "xgboost")], ids=" ".join)
def test_an_engine_that_is_none_is_refused(ratchet, cluster, words):
    done = ratchet(*words)
    assert done.exit_code == 2
    assert "ENGINE is sklearn or spark" in done.stderr
    assert (cluster.body, cluster.requests) == (None, [])


def test_without_a_verb_it_is_a_sentence(ratchet, cluster):
    done = ratchet()
    assert (done.exit_code, "Missing argument 'VERB" in done.stderr, cluster.requests) == (2, True, [])


def test_a_cluster_that_is_away_is_said_at_once(ratchet, cluster, clock):
    cluster.away = True
    done = ratchet("show")
    assert (done.exit_code, "does not answer" in done.stderr, clock.now) == (1, True, 0)


def test_only_the_chosen_context_and_namespace_are_asked(ratchet, cluster):
    assert ratchet("--context", "kind-x", "show").contexts == ["kind-x"]
    assert ratchet("--namespace", "elsewhere", "show").exit_code == 1, "that cluster answers for one namespace alone"


def test_a_verb_by_hand_is_a_job_that_is_tried_once_and_says_who(ratchet, cluster):
    done = ratchet("rollback", "flights-sklearn", "--because", "it cost $(MONEY)")
    assert (done.exit_code, done.stdout) == (0, "a line of its log\n"), done.stderr
    container = container_of(cluster.body)
    assert container["args"] == ["rollback", "flights-sklearn", "--because", "it cost $$(MONEY)"]
    assert container["env"] == [{"name": "RATCHET_USER", "value": "eve"}]
    assert cluster.body["spec"]["backoffLimit"] == 0
    assert re.fullmatch(r"by-hand-\d{8}-\d{6}", cluster.body["metadata"]["name"])


def test_whom_the_cluster_knows_counts_more_than_what_a_machine_says(ratchet, cluster):
    cluster.user = "ada@example.com"
    assert ratchet("rollback", "flights-sklearn", "--because", "it cost").exit_code == 0
    assert container_of(cluster.body)["env"] == [{"name": "RATCHET_USER", "value": "ada@example.com"}]


def test_a_cycles_log_is_readable_and_each_line_is_shown_when_it_is_there(ratchet, cluster, clock, monkeypatch):
    """The second event comes only when the first one has been seen; then the pod is replaced."""
    shown = []
    monkeypatch.setattr("click.echo", lambda line="", **_: shown.append(line))
    cluster.condition, cluster.pods = None, [pod("one", state=running())]
    cluster.logs["one"] = EVENT % (1, "retrain.started")

    def goes_on(now):
        assert shown[1] == '08:30:00 retrain.started  cycle="c1"'
        cluster.logs["one"] = EVENT % (1, "retrain.started") + EVENT % (2, "retrain.waits")
        if now == 3:
            name = cluster.body["metadata"]["name"]
            of = {"batch.kubernetes.io/job-name": name}
            cluster.logs["two"] = EVENT % (3, "retrain.done") + "2026-01-01T08:30:01Z a table\n"
            cluster.add("pods", "two", pod("two", state=ended(0), labels=of), creationTimestamp="2026-11-24T20:00:00Z")
            cluster.objects["jobs", name]["status"]["conditions"] = [{"type": "Complete", "status": "True"}]

    clock.during = goes_on
    assert ratchet("retrain").exit_code == 0
    assert re.fullmatch(r"\d\d:\d\d:\d\d cycle retrain-\d{8}-\d{6}", shown[0])
    events = ["retrain.started", "retrain.waits", "retrain.done"]
    assert shown[1:4] == [f'08:30:00 {event}  cycle="c1"' for event in events]
    assert shown[4:] == ["a table", "\nMLflow: make ui, then http://127.0.0.1:5000"]


def test_a_log_is_written_line_by_line_where_nobody_watches_a_terminal(cluster, tmp_path):
    """The second event comes only when the first one has been seen."""
    cluster.condition, cluster.pods = None, [pod("one", state=running())]
    cluster.logs["one"] = EVENT % (1, "retrain.started")
    words = [sys.executable, "-m", "ratchet", "in-cluster", "--context", "kind-x", "--namespace", "ratchet", "retrain"]
    with serving(cluster) as address:
        (tmp_path / "kubeconfig").write_text(KUBECONFIG.replace("ADDRESS", address))
        variables = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig")}
        with subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, text=True) as process:
            lines = iter(process.stdout)
            assert "cycle retrain-" in next(lines)
            assert next(lines) == '08:30:00 retrain.started  cycle="c1"\n'
            cluster.logs["one"] += EVENT % (2, "retrain.done")
            job = cluster.objects["jobs", cluster.body["metadata"]["name"]]
            job["status"]["conditions"] = [{"type": "Complete", "status": "True"}]
            assert "retrain.done" in "".join(lines)
    assert process.returncode == 0


def test_a_log_that_can_not_be_had_at_the_end_is_asked_for_again(ratchet, cluster, clock):
    cluster.later = True
    clock.during = lambda _: cluster.logs.update({"the-pod": LOG})
    done = ratchet("show")
    assert (done.exit_code, done.stdout) == (0, "a line of its log\n")
