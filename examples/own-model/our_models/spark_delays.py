"""The same with Spark: the route and the point of the hour, as columns that SQL adds."""

from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import Imputer, OneHotEncoder, SQLTransformer, StringIndexer, VectorAssembler

_ADDED = (
    "SELECT *, CONCAT_WS('-', origin, destination) AS route,"
    " SIN(hour * PI() / 12) AS hour_sine, COS(hour * PI() / 12) AS hour_cosine FROM __THIS__"
)


def stages(numeric, categorical, params, seed, label):
    """The unfitted stages, the last of which writes `probability`; `params` are those of the regression."""
    texts, numbers = [*categorical, "route"], [*numeric, "hour_sine", "hour_cosine"]
    codes, flags, filled = ([f"{name}_{kind}" for name in names] for names, kind in _names(texts, numbers))
    return [
        SQLTransformer(statement=_ADDED),
        StringIndexer(inputCols=texts, outputCols=codes, handleInvalid="keep"),
        OneHotEncoder(inputCols=codes, outputCols=flags),
        Imputer(inputCols=numbers, outputCols=filled),
        VectorAssembler(inputCols=[*flags, *filled], outputCol="features"),
        LogisticRegression(labelCol=label, **params),
    ]


def _names(texts, numbers):
    return (texts, "code"), (texts, "flag"), (numbers, "filled")
