"""Delays of flights: by the route, and by the hour as a point on a circle."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


class Features(TransformerMixin, BaseEstimator):
    """Adds a flight's route and the point of its hour; learns nothing."""

    def fit(self, rows, label=None):
        return self

    def transform(self, rows):
        angle = rows["hour"] * (2 * np.pi / 24)
        route = rows["origin"].astype(str) + "-" + rows["destination"].astype(str)
        return rows.assign(route=route, hour_sine=np.sin(angle), hour_cosine=np.cos(angle))


def make(numeric, categorical, params, seed):
    """The unfitted pipeline; `params` are those of the classifier."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=254)
    columns = make_column_transformer(
        (codes, [*categorical, "route"]), ("passthrough", [*numeric, "hour_sine", "hour_cosine"])
    )
    return make_pipeline(Features(), columns, HistGradientBoostingClassifier(random_state=seed, **params))
