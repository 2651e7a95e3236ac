"""A team's own estimator: each fault has its sentence, found on a few rows before the fit."""

import importlib
import sys

import pytest

from ratchet.engines.own_code import digest, own_code
from ratchet.engines.sklearn import own
from ratchet.errors import ConfigurationError
from ratchet.io.table.inspection import inspect, load
from ratchet.settings import Settings
from tests.unit import event_tables
from tests.unit.event_tables import NOVEMBER

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),
]
GOOD = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Model(ClassifierMixin, BaseEstimator):
    def __init__(self, numeric=(), seed=0, shift=0.0):
        self.numeric, self.seed, self.shift = numeric, seed, shift

    def fit(self, rows, label):
        {fit}
        self.classes_ = np.array([0, 1])
        self.draw_ = np.random.default_rng({seed}).random()
        return self

    def predict(self, rows):
        return self.predict_proba(rows)[:, 1] >= 0.5

    def predict_proba(self, rows):
        {predict}
        score = 1 / (1 + np.exp(-rows["speed"].to_numpy() - self.draw_ - self.shift))
        return {returned}


def make(numeric, categorical, params, seed):
    {make}
    return Model(numeric, seed, **params)
"""
PARTS = {
    "fit": "pass", "seed": "self.seed", "predict": "pass", "make": "pass",
    "returned": "np.stack([1 - score, score], axis=1)",
}  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    table = inspect(event_tables.settings(event_tables.parquet(tmp_path_factory.mktemp("own") / "t.parquet")))
    return table, load(table, NOVEMBER, table.features).frame


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes modules of the package `theirs`, which is on Python's path until the end of the test."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(**modules):
        (tmp_path / "theirs").mkdir()
        for name, text in {"__init__": "", **modules}.items():
            (tmp_path / "theirs" / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return tmp_path / "theirs"

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
        del sys.modules[name]


def model(text=GOOD, **parts):
    return text.format(**{**PARTS, **parts})


def probed(table, path="theirs.model:make", **params):
    tree = {
        "model": "theirs",
        "data": {"uri": "x", "timestamp": "at", "label": {"column": "late", "positive": True}},
        "sklearn": {"estimator": path, "params": params},
    }
    own.probe(Settings.model_validate(tree), *table)


def said(table, **more):
    with pytest.raises(ConfigurationError) as error:
        probed(table, **more)
    assert error.value.exit_code == 2
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_good_one_passes_saved_with_its_code_and_loaded_elsewhere(table, package):
    package(model=model())
    probed(table, shift=0.5)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nowhere.model:make", "there is no module 'nowhere': its package is neither installed nor in a folder that"),
        ("theirs.models:make", "there is no module 'theirs.models'"),
        ("theirs.model:mak", "theirs.model has no 'mak'; it has Model, make"),
        ("theirs.model:np", "which is a module; a function is accepted"),
        ("theirs.lacking:make", "theirs.lacking imports 'no_such_package', which is not installed here"),
        (
            "theirs.failing:make",
            "importing theirs.failing fails: ZeroDivisionError: division by zero (failing.py, line 2)",
        ),
        ("theirs.leaving:make", "importing theirs.leaving fails: SystemExit: 3 (leaving.py, line 1)"),
        ("theirs.broken:make", "importing theirs.broken fails: SyntaxError: "),
    ],
)
def test_what_can_not_be_imported_is_named(table, package, path, sentence):
    failing = {"failing": "\nmake = 1 / 0", "leaving": "raise SystemExit(3)", "broken": "def make(:"}
    package(model=model(), lacking="import no_such_package", **failing)
    assert sentence in (found := said(table, path=path))
    assert found.startswith(f"sklearn.estimator is {path!r}, and ") or path.endswith("np")


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"make": "raise KeyError('shift')"}, "fails in its call: KeyError: 'shift' (model.py, line 26)"),
        ({"make": "return object()"}, "returns a object without the method fit"),
        ({"make": "return __import__('sklearn.svm').svm.LinearSVC()"}, "LinearSVC without the method predict_proba"),
        ({"fit": "raise ValueError('no such column')"}, "fails in fit: ValueError: no such column (model.py, line 11)"),
        ({"fit": "rows['speed'] = 0.0"}, "changes the column 'speed' of the frame that fit gets"),
        ({"fit": "del rows['speed']"}, "changes the column 'speed' of the frame that fit gets"),
        ({"fit": "label[:] = 0"}, "changes the labels that fit gets"),
        ({"predict": "rows['more'] = 1"}, "changes the columns of the frame that predict_proba gets"),
        ({"predict": "raise OSError"}, "fails in predict_proba: OSError (model.py, line 20)"),
        ({"returned": "score"}, "predict_proba returns the shape (80,) for 80 rows; (80, 2) is accepted"),
        ({"returned": "np.stack([-score, 1 + score], axis=1)"}, "predict_proba returns -"),
        ({"returned": "np.full((len(rows), 2), np.nan)"}, "predict_proba returns nan to nan; from 0 to 1 is accepted"),
        ({"predict": "self.classes_ = ['no', 'yes']"}, "its classes_ are ['no', 'yes']; [0, 1] is accepted"),
        ({"seed": ""}, "is not deterministic: two fits on the same 80 rows with the seed 0 give different"),
        ({"predict": "rows = rows - rows.mean(numeric_only=True)"}, "a row depends on the other rows"),
        (
            {"fit": "self.lock = __import__('threading').Lock()"},
            "a Model that can't be saved with pickle: cannot pickle",
        ),
        ({"predict": "assert __import__('multiprocessing').parent_process() is None"}, "another process, "),
    ],
)
def test_what_it_does_wrong_has_its_sentence(table, package, parts, sentence):
    package(model=model(**parts))
    assert sentence in (found := said(table))
    assert found.startswith("sklearn.estimator theirs.model:make")


def test_one_that_scikit_learn_takes_for_no_classifier_is_refused(table, package):
    package(model=model().replace("ClassifierMixin, BaseEstimator)", "BaseEstimator)"))
    assert "takes for no classifier: let it inherit from ClassifierMixin and BaseEstimator" in said(table)


def test_other_arguments_than_the_four_are_refused(table, package):
    package(model=model().replace("params, seed):", "params):"))
    assert "can't be called with numeric, categorical, params, seed as keywords: got an unexpected" in said(table)


def test_a_module_that_no_server_would_have_is_named(table, package, tmp_path):
    package(model="import loose_module\n" + model())
    (tmp_path / "loose_module.py").write_text("")
    assert "model.py imports 'loose_module', which belongs to no installed package" in said(table)


def test_stock_estimators_are_not_probed(table):
    probed(table, path="logistic_regression")


def test_it_knows_the_packages_that_its_files_import_even_late(package):
    package(model="def make():\n    import yaml, json\n    from theirs import other\n    import absent_but_optional")
    found = own_code("sklearn.estimator", "theirs.model:make").requirements
    assert [requirement.partition("==")[0].lower() for requirement in found] == ["pyyaml"]


def test_the_digest_changes_with_names_and_contents_alone(package):
    folder = package(model="1")
    before = digest(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "model.pyc").write_bytes(b"1")
    assert digest(folder) == before
    (folder / "model.py").rename(folder / "other.py")
    assert digest(folder) != before
