"""Batch scoring with scikit-learn: one process reads, scores and writes one chunk of rows after the other.

The peak memory is a chunk with its frame, regardless of the table's size; the order of the rows is kept.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ratchet.core.model_inputs import ModelInputs
from ratchet.engines.base import Tally
from ratchet.engines.loading import downloaded, loading
from ratchet.engines.scored import Scored
from ratchet.engines.sklearn.plan import Coded, Plan, planned
from ratchet.engines.sklearn.scorer import ScikitLearnScorer
from ratchet.errors import DataError, first_line
from ratchet.io.table import values
from ratchet.io.table.score_target import FIELDS, Target
from ratchet.io.table.scoring_table import chunks, chunks_of
from ratchet.io.table.table import ScoringTable

_TYPES: dict[str, npt.DTypeLike] = {"float": np.float32, "long": np.int64, "integer": np.int32, "boolean": np.bool_}


class ScikitLearnScoring:
    """Implements `engines.base.BatchScorer`, which documents the methods."""

    name = "sklearn"

    def __init__(self) -> None:
        self._scorer: ScikitLearnScorer
        self._plan: Plan | None
        self._inputs: ModelInputs
        self._model = ""
        self._files = ExitStack()
        self._infinite: Counter[str] = Counter()

    def load(self, model_uri: str, model: str) -> ModelInputs:
        import mlflow

        # Kept to the end: code that the model carries may be imported only when it scores.
        local = self._files.enter_context(downloaded(model, model_uri))
        loaded = loading(model, mlflow.pyfunc.load_model, local)
        self._scorer, self._model = ScikitLearnScorer(loaded), model
        self._plan, _ = planned(loaded, loaded.metadata.load_input_example(local))
        self._inputs = ModelInputs.of(loaded.metadata, model)
        return self._inputs

    def steps(self, table: ScoringTable) -> int | None:
        return chunks_of(table)

    def score(self, table: ScoringTable, target: Target, version: int, said: Callable[[int], None]) -> Tally:
        schema = pa.schema([*table.schema, *FIELDS])
        rows = positives = 0
        with target.writer(schema) as parts:
            for chunk in chunks(table):
                labels, probabilities = self._scores(chunk, table) if chunk.num_rows else (np.empty(0), np.empty(0))
                versions = np.full(chunk.num_rows, version)
                columns = [*chunk.columns, *map(_arrow, (labels, probabilities, versions), FIELDS)]
                parts.write(pa.Table.from_arrays(columns, schema=schema))
                rows, positives = rows + chunk.num_rows, positives + int(np.sum(labels == 1))
                said(rows)
        return Tally(rows, positives, self._infinite)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def _scores(self, rows: pa.Table, table: ScoringTable) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
        features = {name: self._feature(rows.column(name), name) for name in self._inputs.kinds}
        try:
            labels, probabilities = self._scored(features)
            return np.asarray(labels).astype(np.int32), probabilities
        except Exception as error:
            message = f"{self._model} can't score the rows of {table.uri}: {first_line(error)}"
            raise DataError(message) from error

    def _scored(self, features: Mapping[str, Any]) -> Scored:
        return self._scorer.score(pd.DataFrame(features)) if self._plan is None else self._plan.score(features)

    def _feature(self, column: pa.ChunkedArray, name: str) -> Any:
        """A column in the form that it had in training: numbers with NaN, or text with None, for missing values."""
        kind, stored = self._inputs.kinds[name], column.combine_chunks()
        if kind == "string":
            encoded = values.text(stored, boolean=name in self._inputs.booleans)
            if self._plan is None:
                return encoded.cast(pa.string()).to_pandas()
            return Coded(encoded.dictionary.to_pylist(), encoded.indices.fill_null(-1).to_numpy())
        numbers = values.number(stored).fill_null(np.nan).to_numpy()
        if infinite := int(np.isinf(numbers).sum()):
            self._infinite[name] += infinite
        return numbers if kind == "double" or np.isnan(numbers).any() else numbers.astype(_TYPES[kind])


def _arrow(numbers: npt.NDArray[Any], field: pa.Field) -> pa.Array:
    return pa.array(numbers).cast(field.type)
