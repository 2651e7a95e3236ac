"""The requirements of a logged model: packages in the versions that trained it; used by both engines."""

import importlib.metadata
from collections.abc import Iterable


def pinned(names: Iterable[str]) -> list[str]:
    """Requirements in pip's form, such as `numpy==2.1.0`. names: installed packages, and mlflow."""
    # A trainer may have only MLflow's small client, whose version is the same; a server needs the full package.
    return [f"{name}=={importlib.metadata.version('mlflow-skinny' if name == 'mlflow' else name)}" for name in names]
