"""Batch scoring with both engines: the model's own labels, every row once, whatever is repeated, killed or wrong."""

import json
import os
import signal
import time
from math import inf
from pathlib import Path

import mlflow
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import structlog
from deltalake import write_deltalake
from mlflow.tracking import MlflowClient

from ratchet.engines.opening import open_scorer
from ratchet.engines.spark import scoring
from ratchet.errors import ConfigurationError, FailedError, RatchetError
from ratchet.io.table import scoring_table
from ratchet.io.table.score_target import RESULT, Target
from ratchet.jobs.score import score
from tests.integration.scoring_fixtures import load
from tests.integration.trainer_fixtures import CATEGORICAL, FEATURES, NUMERIC, small_settings
from tests.integration.verbs import Verb, events, ratchet

pytestmark = [
    # py4j leaves its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ENGINES = ("sklearn", "spark")
# A JVM starts for a verb, on a machine that may be busy.
SECONDS = 240


@pytest.fixture
def settings(flights_slice, registered):
    return small_settings(flights_slice, registered)


@pytest.fixture(scope="module")
def rows(flights_slice):
    """May as it is to be scored: an id, no label, no timestamp; gaps, and a category that training never saw."""
    frame = pd.read_parquet(Path(flights_slice) / "year_month=2013-05" / "part-0.parquet")
    frame = frame.drop(columns=["late", "scheduled_departure"]).reset_index(drop=True)
    frame["plane_age"] = frame["plane_age"].where(frame.index % 7 > 0)
    frame.loc[5:30, "carrier"] = "unseen"
    frame.insert(0, "flight_id", [f"{row:05}" for row in frame.index])
    return frame


@pytest.fixture(scope="module")
def table(rows, tmp_path_factory):
    """Those rows in two files."""
    folder = tmp_path_factory.mktemp("to-score")
    rows.iloc[:900].to_parquet(folder / "1.parquet", index=False)
    rows.iloc[900:].to_parquet(folder / "2.parquet", index=False)
    return str(folder)


@pytest.fixture(scope="module")
def many(rows, tmp_path_factory):
    """Those rows so often that a call can be killed while it writes."""
    path = tmp_path_factory.mktemp("many") / "many.parquet"
    pd.concat([rows] * 400, ignore_index=True).to_parquet(path, index=False, row_group_size=20_000)
    return str(path)


@pytest.fixture(scope="module", params=ENGINES)
def scorer(request, registered, flights_slice):
    """A scorer with version 1 loaded, and the columns that it needs; one for all tests here."""
    mlflow.set_tracking_uri(f"sqlite:///{registered}/mlflow.db")
    settings = small_settings(flights_slice, registered)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "spark":
            # It would start a JVM, which nobody would end; the tests have one.
            request.getfixturevalue("spark_session")
            session = request.getfixturevalue("spark_engine").session
            patch.setattr(scoring, "Session", lambda _: session)
        opened = open_scorer(request.param, settings)
    return opened, opened.load(f"models:/flights-{request.param}/1", "version 1")


def scored(scorer, uri, folder):
    """Score a table in this process; returns the tally and the result."""
    opened, inputs = scorer
    looked = scoring_table.inspect(str(uri), inputs)
    target = Target.of(str(folder), looked.store, "call")
    target.begin({})
    tally = opened.score(looked, target, 1, lambda _: None)
    target.finish(1, tally.rows, {})
    return tally, pq.read_table(folder)


def predicted(registered, engine, rows):
    features = rows[FEATURES].astype(dict.fromkeys(NUMERIC, "float64"))
    return [int(label) for label in load(registered, engine).predict(features)]


def test_every_row_has_the_label_that_the_registered_model_gives(scorer, registered, rows, table, tmp_path):
    tally, found = scored(scorer, table, tmp_path / "to")
    frame = found.to_pandas().sort_values("flight_id").reset_index(drop=True)
    assert list(frame["predicted_label"]) == predicted(registered, scorer[0].name, rows)
    assert (tally.rows, tally.positives) == (len(rows), frame["predicted_label"].sum())
    assert 0 < tally.positives < tally.rows
    assert set(frame["model_version"]) == {1}
    assert frame["probability"].between(0, 1).all()
    assert (
        frame[frame["predicted_label"] == 1]["probability"].min()
        > frame[frame["predicted_label"] == 0]["probability"].max()
    )


def test_the_columns_of_the_table_come_back_as_they_were(scorer, rows, table, tmp_path):
    _, found = scored(scorer, table, tmp_path / "to")
    assert found.column_names == [*rows.columns, *RESULT]
    frame = found.drop_columns(list(RESULT)).to_pandas().sort_values("flight_id").reset_index(drop=True)
    pd.testing.assert_frame_equal(frame, rows, check_dtype=False)


def test_rows_of_a_file_keep_their_order(scorer, rows, table, tmp_path):
    _, found = scored(scorer, f"{table}/2.parquet", tmp_path / "to")
    assert found["flight_id"].to_pylist() == list(rows["flight_id"].iloc[900:])


def test_columns_of_every_kind_are_passed_on(scorer, rows, tmp_path):
    few = pa.Table.from_pandas(rows.iloc[:4], preserve_index=False)
    moments = [0, 1_500_000_000_000_000_001, -1_000, None]
    odd = {
        "naive": pa.array(moments, pa.timestamp("ns")),
        "instant": pa.array(moments, pa.timestamp("ns", "UTC")),
        "micros": pa.array([0, 1_500_000_000_000_001, -1, None], pa.timestamp("us")),
        "list": pa.array([[1, 2], [], None, [3]]),
        "struct": pa.array([{"a.b": 1}, {"a.b": None}, None, {"a.b": 4}]),
        "binary": pa.array([b"\x00\xff", b"", None, b"x"]),
        "decimal": pa.array([1, None, 3, 4]).cast(pa.decimal128(22, 2)),
        "odd `name` é.x": pa.array(["a", None, "", "d"]),
        # What a model's own stages write, too.
        "prediction": pa.array([7, 8, 9, None]),
        "score": pa.array(["x"] * 4),
        "features": pa.array([None, 1.0, 2.0, 3.0]),
    }
    for name, column in odd.items():
        few = few.append_column(name, column)
    pq.write_table(few, tmp_path / "t.parquet")
    _, found = scored(scorer, tmp_path / "t.parquet", tmp_path / "to")
    for name in odd.keys() - {"naive", "instant"}:
        assert found[name].to_pylist() == few[name].to_pylist(), name
    for name in ("naive", "instant"):
        assert found.schema.field(name).type.tz == few.schema.field(name).type.tz
        unit = pa.timestamp("us", few.schema.field(name).type.tz)
        assert found[name].cast(unit, safe=False).to_pylist() == few[name].cast(unit, safe=False).to_pylist(), name


def test_a_partitioned_folder_whose_files_differ_is_one_table(scorer, registered, rows, tmp_path):
    first, second = rows.iloc[:50], rows.iloc[50:90].astype({"hour": "float64", "minute": "int16"})
    for month, part in (("2013-05", first), ("2013-06", second.drop(columns="plane_type"))):
        (tmp_path / f"t/month={month}").mkdir(parents=True)
        part.to_parquet(tmp_path / f"t/month={month}/1.parquet", index=False)
    _, found = scored(scorer, tmp_path / "t", tmp_path / "to")
    frame = found.to_pandas().sort_values("flight_id").reset_index(drop=True)
    assert list(frame["month"]) == ["2013-05"] * 50 + ["2013-06"] * 40
    assert frame["plane_type"].iloc[50:].isna().all()
    assert list(frame["predicted_label"]) == predicted(registered, scorer[0].name, rows.iloc[:90])


def test_csv_is_scored_and_what_is_only_passed_on_stays_text(scorer, registered, rows, tmp_path):
    few = rows.iloc[:60]
    (tmp_path / "t").mkdir()
    few.iloc[:30].to_csv(tmp_path / "t/1.csv", index=False)
    few.iloc[30:][[*reversed(few.columns)]].to_csv(tmp_path / "t/2.csv", index=False)
    _, found = scored(scorer, tmp_path / "t", tmp_path / "to")
    frame = found.to_pandas().sort_values("flight_id").reset_index(drop=True)
    assert list(frame["flight_id"]) == list(few["flight_id"])
    assert list(frame["predicted_label"]) == predicted(registered, scorer[0].name, few)


def test_a_delta_table_s_snapshot_is_scored(scorer, registered, rows, tmp_path):
    write_deltalake(tmp_path / "t", rows.iloc[:60])
    write_deltalake(tmp_path / "t", rows.iloc[60:90], mode="overwrite")
    _, found = scored(scorer, tmp_path / "t", tmp_path / "to")
    frame = found.to_pandas().sort_values("flight_id").reset_index(drop=True)
    assert list(frame["flight_id"]) == list(rows["flight_id"].iloc[60:90])
    assert list(frame["predicted_label"]) == predicted(registered, scorer[0].name, rows.iloc[60:90])


def test_values_that_training_would_not_have_are_told(registered, settings, rows, tmp_path):
    """Words for missing values among texts, and infinite numbers."""
    few = rows.iloc[:8].reset_index(drop=True).astype({"hour": "float64"})
    few.loc[0, "hour"], few.loc[1, "hour"], few.loc[2, "carrier"], few.loc[3, "carrier"] = inf, -inf, "NA", "None"
    few.to_csv(tmp_path / "t.csv", index=False)
    with structlog.testing.capture_logs() as logs:
        assert score(settings, "sklearn", str(tmp_path / "t.csv"), str(tmp_path / "to")).rows == 8
    told = [line["warning"] for line in logs if line["event"] == "data.warning"]
    assert any("NA, None in 2 rows of the column 'carrier'" in warning for warning in told), told
    assert any("the column 'hour'" in warning and "is infinite in 2 rows" in warning for warning in told), told


def test_an_empty_table_has_an_empty_result(scorer, rows, tmp_path):
    rows.iloc[:0].astype(dict.fromkeys(CATEGORICAL, "str")).to_parquet(tmp_path / "t.parquet", index=False)
    path = tmp_path / "t.parquet"
    types = {"flight_id": pa.string(), "plane_type": pa.string(), **dict.fromkeys(CATEGORICAL, pa.string())}
    empty = pq.read_table(path)
    schema = pa.schema([pa.field(field.name, types.get(field.name, field.type)) for field in empty.schema])
    pq.write_table(schema.empty_table(), path)
    tally, found = scored(scorer, path, tmp_path / "to")
    assert (tally.rows, tally.positives, found.num_rows) == (0, 0, 0)
    assert set(RESULT) <= set(found.column_names)


def files(folder, engine):
    """What a reader reads, file by file: scikit-learn's bytes; Spark's rows, whose names end in an id of the call."""
    read = pq.read_table if engine == "spark" else Path.read_bytes
    return {path.name[:10]: read(path) for path in sorted(folder.glob("part-*.parquet"))}


def test_the_verb_says_what_it_did_and_after_one_that_was_killed_ends_in_the_same_rows(
    scorer, registered, settings, rows, table, many, tmp_path
):
    """Each call goes over an earlier result, the first one over one of scikit-learn's."""
    engine = scorer[0].name
    score(settings, "sklearn", table, str(tmp_path / "to"))
    scored(scorer, table, tmp_path / "to")
    first = files(tmp_path / "to", engine)
    # Killed while it writes: the earlier result is gone, and nothing says that there is a complete one.
    with Verb(registered, "score", engine, many, str(tmp_path / "to"), "--env", "test") as verb:
        verb.wait_for("score.started")
        deadline = time.monotonic() + 60
        while (tmp_path / "to/_SUCCESS").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(verb._process.pid, signal.SIGKILL)
        verb.end()
    assert not (tmp_path / "to/_SUCCESS").exists()
    call = ("score", engine, table, str(tmp_path / "to"), "--env", "test")
    done = ratchet(registered, *call, seconds=SECONDS)
    assert done.returncode == 0, done.stderr
    success = json.loads((tmp_path / "to/_SUCCESS").read_text())
    event = events(done)["score.done"]
    assert (event["model"], event["version"], event["rows"]) == (f"flights-{engine}", 1, success["rows"])
    last = done.stdout.splitlines()[-1]
    share = success["positives"] / success["rows"]
    assert last == (
        f"version 1 of flights-{engine} scored {success['rows']:,} rows, {share:.1%} of them labelled 1: {tmp_path}/to"
    )
    assert success["files"] == sorted(path.name for path in (tmp_path / "to").glob("part-*"))
    assert files(tmp_path / "to", engine) == first
    found = pq.read_table(tmp_path / "to")
    assert sorted(found["flight_id"].to_pylist()) == list(rows["flight_id"])


def test_another_version_takes_the_place_of_the_first(registered, settings, table, tmp_path):
    client = MlflowClient(f"sqlite:///{registered}/mlflow.db")
    first = client.get_model_version("flights-sklearn", "1")
    other = client.create_model_version("flights-sklearn", first.source, first.run_id, await_creation_for=0)
    try:
        for number in (1, int(other.version)):
            assert score(settings, "sklearn", table, str(tmp_path / "to"), number).version == number
    finally:
        client.delete_model_version("flights-sklearn", other.version)
    assert set(pq.read_table(tmp_path / "to")["model_version"].to_pylist()) == {int(other.version)}
    assert json.loads((tmp_path / "to/_SUCCESS").read_text())["version"] == int(other.version)


def test_the_settings_say_what_the_arguments_leave_out(registered, flights_slice, table, tmp_path):
    places = {"source": table, "target": str(tmp_path / "to")}
    done = score(small_settings(flights_slice, registered, score=places), "sklearn")
    assert (done.target, done.version) == (places["target"], 1)
    assert (tmp_path / "to/_SUCCESS").exists()


@pytest.mark.parametrize(
    ("places", "more", "code", "sentence"),
    [
        (("TABLE", "TO", 7), {}, 2, "flights-sklearn has no version 7; there are: 1"),
        (("TABLE", "TO"), {"model": "other"}, 2, "has no version of other-sklearn"),
        (("TABLE",), {}, 2, "TO is missing: give it as an argument, or set score.target"),
        ((), {}, 2, "FROM is missing: give it as an argument, or set score.source"),
        (("TABLE", "TABLE"), {}, 2, "which overlaps with the table"),
        (("gs://x", "TO"), {}, 2, "the table to score is 'gs://x'"),
        (("TABLE/nothing", "TO"), {}, 3, "there is no file or folder at"),
        (("LACKING", "TO"), {}, 3, "the column 'carrier' is not in"),
        (("RESULT", "TO"), {}, 3, "has the name of a result column"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_and_nothing_is_touched(
    registered, flights_slice, rows, table, tmp_path, places, more, code, sentence
):
    rows.drop(columns="carrier").to_parquet(tmp_path / "lacking.parquet", index=False)
    rows.assign(probability=0.5).to_parquet(tmp_path / "result.parquet", index=False)
    named = {
        "TABLE": table,
        "TO": str(tmp_path / "to"),
        "LACKING": str(tmp_path / "lacking.parquet"),
        "RESULT": str(tmp_path / "result.parquet"),
        "TABLE/nothing": f"{table}/nothing",
    }
    with pytest.raises(RatchetError) as refused:
        score(small_settings(flights_slice, registered, **more), "sklearn", *(named.get(one, one) for one in places))
    assert refused.value.exit_code == code
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "to").exists()


def test_a_refusal_of_the_verb_is_one_line_and_an_exit_code(registered, table, tmp_path):
    call = ("score", "sklearn", table, str(tmp_path / "to"), "--version", "7", "--env", "test")
    done = ratchet(registered, *call)
    assert done.returncode == 2
    assert done.stderr == "ratchet: flights-sklearn has no version 7; there are: 1\n"


def test_a_model_without_a_champion_is_not_scored_with(registered, settings, table, tmp_path):
    client = MlflowClient(f"sqlite:///{registered}/mlflow.db")
    client.delete_registered_model_alias("flights-sklearn", "champion")
    try:
        with pytest.raises(ConfigurationError, match="flights-sklearn has no champion; --version takes one of 1"):
            score(settings, "sklearn", table, str(tmp_path / "to"))
    finally:
        client.set_registered_model_alias("flights-sklearn", "champion", "1")


def test_a_version_whose_files_are_gone_says_so(registered, settings, table, tmp_path):
    client = MlflowClient(f"sqlite:///{registered}/mlflow.db")
    gone = client.create_model_version("flights-sklearn", str(tmp_path / "gone"), await_creation_for=0)
    number = int(gone.version)
    try:
        with pytest.raises(FailedError, match=f"version {number} of flights-sklearn can't be loaded: "):
            score(settings, "sklearn", table, str(tmp_path / "to"), number)
    finally:
        client.delete_model_version("flights-sklearn", gone.version)
    assert not (tmp_path / "to").exists()
