"""Opens an engine by its name, and imports its packages only then.

`cli` calls it before it imports MLflow, so that Spark starts meanwhile; otherwise `jobs.training.train` and
`jobs.score` do.
"""

from typing import TYPE_CHECKING

from ratchet.errors import ConfigurationError
from ratchet.settings import Settings

if TYPE_CHECKING:
    # It imports NumPy, which an image without an engine lacks.
    from ratchet.engines.base import BatchScorer, Engine


def open_engine(name: str, settings: Settings) -> "Engine":
    """The engine of this name. Raises ConfigurationError if its packages are missing."""
    try:
        if name == "sklearn":
            from ratchet.engines.sklearn.engine import ScikitLearn

            return ScikitLearn(settings)
        from ratchet.engines.spark.engine import Spark

        return Spark(settings)
    except ModuleNotFoundError as error:
        raise not_installed(name, error) from error


def open_scorer(name: str, settings: Settings) -> "BatchScorer":
    """The batch scorer of an engine; raises like `open_engine`."""
    try:
        if name == "sklearn":
            from ratchet.engines.sklearn.scoring import ScikitLearnScoring

            return ScikitLearnScoring()
        from ratchet.engines.spark.scoring import SparkScoring

        return SparkScoring(settings)
    except ModuleNotFoundError as error:
        raise not_installed(name, error) from error


def not_installed(name: str, error: ModuleNotFoundError) -> ConfigurationError:
    """The error for missing packages of an engine."""
    return ConfigurationError(
        f"the engine {name} is not installed here ({error.name} is missing): install the group {name}"
    )
