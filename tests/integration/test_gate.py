"""The gate in a trainer: a table with a broken month is refused before the fit, or told of; nothing is registered."""

from pathlib import Path

import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from ratchet.errors import ConfigurationError, DataError
from ratchet.jobs.checking.check import check
from ratchet.jobs.training.train import train
from tests.integration.trainer_fixtures import small_settings, tree


@pytest.fixture(scope="module")
def broken(flights_slice, tmp_path_factory):
    """The flights, with the distances of the last nine days in feet, not miles."""
    frame = pd.concat([pd.read_parquet(path) for path in sorted(Path(flights_slice).glob("*/*.parquet"))])
    newest = frame["scheduled_departure"] >= pd.Timestamp("2013-05-23")
    folder = tmp_path_factory.mktemp("broken")
    feet = frame["distance"].mask(newest, frame["distance"] * 5280.0)
    frame.assign(distance=feet).to_parquet(folder / "events.parquet", index=False)
    return str(folder)


def settings_of(base, uri, **changed):
    data = {**tree(uri, base)["data"], **changed}
    data |= {key: tuple(data[key]) for key in ("numeric", "categorical")}
    return small_settings(uri, base, data=data)


def test_a_changed_unit_is_refused_with_exit_3_and_nothing_is_registered(broken, tmp_path):
    settings = settings_of(tmp_path, broken)
    with pytest.raises(
        DataError, match=r"the typical value .* in 'distance' of .* is 8,752 .*\(test window\)"
    ) as error:
        train(settings, "sklearn", "refused", None)
    assert error.value.exit_code == 3
    assert "`data.bounds.distance.check: warn` overrules it" in str(error.value)
    client = MlflowClient(settings.tracking.uri)
    assert not client.search_registered_models()
    (run,) = client.search_runs([client.get_experiment_by_name(settings.experiment).experiment_id])
    assert run.info.status == "FAILED"
    assert "ratchet.complete" not in run.data.tags


def test_what_is_overruled_is_told_in_the_report(broken, tmp_path):
    settings = settings_of(tmp_path, broken, bounds={"distance": {"check": "warn"}})
    run = train(settings, "sklearn", "told", None).run_id
    path = MlflowClient(settings.tracking.uri).download_artifacts(run, "report.html", str(tmp_path))
    assert "the typical value (geometric mean) in &#39;distance&#39; of" in Path(path).read_text()


def test_ratchet_check_says_the_same_without_training(broken, flights_slice, tmp_path):
    def told(uri, **changed):
        settings = settings_of(tmp_path, uri, **changed)
        return tuple(one.sentence for one in check(settings, None, ()) if (one.check, one.level) == ("gate", "warning"))

    assert not [one for one in told(flights_slice) if "distance" in one]
    with pytest.raises(DataError, match="'distance'"):
        told(broken)
    assert "'distance'" in str(told(broken, checks={"range": "warn"}))
    assert told(broken, checks={"range": "ignore"}) == ()
    with pytest.raises(DataError, match=r"the greatest value in 'hour' of .* at most 20 is accepted; .* overrules it"):
        told(flights_slice, bounds={"hour": {"max": 20.0}})
    told(flights_slice, bounds={"plane_age": {"missing": 0.5, "min": -1.0}})
    with pytest.raises(DataError, match=r"missing values in 'plane_age'"):
        told(flights_slice, bounds={"plane_age": {"missing": 0.01}})
    with pytest.raises(ConfigurationError, match=r"data.bounds names 'distanse', which is no feature .*: distance"):
        told(flights_slice, bounds={"distanse": {"min": 0.0}})
    with pytest.raises(ConfigurationError, match=r"data.bounds.carrier.min does not apply: 'carrier' is a categorical"):
        told(flights_slice, bounds={"carrier": {"min": 0.0}})
    with pytest.raises(ConfigurationError, match=r"data.bounds.hour.unseen does not apply: 'hour' is a numeric"):
        told(flights_slice, bounds={"hour": {"unseen": 0.1}})
