"""The requirements of a logged model: packages in the versions that trained it; used by both engines."""

import importlib.metadata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


def pinned(names: Iterable[str]) -> list[str]:
    """Requirements in pip's form, such as `numpy==2.1.0`. names: installed packages, and mlflow."""
    # A trainer may have only MLflow's small client, whose version is the same; a server needs the full package.
    return [f"{name}=={importlib.metadata.version('mlflow-skinny' if name == 'mlflow' else name)}" for name in names]


@contextmanager
def not_compared() -> Iterator[None]:
    """Keep MLflow from comparing a model's requirements with what is installed, which `pinned` makes equal.

    It lists the files of all installed packages for it, which takes half a second.
    """
    from mlflow.utils import environment

    compare = environment.warn_dependency_requirement_mismatches
    environment.warn_dependency_requirement_mismatches = lambda _requirements: None
    try:
        yield
    finally:
        environment.warn_dependency_requirement_mismatches = compare
