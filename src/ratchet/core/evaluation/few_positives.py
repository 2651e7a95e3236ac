"""What changes where the calibration window has few positive rows: the calibrator, and how the threshold is chosen.

Isotonic calibration follows single positives where there are few of them; a sigmoid has two parameters (J. Platt,
"Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers, 1999). F1 of a few positives
depends on where they happened to fall; expected F1 is computed from all scores (`threshold.choose_expected`).
`docs/decisions/0015-few-positives.md` has the measurements.
"""

from typing import Literal

ENOUGH = 200
"""Positive rows of a calibration window from which isotonic calibration is used."""
PARAMETER = "calibration.method"
"""The parameter of a run that names the calibrator."""


def calibration_method(positives: int) -> Literal["sigmoid", "isotonic"]:
    """The calibrator for this number of positive rows in the calibration window."""
    return "sigmoid" if positives < ENOUGH else "isotonic"
