"""What both engines refuse of a search: names that the estimator lacks, and folds with rows of one class only."""

from collections.abc import Collection
from difflib import get_close_matches

from ratchet.core.folds import Fold
from ratchet.errors import ConfigurationError, DataError
from ratchet.settings.search import Search


def check_space(setting: str, estimator: str, search: Search, known: Collection[str]) -> None:
    """Raises ConfigurationError for a name that is no parameter. setting: `sklearn.search`. known: the parameters."""
    for name in search.space:
        if name not in known:
            near = get_close_matches(name, known, 3, 0.5)
            hint = f"near it are {', '.join(near)}; " if near else ""
            message = f"{setting}.space.{name} is no parameter of {estimator}; {hint}accepted are "
            raise ConfigurationError(message + ", ".join(sorted(known)))


def check_classes(fold: Fold, rows: int, positives: int) -> None:
    """Raises DataError if a part of a fold, which has so many rows and positives, is of one class."""
    if not 0 < positives < rows:
        message = (
            f"the rows of a search's fold, fitted before {fold.known} and scored from {fold.start}, are of one class"
            " only: a longer windows.train, fewer folds or no search help"
        )
        raise DataError(message)
