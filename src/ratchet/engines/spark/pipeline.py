"""The Spark pipelines: preprocessing and estimator, by the estimator's name.

All stages are Spark's own, so that a registered model loads and serves where Ratchet is not installed. The first stage
normalizes every feature for the later stages: numbers without gaps, categories as text. It drops its input columns, so
that no name in the table can clash with one of a later stage.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ratchet.errors import ConfigurationError, FailedError

FEATURES = "features"
PROBABILITY = "probability"
SCORE = "score"
PREDICTION = "prediction"
_MOST_CATEGORIES = 1_000
_COLUMNS = ("featuresCol", "labelCol", "predictionCol", "probabilityCol", "rawPredictionCol", "weightCol")


@dataclass(frozen=True)
class Categories:
    """Values of a categorical feature that are frequent enough in training, the most frequent first."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Numbers:
    """A numeric feature: the mean that replaces missing values, and whether training has missing values."""

    name: str
    mean: float
    gaps: bool


@dataclass(frozen=True)
class Choice:
    """An estimator: its factory (label, seed, cores), Ratchet's defaults, and the form of its features."""

    make: Callable[[str, int, int], Any]
    defaults: Mapping[str, object]
    one_hot: bool
    fills_gaps: bool = True


def _logistic_regression(label: str, seed: int, cores: int) -> Any:
    from pyspark.ml.classification import LogisticRegression

    del seed, cores  # it has no randomness
    return LogisticRegression(labelCol=label, **_names())


def _random_forest(label: str, seed: int, cores: int) -> Any:
    from pyspark.ml.classification import RandomForestClassifier

    del cores
    return RandomForestClassifier(labelCol=label, seed=seed, **_names())


def _gradient_boosted_trees(label: str, seed: int, cores: int) -> Any:
    from pyspark.ml.classification import GBTClassifier

    del cores
    return GBTClassifier(labelCol=label, seed=seed, **_names())


def _xgboost(label: str, seed: int, cores: int) -> Any:
    from xgboost.spark import SparkXGBClassifier

    # Its workers inherit the level; otherwise they log each round.
    logging.getLogger("XGBoost-PySpark").setLevel(logging.WARNING)
    return SparkXGBClassifier(
        features_col=FEATURES,
        label_col=label,
        prediction_col="estimated",
        probability_col=PROBABILITY,
        num_workers=cores,
        # A worker without rows fails, and Spark may assign it none.
        force_repartition=True,
        random_state=seed,
        verbose=False,
        verbosity=0,
    )


def _names() -> dict[str, str]:
    """The column names; the estimator's own label is not `prediction`, which the threshold decides."""
    return {"featuresCol": FEATURES, "predictionCol": "estimated"}


ESTIMATORS: Mapping[str, Choice] = {
    "logistic_regression": Choice(_logistic_regression, {"maxIter": 50, "regParam": 1e-4, "tol": 1e-5}, one_hot=True),
    "random_forest": Choice(
        _random_forest,
        {"numTrees": 50, "maxDepth": 10, "maxBins": 128, "minInstancesPerNode": 20},
        one_hot=False,
    ),
    "gradient_boosted_trees": Choice(
        _gradient_boosted_trees, {"maxIter": 20, "maxDepth": 5, "maxBins": 128, "stepSize": 0.2}, one_hot=False
    ),
    "xgboost": Choice(
        _xgboost,
        {"n_estimators": 100, "max_depth": 6, "learning_rate": 0.1, "tree_method": "hist"},
        one_hot=False,
        fills_gaps=False,
    ),
}


def estimator(name: str, params: Mapping[str, object], label: str, seed: int, cores: int) -> Any:
    """The unfitted estimator of a name; `params` override Ratchet's defaults.

    label: name of the label's column. Raises ConfigurationError for an unknown parameter or an invalid value.
    """
    choice = ESTIMATORS[name]
    made = choice.make(label, seed, cores)
    known = accepted(made)
    for key, value in {**choice.defaults, **params}.items():
        if key not in known:
            message = f"spark.params.{key} is no parameter of {name}; accepted are {', '.join(known)}"
            raise ConfigurationError(message)
        if value is None:
            continue
        try:
            made._set(**{key: value})  # noqa: SLF001  # all setters call it
        except (TypeError, ValueError) as error:
            message = f"spark.params.{key} is {value!r}, which {name} does not take: {error}"
            raise ConfigurationError(message) from error
    return made


def accepted(made: Any) -> list[str]:
    """The parameters of an estimator that may be configured, sorted."""
    return sorted({param.name for param in made.params} - set(_COLUMNS))


