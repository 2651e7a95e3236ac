"""Cells of the CSV files that a run and the registrar exchange: parsed alike. Raises ValueError for anything else."""

from collections.abc import Sequence


def number(cell: str) -> float | None:
    """A number, None if the cell is empty."""
    return float(cell) if cell else None


def one_of(cell: str, accepted: Sequence[str]) -> str:
    """A text that is one of those accepted."""
    if cell not in accepted:
        raise ValueError(cell)
    return cell
