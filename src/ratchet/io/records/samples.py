"""The artifact `sample.json`: test rows as a request to a server, with the labels and probabilities of the trainer.

`jobs.training.train` writes it, `jobs.promotion.validate` sends its rows to the server of a version and compares. The
value of its key `request` can be sent unchanged.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow.tracking import MlflowClient

from ratchet.errors import FailedError
from ratchet.io.records import candidates

if TYPE_CHECKING:
    import pandas as pd

NAME = "sample.json"


@dataclass(frozen=True)
class SampleRows:
    """columns: names of the features. rows: their values, None if missing, one list per row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    labels: Sequence[int]
    probabilities: Sequence[float]

    def request(self, first: int, last: int) -> dict[str, Any]:
        """A request with the rows from `first` to `last`, exclusive."""
        return {
            "dataframe_split": {"columns": list(self.columns), "data": [list(row) for row in self.rows[first:last]]}
        }


def to_json(rows: "pd.DataFrame", labels: Sequence[int], probabilities: Sequence[float]) -> str:
    """The artifact's text."""
    values = plain_rows(rows)
    found = SampleRows(tuple(rows.columns), values, labels, probabilities)
    content = {
        "request": found.request(0, len(values)),
        "labels": list(labels),
        "probabilities": list(probabilities),
    }
    return json.dumps(content, ensure_ascii=False)


def plain_rows(rows: "pd.DataFrame") -> list[list[Any]]:
    """The values as JSON has them, None where missing."""
    plain = rows.astype(object)
    values: list[list[Any]] = plain.where(plain.notna(), None).to_numpy().tolist()
    return values


def read(client: MlflowClient, run_id: str) -> SampleRows:
    """The sample of a run; raises FailedError if it has none."""
    text = candidates.artifact(client, run_id, NAME)
    try:
        content = json.loads(text)
        split = content["request"]["dataframe_split"]
        return SampleRows(split["columns"], split["data"], content["labels"], content["probabilities"])
    except (ValueError, KeyError, TypeError) as error:
        message = f"{NAME} of the run {run_id} can't be read; train again"
        raise FailedError(message) from error
