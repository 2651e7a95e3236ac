"""A team's own stages for Spark: made by their function, and tried on a few rows before they get all of them.

Their pipeline writes a column `probability`, a vector of two; what Ratchet adds are stages of Spark's own. Each fault
is a ConfigurationError of one sentence.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ratchet.core.evaluation.counts import Floats
from ratchet.engines.own_code import OwnCode, digest
from ratchet.engines.spark.pipeline import PREDICTION, PROBABILITY, SCORE, quoted
from ratchet.engines.spark.reading import column
from ratchet.errors import ConfigurationError, FailedError
from ratchet.io.table.table import LABEL
from ratchet.settings import Settings

SETTING = "spark.estimator"
_ROWS_OF_A_CLASS = 50
# Sums over partitions may come in another order.
_SAME = 1e-6
_OF_PACKAGES = ("pyspark", "xgboost")
_TAKEN = (PREDICTION, SCORE, "uncalibrated")
"""Columns that Ratchet's own last stages write."""


def make(
    own: OwnCode, settings: Settings, names: tuple[list[str], list[str]], params: Mapping[str, object]
) -> list[Any]:
    """New, unfitted stages, checked to be such. names: the numeric and the categorical features for the function."""
    from pyspark.ml.base import Estimator, Transformer

    made = own.made(settings, *names, params, label=LABEL)
    if not isinstance(made, list | tuple) or not made:
        message = f"{own.name} returns {str(made)[:80]}; a list of stages of pyspark.ml is accepted"
        raise ConfigurationError(message)
    for stage in made:
        if not isinstance(stage, Estimator | Transformer):
            message = f"{own.name} returns a {type(stage).__name__} among its stages, which is none of pyspark.ml"
            raise ConfigurationError(message)
    return list(made)


def fitted(stages: Sequence[Any], rows: Any, features: Sequence[str]) -> list[Any]:
    """The fitted stages, and one more that drops the features and what would clash with Ratchet's last stages."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import SQLTransformer

    model = Pipeline(stages=list(stages)).fit(rows)
    left = [name for name in model.transform(rows).columns if name in {*features, *_TAKEN} - {PROBABILITY}]
    if not left:
        return list(model.stages)
    dropped = ", ".join(map(quoted, left))
    statement = f"SELECT * EXCEPT ({dropped}) FROM __THIS__"  # noqa: S608  # names are quoted
    return [*model.stages, SQLTransformer(statement=statement)]


def probe(
    own: OwnCode, settings: Settings, names: tuple[list[str], list[str]], features: Sequence[str], rows: Any
) -> None:
    """Try the stages on a hundred rows of the training window. Raises ConfigurationError, a sentence about a fault.

    names: the numeric and the categorical features that get to the function. rows: a Spark frame with all features.
    """
    label = column(LABEL)
    few = rows.where(label == 1).limit(_ROWS_OF_A_CLASS).union(rows.where(label == 0).limit(_ROWS_OF_A_CLASS)).persist()
    try:
        first, second = (
            _tried(own, make(own, settings, names, settings.spark.params), few, features) for _ in range(2)
        )
    finally:
        few.unpersist()
    if np.abs(first - second).max() > _SAME:
        message = (
            f"{own.name} is not deterministic: two fits on the same {len(first)} rows with the seed {settings.seed}"
            " give different probabilities; pass the seed to every stage that draws at random"
        )
        raise ConfigurationError(message)


def parameters(stages: Sequence[Any], params: Mapping[str, object]) -> dict[str, str]:
    """All parameters by name, as text: those that the function got, and those of each stage by its place."""
    found = {f"own.{key}": str(value) for key, value in params.items()}
    for place, stage in enumerate(stages):
        kind = f"stage{place}.{type(stage).__name__}"
        found |= {f"{kind}.{param.name}": str(value) for param, value in stage.extractParamMap().items()}
    return found


def code_needed(own: OwnCode, stages: Sequence[Any]) -> list[str]:
    """The files without which a model can't be loaded: the package's, if a fitted stage is a class in Python."""
    kinds = {type(stage).__module__.partition(".")[0] for stage in _flat(stages)}
    return [str(own.files)] if kinds - set(_OF_PACKAGES) else []


def check_code(folder: str, imported: dict[str, str]) -> None:
    """Refuse a model that carries another version of a package than is imported in this process.

    imported: digests by the package's name; the model's own are added. Python has one package of a name in a process,
    and Spark's stages can't leave it. Raises FailedError.
    """
    for entry in sorted(Path(folder, "code").glob("*")):
        own = digest(entry)
        if imported.setdefault(entry.stem, own) != own:
            message = (
                f"it carries another version of the package {entry.stem!r} than is in use here, and its stages are"
                " written in Python, of which Spark can't have two versions"
            )
            raise FailedError(message)


def _tried(own: OwnCode, stages: Sequence[Any], rows: Any, features: Sequence[str]) -> Floats:
    """The probabilities of the rows from stages fitted on them, checked."""
    from pyspark.ml import PipelineModel
    from pyspark.ml.util import MLWritable

    with own.errors("fit"):
        model = PipelineModel(fitted(stages, rows, features))
    for stage in _flat(model.stages):
        if not isinstance(stage, MLWritable):
            message = f"{own.name}: the stage {type(stage).__name__} can't be saved; let it inherit from MLWritable"
            raise ConfigurationError(message)
    with own.errors("transform"):
        scored = model.transform(rows)
        columns = scored.columns
        found = [row[0] for row in scored.select(PROBABILITY).collect()] if PROBABILITY in columns else None
    if found is None:
        message = f"{own.name}: its stages write no column {PROBABILITY!r}; they write {', '.join(columns)}"
        raise ConfigurationError(message)
    sizes = sorted({len(each) for each in found}, key=lambda size: size == 2)  # noqa: PLR2004  # classes
    if len(found) != rows.count() or sizes[0] != 2:  # noqa: PLR2004
        message = f"{own.name}: {PROBABILITY} has {sizes[0]} values in {len(found)} rows; two in each row are accepted"
        raise ConfigurationError(message)
    scores = np.array([each[1] for each in found], dtype=np.float64)
    if not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > 1:
        message = f"{own.name}: {PROBABILITY} is {scores.min()} to {scores.max()}; from 0 to 1 is accepted"
        raise ConfigurationError(message)
    return scores


def _flat(stages: Sequence[Any]) -> Iterator[Any]:
    """The stages and those inside them."""
    for stage in stages:
        yield stage
        yield from _flat(getattr(stage, "stages", ()))
