"""The scripts that run something in a cluster, or open a way to it; their kubectl plays the cluster."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "given"},
    "spec": {"template": {"spec": {"containers": [{"name": "score-sklearn", "args": ["score", "sklearn"]}]}}},
}
APPLICATION = {
    "apiVersion": "sparkoperator.k8s.io/v1beta2",
    "kind": "ScheduledSparkApplication",
    "metadata": {"name": "score-spark", "namespace": "ratchet", "labels": {"a": "b"}, "uid": "x"},
    "spec": {"suspend": True, "template": {"arguments": ["score", "spark"], "image": "i"}},
}
KUBECTL = """\
import json, os, sys
from pathlib import Path

folder, words = Path(os.environ["PLAY"]), sys.argv[1:]
play = json.loads((folder / "play.json").read_text())
with (folder / "asked").open("a") as asked:
    asked.write(json.dumps(words) + "\\n")
if "--dry-run=client" in words or "scheduledsparkapplication" in words:
    sys.exit(play["missing"]) if play["missing"] else print(json.dumps(play["definition"]))
elif "create" in words:
    (folder / "made.json").write_text(sys.stdin.read())
elif "pods" in words:
    template = next(word for word in words if word.startswith("go-template"))
    print(play["code"] if "exitCode" in template else play["why"] if "waiting" in template else play["pod"])
elif "logs" in words:
    print("a line of its log")
else:
    print(play["state"], end="")
