"""Opens an engine by its name; only then is what it needs imported.

`cli` does so before it imports MLflow, so that Spark starts meanwhile; otherwise `jobs.training.train` and `jobs.score`
do.
"""

from typing import TYPE_CHECKING

from ratchet.errors import ConfigurationError
from ratchet.settings import Settings

if TYPE_CHECKING:
    # It imports NumPy, which an image without an engine lacks.
    from ratchet.engines.base import BatchScorer, Engine


def open_engine(name: str, settings: Settings) -> "Engine":
    """The engine of a name; only then is what it needs imported. Raises ConfigurationError where that is missing."""
    try:
        if name == "sklearn":
            from ratchet.engines.sklearn.engine import ScikitLearn

            return ScikitLearn(settings)
        from ratchet.engines.spark.engine import Spark

        return Spark(settings)
    except ModuleNotFoundError as error:
        raise not_installed(name, error) from error


def open_scorer(name: str, settings: Settings) -> "BatchScorer":
    """What scores tables with an engine; as `open_engine`."""
    try:
        if name == "sklearn":
            from ratchet.engines.sklearn.scoring import ScikitLearnScoring

            return ScikitLearnScoring()
        from ratchet.engines.spark.scoring import SparkScoring

        return SparkScoring(settings)
    except ModuleNotFoundError as error:
        raise not_installed(name, error) from error


def not_installed(name: str, error: ModuleNotFoundError) -> ConfigurationError:
    """What is raised where an engine's packages are missing."""
    return ConfigurationError(
        f"the engine {name} is not installed here ({error.name} is missing): install the group {name}"
    )
