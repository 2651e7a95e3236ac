"""The form in which a served model receives rows: numbers as float64, categories as text, None where one is missing."""

import numpy as np
import pandas as pd


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as `io.table.inspection.load` reads it, with its categories as text."""
    texts = {
        name: np.array([*frame[name].cat.categories, None], dtype=object)[frame[name].cat.codes]
        for name in frame.columns
        if isinstance(frame[name].dtype, pd.CategoricalDtype)
    }
    return frame.assign(**texts)
