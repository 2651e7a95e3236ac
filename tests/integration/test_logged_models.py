"""Logged scikit-learn models that are kept: each is loaded once, and everything is released at the end."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from ratchet.engines.sklearn import logged_model
from ratchet.engines.sklearn.logged_model import LoggedModel, LoggedModels
from ratchet.errors import FailedError

ROWS = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the folder of a saved model."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    fitted = LogisticRegression().fit(ROWS, [0, 0, 1, 1])
    mlflow.sklearn.save_model(fitted, folder, serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
    return folder.as_uri()


@pytest.fixture
def models(saved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoggedModels]:
    """Whatever is asked for is the saved model; downloads are below tmp_path, names of what was loaded in it."""
    whole: Callable[[str], AbstractContextManager[LoggedModel]] = logged_model.logged_model

    def noted(uri: str) -> AbstractContextManager[LoggedModel]:
        with (tmp_path / "loaded").open("a") as file:
            file.write(uri)
        return whole(saved)

    monkeypatch.setattr(logged_model, "logged_model", noted)
    (tmp_path / "downloads").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "downloads"))
    made = LoggedModels()
    yield made
    made.close()


def _use(models: LoggedModels, names: str) -> None:
    for name in names:
        with models.use(name) as model:
            assert np.array_equal(model.labels(ROWS), [0, 0, 1, 1])


def _downloads(folder: Path) -> int:
    return len([*(folder / "downloads").iterdir()])


def test_a_model_is_loaded_once_while_it_is_among_the_last_ones(models: LoggedModels, tmp_path: Path) -> None:
    _use(models, "aabacada")
    assert (tmp_path / "loaded").read_text() == "abcd"
    _use(models, "ea")
    assert (tmp_path / "loaded").read_text() == "abcde"
    assert _downloads(tmp_path) == 4
    _use(models, "b")  # it was used longest ago
    assert (tmp_path / "loaded").read_text() == "abcdeb"


def test_at_the_end_nothing_is_left_and_what_follows_is_loaded_anew(models: LoggedModels, tmp_path: Path) -> None:
    _use(models, "ab")
    models.close()
    models.close()
    assert _downloads(tmp_path) == 0
    _use(models, "a")
    assert (tmp_path / "loaded").read_text() == "aba"


def test_a_model_that_two_use_at_once_is_loaded_for_each_and_kept_once(models: LoggedModels, tmp_path: Path) -> None:
    with models.use("a") as one, models.use("a") as other:
        assert one is not other
    assert _downloads(tmp_path) == 1


def test_a_model_that_has_failed_is_not_kept(models: LoggedModels, tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="it can't score the data"), models.use("a") as model:
        model.labels(ROWS.rename(columns={"x": "y"}))
    assert _downloads(tmp_path) == 0
