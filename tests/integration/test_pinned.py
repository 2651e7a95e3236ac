"""A cycle's trainers read what the first of them saw: new files wait, changed ones are named."""

import shutil
import threading
from datetime import date
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from ratchet.errors import ConfigurationError, TemporaryError
from ratchet.io.records import tracking
from ratchet.io.records.lock import PREFIX
from ratchet.io.table import inspection
from ratchet.jobs.training import pinned_snapshot
from ratchet.jobs.training.train import train, windows_of
from tests.integration.trainer_fixtures import empty_mlflow, small_settings


@pytest.fixture
def settings(flights_slice, tmp_path):
    """Until the end of April; May is beside it."""
    shutil.copytree(flights_slice, tmp_path / "flights")
    shutil.move(tmp_path / "flights" / "year_month=2013-05", tmp_path / "year_month=2013-05")
    empty_mlflow(tmp_path)
    return small_settings(str(tmp_path / "flights"), tmp_path)


def _may_arrives(settings):
    folder = Path(settings.data.uri)
    shutil.move(folder.parent / "year_month=2013-05", folder / "year_month=2013-05")


def _fails(settings, cycle):
    """A first attempt that has read the table, and fails then."""
    bogus = settings.model_copy(update={"sklearn": settings.sklearn.model_copy(update={"params": {"bogus": 1}})})
    with pytest.raises(ConfigurationError):
        train(bogus, "sklearn", cycle, None)


def _run(settings, trained):
    return MlflowClient(settings.tracking.uri).get_run(trained.run_id)


def _digests(run):
    return [entry.dataset.digest for entry in run.inputs.dataset_inputs]


def test_a_second_attempt_reads_what_the_first_saw_and_the_next_cycle_what_came_later(settings):
    _fails(settings, "cycle-a")
    _may_arrives(settings)
    runs = [_run(settings, train(settings, "sklearn", cycle, None)) for cycle in ("cycle-a", "cycle-b")]
    assert [run.data.tags["ratchet.as_of"] for run in runs] == ["2013-05-01", "2013-06-01"]
    client = MlflowClient(settings.tracking.uri)
    first = client.search_runs([runs[0].info.experiment_id], "tags.`ratchet.cycle` = 'cycle-a'")
    assert len({run.data.tags[pinned_snapshot.TAG] for run in first}) == 1
    assert runs[0].data.tags[pinned_snapshot.TAG] != runs[1].data.tags[pinned_snapshot.TAG]
    text = Path(client.download_artifacts(runs[0].info.run_id, "snapshot.json")).read_text()
    assert "2013-04" in text
    assert "2013-05" not in text.replace("2013-05-01", "")
    report = Path(client.download_artifacts(runs[1].info.run_id, "report.html")).read_text()
    assert "5 Parquet files" in report


@pytest.fixture
def attempt(settings):
    """An attempt at the cycle c, as far as the table and its snapshot."""
    client = MlflowClient(settings.tracking.uri)
    experiment = tracking.experiment_id(client, settings.experiment, settings.tracking)

    def begin(settings=settings, as_of=None):
        run = client.create_run(experiment, tags={"ratchet.cycle": "c", "ratchet.model": settings.model})
        return pinned_snapshot.table_of(settings, tracking.Run(client, run.info.run_id, experiment), "c", as_of)

    return begin


def test_the_day_of_the_first_attempt_is_the_cycles(settings, attempt):
    attempt(as_of=date(2013, 4, 1))
    _may_arrives(settings)
    table, snapshot = attempt()
    assert (snapshot.as_of, table.end) == (date(2013, 4, 1), date(2013, 5, 1))


def test_a_pinned_file_that_changed_or_went_away_is_named_and_read_again_when_it_is_back(settings, attempt):
    table, _ = attempt()
    march = windows_of(settings, table.end).calibration
    before = inspection.load(table, march, table.features).frame
    file = Path(settings.data.uri) / "year_month=2013-03" / "part-0.parquet"
    content = file.read_bytes()
    shutil.copyfile(file.parent.parent / "year_month=2013-04" / "part-0.parquet", file)
    with pytest.raises(TemporaryError, match=r"year_month=2013-03/part-0\.parquet has changed"):
        inspection.load(attempt()[0], march, table.features)
    file.unlink()
    with pytest.raises(TemporaryError, match=r"year_month=2013-03/part-0\.parquet has changed .* or is gone"):
        inspection.load(attempt()[0], march, table.features)
    file.write_bytes(content)
    assert inspection.load(attempt()[0], march, table.features).frame.equals(before)


def test_other_settings_of_the_table_are_not_bound_by_the_snapshot(settings, attempt):
    attempt()
    _may_arrives(settings)
    other = settings.model_copy(update={"data": settings.data.model_copy(update={"timezone": "UTC"})})
    assert [attempt(each)[1].as_of for each in (other, settings)] == [date(2013, 6, 1), date(2013, 5, 1)]


def test_of_two_trainers_that_look_at_once_both_read_what_one_saw(settings, attempt, monkeypatch):
    """Both look before either writes, and they see different files."""
    both, one_by_one, inspect, seen = threading.Barrier(2), threading.Lock(), inspection.inspect, []

    def look(asked, looked=None):
        if looked is not None:
            return inspect(asked, looked)
        with one_by_one:
            table = inspect(asked)
            seen.append(len(table.files))
            if len(seen) == 1:
                _may_arrives(settings)
        both.wait(60)
        return table

    monkeypatch.setattr(inspection, "inspect", look)
    found = []
    threads = [threading.Thread(target=lambda: found.append(attempt())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert seen == [4, 5]
    (one, _), (other, _) = found
    assert one == other
    client = MlflowClient(settings.tracking.uri)
    assert not [key for key in client.get_experiment_by_name(settings.experiment).tags if key.startswith(PREFIX)]