"""


@pytest.fixture
def script(tmp_path):
    """Run a script; play: what the cluster answers. Returns the finished process and the object that it made."""
    program = tmp_path / "kubectl"
    program.write_text(f"#!{sys.executable}\n{KUBECTL}")
    program.chmod(0o755)

    def run(path, *words, definition=JOB, state="Complete ", pod="the-pod Succeeded", code="0", why="", missing=None):
        play = {"definition": definition, "state": state, "pod": pod, "code": code, "why": why, "missing": missing}
        (tmp_path / "play.json").write_text(json.dumps(play))
        variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PLAY": str(tmp_path), "CONTEXT": "kind-x"}
        variables |= {"SECONDS_TO_START": "0", "USER": "eve"}
        done = subprocess.run(
            [ROOT / path, *words], env=variables, capture_output=True, text=True, timeout=60, check=False
        )
        made = tmp_path / "made.json"
        return done, json.loads(made.read_text()) if made.exists() else None

    return run


@pytest.fixture
def score(script):
    return partial(script, "k8s/score")


@pytest.fixture
def by_hand(script):
    return partial(script, "k8s/by-hand")


def test_a_job_gets_the_arguments_as_they_are(score):
    done, made = score("sklearn", "s3://a/$(PASSWORD) b", "s3://c", "--version", "3")
    assert done.returncode == 0, done.stderr
    args = made["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args == ["score", "sklearn", "s3://a/$$(PASSWORD) b", "s3://c", "--version", "3"]


def test_an_application_is_made_from_its_definition(score):
    done, made = score("spark", "s3://a", definition=APPLICATION, state="RUNNING")
    assert done.returncode == 0, done.stderr
    assert (made["kind"], made["metadata"]["namespace"]) == ("SparkApplication", "ratchet")
    assert made["metadata"]["name"].startswith("score-spark-")
    assert made["spec"] == {"arguments": ["score", "spark", "s3://a"], "image": "i"}
    assert "a line of its log" in done.stdout, "a driver that has ended is the truth, whatever the operator still says"


@pytest.mark.parametrize("code", ["0", "1", "2", "3"])
def test_it_ends_as_the_pod_ends(score, code):
    done, _ = score("sklearn", state="Failed " if code != "0" else "Complete ", code=code)
    assert done.returncode == int(code)
    assert ("it failed" in done.stderr) == (code != "0")


def test_a_pod_that_does_not_start_says_why(score):
    done, _ = score("sklearn", state="", pod="the-pod Pending", why="0/1 nodes are available")
    assert done.returncode == 1
    assert "has not started: 0/1 nodes are available" in done.stderr


def test_a_missing_definition_is_said(score):
    done, made = score("sklearn", missing="not found")
    assert done.returncode == 1
    assert "is the component batch-scoring deployed?" in done.stderr
    assert made is None


@pytest.mark.parametrize("words", [(), ("xgboost",)])
def test_an_engine_that_is_none_is_refused(score, words):
    done, made = score(*words)
    assert done.returncode == 2
    assert "ENGINE is sklearn or spark" in done.stderr
    assert made is None


def test_only_the_chosen_context_is_asked(score, tmp_path):
    score("sklearn")
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    assert all(words[:4] == ["--context", "kind-x", "--namespace", "ratchet"] for words in asked)


def test_a_verb_by_hand_is_a_job_that_is_tried_once_and_says_who(by_hand):
    done, made = by_hand("rollback", "flights-sklearn", "--because", "it cost $(MONEY)")
    assert (done.returncode, "a line of its log" in done.stdout) == (0, True), done.stderr
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["rollback", "flights-sklearn", "--because", "it cost $$(MONEY)"]
    assert container["env"] == [{"name": "USER", "value": "eve"}]
    assert made["spec"]["backoffLimit"] == 0


@pytest.mark.parametrize("code", ["0", "1", "2", "3"])
def test_a_verb_by_hand_ends_as_the_pod_ends(by_hand, code):
    assert by_hand("show", code=code)[0].returncode == int(code)


def test_a_verb_by_hand_that_does_not_start_says_why(by_hand):
    done, _ = by_hand("show", state="", pod="the-pod Pending", why="0/1 nodes are available")
    assert done.returncode == 1
    assert "has not started: 0/1 nodes are available" in done.stderr


def test_by_hand_without_a_verb_or_a_cluster_is_a_sentence(by_hand):
    done, made = by_hand()
    assert (done.returncode, "usage: " in done.stderr, made) == (2, True, None)
    done, made = by_hand("show", missing="not found")
    assert (done.returncode, "is Ratchet deployed?" in done.stderr, made) == (1, True, None)


@pytest.fixture
def environment(tmp_path):
    """Make a kubectl of some lines of bash; returns the variables with which a script finds it."""

    def made(lines):
        program = tmp_path / "kubectl"
        program.write_text(f"#!/usr/bin/env bash\n{lines}\n")
        program.chmod(0o755)
        return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PLAY": str(tmp_path)}

    return made


def test_a_cycles_log_is_written_line_by_line_where_nobody_watches_a_terminal(environment, tmp_path):
    """The second event comes only when the first one has been seen."""
    event = '{"cycle": "c1", "event": "%s", "level": "info", "timestamp": "2026-01-01T08:30:00.5Z"}'
    variables = environment(
        f"""case "$*" in
        *logs*) printf '2026-01-01T08:30:00.1Z %s\\n' '{event % "retrain.started"}'
          until [ -e "$PLAY/seen" ]; do sleep 0.05; done
          printf '2026-01-01T08:30:00.2Z %s\\n' '{event % "retrain.done"}' ;;
        *'get job '*) [ ! -e "$PLAY/seen" ] || echo Complete ;;
        *'get pods'*) echo the-pod ;;
        esac"""
    )
    with subprocess.Popen([ROOT / "k8s/kind/retrain"], env=variables, stdout=subprocess.PIPE, text=True) as process:
        lines = iter(process.stdout)
        assert "cycle retrain-" in next(lines)
        assert next(lines) == '08:30:00 retrain.started  cycle="c1"\n'
        (tmp_path / "seen").touch()
        assert "retrain.done" in "".join(lines)
    assert process.returncode == 0


def test_the_way_to_a_cluster_that_is_gone_is_given_up_with_a_sentence(environment, tmp_path):
    variables = environment(
        """case "$*" in
        *port-forward*) echo x >> "$PLAY/tries"; echo 'connection refused' >&2; exit 1 ;;
        *'get service grafana'*) exit 1 ;;
        esac"""
    )
    done = subprocess.run(
        [ROOT / "k8s/kind/ui"],
        env=variables | {"UI_SECONDS": "3"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "the way to mlflow broke off, and is tried again: connection refused" in done.stdout
    assert "prometheus has not answered for 3 s: connection refused; make deploy-local" in done.stderr
    assert "grafana" not in done.stdout
    # After one second, two, four: not every second.
    assert len((tmp_path / "tries").read_text().split()) <= 6
