"""Labels that arrive late, from the first cycle to the watch: every twentieth flight; the newest have no label."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from ratchet.errors import ConfigurationError, DataError
from ratchet.io.records.model_facts import Models
from ratchet.jobs.promotion.register import register
from ratchet.jobs.show import show
from ratchet.jobs.training.train import train
from ratchet.jobs.watch_step import watch
from tests.integration.trainer_fixtures import small_settings, tree

AFTER = "14d"


def written(source, folder, until, unlabelled_from):
    """The flights before a day, in one file; labels are unknown from another day on."""
    frame = pd.concat([pd.read_parquet(path) for path in sorted(Path(source).glob("*/*.parquet"))])
    frame = frame[frame["scheduled_departure"] < pd.Timestamp(until)]
    late = frame["late"].astype("boolean")
    unknown = frame["scheduled_departure"] >= pd.Timestamp(unlabelled_from)
    folder.mkdir(exist_ok=True)
    frame.assign(late=late.mask(unknown)).to_parquet(folder / "events.parquet", index=False)
    return int(unknown.sum())


def settings_of(base, uri, **label):
    data = {**tree(str(uri), base)["data"], "label": {"column": "late", "positive": True, **label}}
    data |= {key: tuple(data[key]) for key in ("numeric", "categorical")}
    return small_settings(str(uri), base, data=data)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("late")


@pytest.fixture(scope="module")
def promoted(base, flights_slice):
    """The first cycle, on the 25th of May: the labels of the newest two weeks are not known yet."""
    not_yet = written(flights_slice, base / "events", "2013-05-25", "2013-05-11")
    settings = settings_of(base, base / "events", known_after=AFTER)
    trained = train(settings, "sklearn", "first", None)
    (result,) = register(settings, "first")
    return settings, trained, result, not_yet


def run_of(settings, trained):
    return MlflowClient(settings.tracking.uri).get_run(trained.run_id)


def test_a_cycle_ends_where_labels_are_final_and_is_promoted(promoted):
    settings, trained, result, not_yet = promoted
    run = run_of(settings, trained)
    assert result.outcome == "promoted"
    assert (run.data.tags["ratchet.test_from"], run.data.tags["ratchet.test_until"]) == ("2013-04-11", "2013-05-11")
    assert run.data.metrics["rows_not_yet_known"] == not_yet > 0
    assert {run.data.metrics[name] for name in ("rows_known_late", "rows_without_label")} == {0}


def test_the_report_says_what_is_not_yet_known_and_that_there_are_gaps(promoted, tmp_path):
    settings, trained, _, not_yet = promoted
    client = MlflowClient(settings.tracking.uri)
    page = Path(client.download_artifacts(trained.run_id, "report.html", tmp_path)).read_text()
    assert f"Labels: {not_yet:,} rows from 2013-05-11 on not yet known (a label is final 14d after its event)." in page
    assert "Between two windows lie 14d" in page


def test_show_and_the_exporter_tell_how_many_rows_wait(promoted):
    settings, _, _, not_yet = promoted
    (row,) = show(settings)
    assert (row.version, row.not_yet_known) == (1, not_yet)
    (facts,) = Models(settings)()
    assert facts.champion.not_yet_known == not_yet


def test_the_next_weeks_cycle_and_the_watch_take_the_days_that_have_become_final(promoted, flights_slice, base):
    settings, trained, _, _ = promoted
    before = (base / "events" / "events.parquet").read_bytes()
    try:
        written(flights_slice, base / "events", "2013-06-01", "2013-05-18")
        watched = watch(settings, "sklearn")
        assert watched.verdict.until == "2013-05-18"
        steps = MlflowClient(settings.tracking.uri).get_metric_history(trained.run_id, "rolling_f1_estimated")
        assert max(point.step for point in steps) == (date(2013, 5, 31) - date(1970, 1, 1)).days
        again = train(settings, "sklearn", "second", None)
        assert run_of(settings, again).data.tags["ratchet.test_until"] == "2013-05-18"
        (result,) = register(settings, "second")
        assert result.outcome in ("promoted", "held")
    finally:
        (base / "events" / "events.parquet").write_bytes(before)


def test_without_the_setting_the_error_names_it_and_a_value_that_fits(promoted, base):
    with pytest.raises(
        DataError, match=r"'late' of .* is missing in [0-9]+ rows of .*; all days from 2013-05-11 on"
    ) as error:
        train(settings_of(base, base / "events"), "sklearn", "refused", None)
    assert "set data.label.known_after to 14d or more" in str(error.value)


def test_a_test_window_beyond_what_is_known_is_refused(promoted):
    settings, _, _, _ = promoted
    with pytest.raises(ConfigurationError, match=r"--as-of 2013-05-14 is too late"):
        train(settings, "sklearn", "beyond", date(2013, 5, 14))


def test_windows_that_the_gaps_leave_without_rows_are_named(promoted, base):
    settings = settings_of(base, base / "events", known_after="8w")
    with pytest.raises(DataError, match=r"the training window .* is empty: 0 rows"):
        train(settings, "sklearn", "empty", None)


def test_positives_that_become_known_late_are_warned_of(flights_slice, tmp_path):
    """No label is missing: a row is negative until it is known to be late, which takes ten days."""
    written(flights_slice, tmp_path / "events", "2013-06-01", "2013-06-01")
    path = tmp_path / "events" / "events.parquet"
    frame = pd.read_parquet(path)
    age = (pd.Timestamp("2013-06-01") - frame["scheduled_departure"]).dt.days
    frame.assign(late=frame["late"].astype(bool) & (age >= 10)).to_parquet(path, index=False)
    trained = train(settings_of(tmp_path, tmp_path / "events"), "sklearn", "warned", None)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    page = Path(client.download_artifacts(trained.run_id, "report.html", tmp_path)).read_text()
    assert "if labels arrive late, set data.label.known_after to" in page
