"""Opens an engine by its name; only then is what it needs imported.

`cli` does so before it imports MLflow, so that Spark starts meanwhile; `jobs.train` does where nobody has.
"""

from typing import TYPE_CHECKING

from ratchet.errors import ConfigurationError
from ratchet.settings import Settings

if TYPE_CHECKING:
    # It brings NumPy, which an image without an engine has not.
    from ratchet.engines.base import Engine


def open_engine(name: str, settings: Settings) -> "Engine":
    """The engine of a name; only then is what it needs imported. Raises ConfigurationError where that is missing."""
    try:
        if name == "sklearn":
            from ratchet.engines.scikit_learn import ScikitLearn

            return ScikitLearn(settings)
        from ratchet.engines.spark import Spark

        return Spark(settings)
    except ModuleNotFoundError as error:
        message = f"the engine {name} is not installed here ({error.name} is missing): install the group {name}"
        raise ConfigurationError(message) from error
