"""The command line: its help is enough, its errors are one line, and it starts in a blink."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import structlog
from click.testing import CliRunner

from ratchet import cli
from ratchet.cli import group
from ratchet.errors import ConfigurationError, DataError, FailedError, Interrupted, TemporaryError
from ratchet.io.cluster import coordinator
from ratchet.jobs import show

ROOT = Path(__file__).parents[2]
HEAVY = ("pandas", "mlflow", "sklearn", "numpy", "pyspark", "pyarrow", "pydantic", "matplotlib")


def commands(group=cli.main, path=("ratchet",)):
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


COMMANDS = dict(commands())


@pytest.fixture
def ratchet(tmp_path, monkeypatch):
    """Call a verb in a folder with one environment, and no variable of Ratchet's set."""
    for name in [name for name in os.environ if name.startswith(("RATCHET", "MLFLOW_TRACKING"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(group.signal, "signal", lambda *_: None)
    monkeypatch.setattr("ratchet.cli.events.configure", lambda: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "dev.yaml").write_text(
        "model: flights\ndata: {uri: x, timestamp: at, label: {column: late, positive: true}}\n"
    )
    return lambda *arguments: CliRunner().invoke(cli.main, arguments, prog_name="ratchet")


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    ).stdout


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_help_is_enough_to_use_the_verb(ratchet, path):
    done = ratchet(*path[1:], "--help")
    assert done.exit_code == 0
    command = COMMANDS[path]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            assert parameter.make_metavar(click.Context(command)) in command.help, "the text explains each argument"
        elif not isinstance(command, click.Group):
            assert parameter.help, f"{parameter.name} has no help"
            assert parameter.opts[-1] in done.output


@pytest.mark.parametrize("path", [path for path in COMMANDS if len(path) > 1], ids=" ".join)
def test_every_verb_has_its_line_in_the_list(ratchet, path):
    listed = ratchet(*path[1:-1], "--help").output
    assert COMMANDS[path].short_help in listed


def test_help_names_the_exit_codes_on_lines_of_their_own(ratchet):
    assert "\n  2 invalid configuration or command, 3 invalid data.\n" in ratchet("--help").output


def test_help_in_a_fresh_process_imports_nothing_heavy():
    said = python(
        "import runpy, sys, os\n"
        "sys.argv = ['ratchet', '--help']\n"
        "from ratchet.cli import main\n"
        "try: main()\n"
        f"except SystemExit as end: print(end.code, [name for name in {HEAVY} if name in sys.modules])\n"
    )
    assert said.splitlines()[-1] == "0 []"


def test_python_dash_m_is_the_same_command():
    done = subprocess.run([sys.executable, "-m", "ratchet", "--help"], capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    assert done.stderr == ""


def test_the_exit_code_reaches_the_shell():
    done = subprocess.run(
        [sys.executable, "-m", "ratchet", "show", "--env", "nowhere"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_reading_the_configuration_imports_no_engine_and_no_mlflow():
    heavy = [name for name in HEAVY if name != "pydantic"]
    said = python(
        "import sys\nfrom ratchet import configuration, errors\nfrom ratchet.cli import events\n"
        "configuration.load('dev', (), None, {})\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    assert said.strip() == "[]"


WRONG = {
    "an unknown environment": (["train", "sklearn", "--env", "nope"], "environments in configs: dev"),
    "an environment outside of its folder": (["show", "--env", "../dev"], "lower-case letters, digits and hyphens"),
    "an unknown setting": (["show", "--set", "data.url=x"], "data.url is no setting"),
    "a setting without a value": (["show", "--set", "seed"], "an equals sign"),
    "an empty setting": (["show", "--set", "seed="], "--set seed is empty"),
    "a wrong value": (["retrain", "--set", "seed=x"], "seed is 'x'"),
    "a day that is none": (["train", "sklearn", "--as-of", "2013-02-30"], "'--as-of'"),
    "a day as a word": (["retrain", "--as-of", "yesterday"], "does not match the format"),
    "an id with capitals": (["register", "--cycle", "Cycle"], "--cycle 'Cycle'"),
    "an id that is too long": (["train", "spark", "--cycle", "a" * 47], "at most 46"),
    "an empty id": (["train", "sklearn", "--cycle", ""], "--cycle ''"),
    "an empty id for a cycle": (["retrain", "--cycle", ""], "--cycle ''"),
    "an unknown engine": (["train", "torch"], "is not one of 'sklearn', 'spark'"),
    "no engine": (["train"], "Missing argument 'ENGINE'"),
    "a version below one": (["promote", "flights-sklearn", "0", "--because", "x"], "x>=1"),
    "no reason": (["rollback", "flights-sklearn"], "Missing option '--because'"),
    "an unknown verb": (["fly"], "No such command 'fly'"),
    "an unknown option": (["show", "--yaml"], "No such option"),
    "a folder that is not there": (["schema", "--out", "nowhere/schema.json"], "can't be written"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_is_exit_2_and_one_line(ratchet, arguments, said):
    done = ratchet(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.startswith("ratchet: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_an_unknown_key_in_the_environment_is_exit_2(ratchet, monkeypatch):
    monkeypatch.setenv("RATCHET__SEEDS", "1")
    done = ratchet("show")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "seeds is no setting" in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigurationError("wrong setting"), 2, "ratchet: wrong setting\n"),
        (DataError("no rows\nin the window"), 3, "ratchet: no rows in the window\n"),
        (TemporaryError("away"), 1, "ratchet: away\n"),
        (FailedError("broken"), 1, "ratchet: broken\n"),
        (Interrupted(15), 143, "ratchet: interrupted by SIGTERM\n"),
        (Interrupted(2), 130, "ratchet: interrupted by SIGINT\n"),
        (KeyError("x"), 1, "ratchet: KeyError: 'x' (RATCHET_DEBUG=1 shows the traceback)\n"),
        (ValueError("first\nsecond"), 1, "ratchet: ValueError: first (RATCHET_DEBUG=1 shows the traceback)\n"),
        (RuntimeError(), 1, "ratchet: RuntimeError: (RATCHET_DEBUG=1 shows the traceback)\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_each_error_has_its_exit_code_and_one_line(ratchet, monkeypatch, error, code, line):
    def broken(_settings):
        raise error

    monkeypatch.setattr(show, "show", broken)
    done = ratchet("show")
    assert (done.exit_code, done.stderr) == (code, line)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FailedError("broken"), []),
        (DataError("no rows"), []),
        (FailedError("no memory", "out-of-memory"), ["out-of-memory"]),
        (ConfigurationError("no such object", "missing"), ["missing"]),
    ],
)
def test_a_reason_that_the_exit_code_does_not_say_is_an_event(ratchet, monkeypatch, error, told):
    def broken(_settings):
        raise error

    monkeypatch.setattr(show, "show", broken)
    with structlog.testing.capture_logs() as logs:
        done = ratchet("show")
    assert [event["reason"] for event in logs if event["event"] == "verb.failed"] == told
    assert done.exit_code == error.exit_code


@pytest.mark.parametrize(
    ("arguments", "reason", "event"),
    [
        (["retrain", "--nonsense"], "configuration", "RetrainFailed"),
        (["retrain", "--set", "seed=x"], "configuration", "RetrainFailed"),
        (["watch", "--env", "nope"], "configuration", "WatchFailed"),
    ],
)
def test_a_coordinator_says_why_it_failed_on_its_job(ratchet, monkeypatch, arguments, reason, event):
    told = []
    monkeypatch.setenv("RATCHET_JOB", "c")
    monkeypatch.setattr(coordinator, "tell", lambda error, named: told.append((error.reason, named, str(error))))
    done = ratchet(*arguments)
    assert told == [(reason, event, done.stderr.removeprefix("ratchet: ").rstrip())]


def test_debugging_shows_the_traceback_instead(ratchet, monkeypatch):
    monkeypatch.setenv("RATCHET_DEBUG", "1")
    done = ratchet("show", "--env", "nope")
    assert isinstance(done.exception, ConfigurationError)
    assert done.stderr == ""


def test_the_environment_may_come_from_a_variable(ratchet, monkeypatch):
    monkeypatch.setenv("RATCHET_ENV", "nope")
    assert "nope.yaml does not exist" in ratchet("show").stderr


def test_the_schema_is_printed_or_written(ratchet, tmp_path):
    printed = json.loads(ratchet("schema").stdout)
    assert printed["additionalProperties"] is False
    assert {"model", "data"} <= set(printed["properties"])
    assert ratchet("schema", "--out", "schema.json").stdout == ""
    assert json.loads((tmp_path / "schema.json").read_text()) == printed
