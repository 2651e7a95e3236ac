"""The packages that a logged model names, in the versions that it was trained with; both engines log them."""

import importlib.metadata
from collections.abc import Iterable


def pinned(names: Iterable[str]) -> list[str]:
    """Requirements in pip's form, such as `numpy==2.1.0`. names: packages that are installed here, and mlflow."""
    # A trainer may have only MLflow's small client, whose version is the same; a server needs the full package.
    return [f"{name}=={importlib.metadata.version('mlflow-skinny' if name == 'mlflow' else name)}" for name in names]
