"""A registered model as a plan: the same labels and probabilities from plain columns, without scikit-learn's wrappers.

Of the time that scikit-learn takes for one row, its trees need six per cent. The rest interprets for each request what
does not change: which columns there are, how their texts are coded, which encoder follows. A plan does that once.
It is of use only where `proven` finds the very same numbers. Private attributes of scikit-learn are used here alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from ratchet.core.evaluation.counts import Floats, Ints
from ratchet.engines.scored import Scored
from ratchet.engines.sklearn.scorer import ScikitLearnScorer
from ratchet.errors import first_line

_UNKNOWN = "\0 unknown to training"
_TRIED_ROWS = 512
# For fewer, each tree would wait longer for its threads than they save.
_THREADED_ROWS = 1000
_ODD: Mapping[int, float | None] = dict(enumerate((None, None, 0.0, -0.0, 1e300, -1e300)))


@dataclass(frozen=True)
class Coded:
    """A column of texts: the distinct ones, and the place of each row's among them, -1 for a missing one."""

    texts: Sequence[str]
    places: Ints


class UnplannedError(Exception):
    """There is no plan for a model; the text is the reason."""


class Plan:
    """How a model's labels and probabilities follow from columns of text and numbers. Raises UnplannedError.

    model: what Ratchet registers, around an estimator of `_ESTIMATORS` in its own pipeline.
    """

    def __init__(self, model: Any) -> None:
        calibrated = _only(_inner(model, FixedThresholdClassifier, "estimator_"), CalibratedClassifierCV)
        if model.response_method != "predict_proba" or list(model.classes_) != [0, 1]:
            message = "its labels don't follow from a threshold on the probability of 1"
            raise UnplannedError(message)
        self._threshold = float(model.threshold)
        (one,) = calibrated.calibrated_classifiers_
        (self._calibrator,) = one.calibrators
        pipeline = _only(_unfrozen(one.estimator), Pipeline)
        preprocess = _only(pipeline.named_steps.get("preprocess"), ColumnTransformer)
        estimator = pipeline.named_steps.get("estimator")
        if (kind := type(estimator).__name__) not in _ESTIMATORS:
            message = f"it has a {kind}; there are plans for {', '.join(_ESTIMATORS)}"
            raise UnplannedError(message)
        self._estimator = _ESTIMATORS[kind](estimator)
        encoder, texts, numbers = _columns(preprocess)
        self.numbers: tuple[str, ...] = tuple(numbers)
        self.texts: tuple[str, ...] = tuple(texts)
        self._codes = _codes(lambda frame: self._estimator.cells(preprocess.transform(frame)), encoder, texts, numbers)

    def score(self, columns: Mapping[str, Any]) -> Scored:
        """The labels and probabilities of rows.

        columns: by name, at least `texts`, of str or None, or Coded; and `numbers`, of int, float or None; all of one
        length. They may be lists or arrays.
        """
        coded = [self._coded(name, columns[name]) for name in self.texts]
        numbers = [np.asarray(columns[name], dtype=np.float64) for name in self.numbers]
        # Row by row: each tree walks through the cells of one row.
        cells = np.stack([*coded, *numbers], axis=1)
        probability = self._calibrator.predict(self._estimator.decided(cells))
        probability[(probability > 1) & (probability <= 1 + 1e-5)] = 1.0
        return Scored((probability >= self._threshold).astype(np.int64), probability)

    def _coded(self, name: str, column: Any) -> Floats:
        known, missing, unknown = self._codes[name]
        if isinstance(column, Coded):
            return np.array([*(known.get(text, unknown) for text in column.texts), missing])[column.places]
        return np.array([missing if text is None else known.get(text, unknown) for text in column])

    def generated(self, rows: int, seed: int = 0) -> dict[str, list[Any]]:
        """Columns of rows with everything that is awkward: gaps, unknown texts, zeros, extreme numbers."""
        random = np.random.default_rng(seed)
        columns: dict[str, list[Any]] = {}
        for name, (known, _, _) in self._codes.items():
            choice = [*known, _UNKNOWN, None]
            columns[name] = [choice[place] for place in random.integers(0, len(choice), rows)]
        for name in self.numbers:
            values = (random.standard_normal(rows) * 10.0 ** random.integers(-2, 5, rows)).tolist()
            odd = random.integers(0, 5 * len(_ODD), rows)
            columns[name] = [_ODD.get(kind, value) for kind, value in zip(odd, values, strict=True)]
        return columns


class _Estimator(Protocol):
    def cells(self, encoded: Floats) -> Floats:
        """What it makes of encoded columns before it looks at them."""
        ...

    def decided(self, cells: Floats) -> Floats:
        """What calibration gets."""
        ...


class _HistGradientBoosting:
    """The trees of a HistGradientBoostingClassifier, which itself would encode its columns once more at each call."""

    def __init__(self, estimator: HistGradientBoostingClassifier) -> None:
        self.cells = partial(estimator._preprocess_X, reset=False)  # noqa: SLF001
        self._baseline = float(estimator._baseline_prediction.item())  # noqa: SLF001
        self._trees = [tree for (tree,) in estimator._predictors]  # noqa: SLF001
        self._bitsets = estimator._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001

    def decided(self, cells: Floats) -> Floats:
        """The decision function: the sum of the trees."""
        bitsets, places = self._bitsets
        threads = _openmp_effective_n_threads() if len(cells) >= _THREADED_ROWS else 1
        total = np.full(len(cells), self._baseline)
        for tree in self._trees:
            total += tree.predict(cells, bitsets, places, n_threads=threads)
        return total