def most_categories(name: str, made: Any) -> int:
    """The maximum number of values of a categorical feature; Spark's trees need a bin for each."""
    if name in ("random_forest", "gradient_boosted_trees"):
        return min(_MOST_CATEGORIES, int(made.getMaxBins()) - 1)
    return _MOST_CATEGORIES


def preprocessing(choice: Choice, numbers: Sequence[Numbers], categories: Sequence[Categories]) -> list[Any]:
    """The stages from the table's columns to the vector of features; most of them need no fit."""
    from pyspark.ml.feature import OneHotEncoder, SQLTransformer, VectorAssembler

    texts = [f"text{place}" for place in range(len(categories))]
    codes = [f"code{place}" for place in range(len(categories))]
    stages = [SQLTransformer(statement=_statement(choice, numbers, categories))]
    inputs = [f"number{place}" for place in range(len(numbers))]
    if choice.fills_gaps:
        inputs += [f"gap{place}" for place, number in enumerate(numbers) if number.gaps]
    if categories:
        stages.append(_indexer([category.values for category in categories], texts, codes))
        if choice.one_hot:
            flags = [f"flags{place}" for place in range(len(categories))]
            stages.append(OneHotEncoder(inputCols=codes, outputCols=flags))
            codes = flags
        inputs += codes
    stages.append(VectorAssembler(inputCols=inputs, outputCol=FEATURES, handleInvalid="keep"))
    return stages


def _indexer(values: Sequence[Sequence[str]], texts: list[str], codes: list[str]) -> Any:
    """A fitted StringIndexer with these values; missing, rare and unknown values share an additional code.

    pyspark's own `from_arrays_of_labels` pads shorter arrays with nulls, on which Spark fails.
    """
    from pyspark import SparkContext
    from pyspark.ml.feature import StringIndexerModel

    gateway = SparkContext._gateway  # noqa: SLF001  # pyspark builds its own stages with it
    text = gateway.jvm.java.lang.String
    arrays = gateway.new_array(text, len(values), 0)
    for place, known in enumerate(values):
        array = gateway.new_array(text, len(known))
        for index, value in enumerate(known):
            array[index] = value
        arrays[place] = array
    model = StringIndexerModel._create_from_java_class(  # noqa: SLF001
        "org.apache.spark.ml.feature.StringIndexerModel", arrays
    )
    return model.setInputCols(texts).setOutputCols(codes).setHandleInvalid("keep")


def _statement(choice: Choice, numbers: Sequence[Numbers], categories: Sequence[Categories]) -> str:
    columns = []
    for place, number in enumerate(numbers):
        known = f"NULLIF(CAST({quoted(number.name)} AS DOUBLE), DOUBLE('NaN'))"
        filled = f"COALESCE({known}, DOUBLE('{number.mean!r}'))" if choice.fills_gaps else known
        columns.append(f"{filled} AS number{place}")
        if choice.fills_gaps and number.gaps:
            columns.append(f"CAST({known} IS NULL AS DOUBLE) AS gap{place}")
    columns += [f"CAST({quoted(one.name)} AS STRING) AS text{place}" for place, one in enumerate(categories)]
    read = ", ".join(quoted(name) for name in [one.name for one in numbers] + [one.name for one in categories])
    return f"SELECT * EXCEPT ({read}), {', '.join(columns)} FROM __THIS__"  # noqa: S608  # names are quoted


def labeller(threshold: float) -> Any:
    """The last stage: `prediction` is 1 if `score` is at least the threshold; Binarizer itself compares with `>`."""
    from pyspark.ml.feature import Binarizer

    return Binarizer(threshold=math.nextafter(threshold, -math.inf), inputCol=SCORE, outputCol=PREDICTION)


def threshold_of(model: Any, uri: str) -> float:
    """The threshold of the model's `labeller`; raises FailedError for a model without that stage."""
    from pyspark.ml.feature import Binarizer

    last = model.stages[-1] if getattr(model, "stages", None) else None
    if not isinstance(last, Binarizer) or last.getInputCol() != SCORE:
        message = f"{uri} does not end as what Ratchet's trainer registers: it has no threshold"
        raise FailedError(message)
    return math.nextafter(last.getThreshold(), math.inf)


def parameters(stages: Sequence[Any]) -> dict[str, str]:
    """Every parameter of the stages by name, as text."""
    found = {}
    for stage in stages:
        kind = type(stage).__name__
        for param, value in stage.extractParamMap().items():
            found[f"{kind}.{param.name}"] = str(value)
        if kind == "StringIndexerModel":
            found[f"{kind}.labels"] = str([list(labels) for labels in stage.labelsArray])
    return found


def quoted(name: str) -> str:
    """A column's name, quoted for SQL."""
    return "`" + name.replace("`", "``") + "`"