class _Boosted:
    """An estimator of another package, which is asked as it is: it encodes nothing."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def cells(self, encoded: Floats) -> Floats:
        return encoded

    def decided(self, cells: Floats) -> Floats:
        """What calibration asks for first: the decision function, without one the probability of 1."""
        if hasattr(self._estimator, "decision_function"):
            return np.asarray(self._estimator.decision_function(cells))
        return np.asarray(self._estimator.predict_proba(cells)[:, 1])


_ESTIMATORS: Mapping[str, Callable[[Any], _Estimator]] = {
    "HistGradientBoostingClassifier": _HistGradientBoosting,
    "LGBMClassifier": _Boosted,
    "XGBClassifier": _Boosted,
}


def planned(model: Any, example: pd.DataFrame | None) -> tuple[Plan | None, str | None]:
    """The plan of a model that `mlflow.pyfunc` has loaded, or None with the reason in one sentence.

    example: rows as the model gets them.
    """
    try:
        plan = Plan(model.get_raw_model())
        scorer = ScikitLearnScorer(model)
        reason = proven(plan, lambda rows: Scored(model.predict(rows), scorer.score(rows).probabilities), example)
    except UnplannedError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001  # whatever is unlike what was planned for
        return None, first_line(error)
    return (plan, None) if reason is None else (None, reason)


def proven(plan: Plan, model: Callable[[pd.DataFrame], Scored], example: pd.DataFrame | None) -> str | None:
    """Why a plan must not be used: the first difference to the model's own labels and probabilities; None if none.

    example: rows as the model gets them, tried beside generated ones.
    """
    tried = [plan.generated(_TRIED_ROWS)]
    if example is not None:
        tried.append({name: example[name].replace({np.nan: None}).tolist() for name in (*plan.texts, *plan.numbers)})
    for columns in tried:
        own = model(_frame(plan, columns))
        found = plan.score(columns)
        differ = np.flatnonzero((found.probabilities != own.probabilities) | (found.labels != own.labels))
        if len(differ):
            row = int(differ[0])
            return f"row {row} has {_told(found, row)}, not {_told(own, row)}"
        alone = plan.score({name: values[:1] for name, values in columns.items()})
        if alone.probabilities[0] != found.probabilities[0]:
            return f"row 0 alone has {_told(alone, 0)}, not {_told(found, 0)}"
    return None


def _told(scored: Scored, row: int) -> str:
    return f"the label {int(scored.labels[row])} and the probability {float(scored.probabilities[row])}"


def _frame(plan: Plan, columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    texts = {name: pd.Series(columns[name], dtype=object) for name in plan.texts}
    return pd.DataFrame(texts | {name: np.array(columns[name], dtype=np.float64) for name in plan.numbers})


def _columns(preprocess: ColumnTransformer) -> tuple[OrdinalEncoder | None, list[str], list[str]]:
    """The encoder of the texts, their names, and those of the numbers."""
    found = {name: (step, list(columns)) for name, step, columns in preprocess.transformers_ if name != "remainder"}
    if {*found} != {"categorical", "numeric"}:
        message = f"its columns go through {', '.join(found)}"
        raise UnplannedError(message)
    encoder, texts = found["categorical"]
    return (_only(encoder, OrdinalEncoder) if texts else None), texts, found["numeric"][1]


def _codes(
    encode: Callable[[pd.DataFrame], Floats],
    encoder: OrdinalEncoder | None,
    texts: Sequence[str],
    numbers: Sequence[str],
) -> dict[str, tuple[dict[str, float], float, float]]:
    """By feature: the number that reaches the estimator for each known text, for a missing one, for an unknown one.

    encode: what reaches it of a frame.
    """
    known = (
        [] if encoder is None else [[text for text in each if isinstance(text, str)] for each in encoder.categories_]
    )
    rows = max(map(len, known), default=0) + 2
    padded = [[*each, *[None] * (rows - 1 - len(each)), _UNKNOWN] for each in known]
    frame = pd.DataFrame({name: pd.Series(each, dtype=object) for name, each in zip(texts, padded, strict=True)})
    # Numbers pass through; each gets its own place as its value, so that another order would be seen.
    own = dict(zip(numbers, np.arange(1.0, len(numbers) + 1), strict=True))
    frame = frame.reindex(range(rows)).assign(**{name: np.full(rows, value) for name, value in own.items()})
    cells = encode(frame)
    if cells.shape[1] != len(texts) + len(numbers) or (cells[:, len(texts) :] != [*own.values()]).any():
        message = "its numbers don't reach the estimator as they are, after the texts"
        raise UnplannedError(message)
    return {
        name: (dict(zip(each, cells[: len(each), place].tolist(), strict=True)), cells[-2, place], cells[-1, place])
        for place, (name, each) in enumerate(zip(texts, known, strict=True))
    }


def _inner(model: Any, kind: type, attribute: str) -> Any:
    return _unfrozen(getattr(_only(model, kind), attribute))


def _unfrozen(model: Any) -> Any:
    return model.estimator if isinstance(model, FrozenEstimator) else model


def _only[T](found: Any, kind: type[T]) -> T:
    if type(found) is not kind:
        message = f"it has a {type(found).__name__} where a {kind.__name__} is planned for"
        raise UnplannedError(message)
    return found
