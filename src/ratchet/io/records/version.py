"""A version of a registered model, and the tags that record its history.

`registered_model` reads versions and changes them; trainers compare their candidates with them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isfinite

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from ratchet.core.objective import F1, TAG, VALUE_TAG, Objective
from ratchet.errors import FailedError

CHAMPION = "champion"
PREVIOUS = "previous"
STAGING = "staging"

MOVE = "ratchet.move"
DECISION = "ratchet.decision"
REASON = "ratchet.reason"
ROLLED_BACK = "ratchet.rolled_back"
# Why it was rolled back, or never served; `ratchet promote` of the version removes the tag.
SET_ASIDE = "ratchet.set_aside"
# When it was staged, in ISO 8601; never removed.
STAGED = "ratchet.staged"
# Only the registrar writes it: versions that share it are duplicates from a repeated request.
MADE_FROM = "ratchet.run"
# Of the run and the version: the model that comparisons use, the one that serves, and why.
MEASURED_URI = "ratchet.measured_model_uri"
SERVES = "ratchet.serves"
REFIT = "ratchet.refit"
_F1 = "ratchet.f1"
_TEST_WINDOW = ("ratchet.test_from", "ratchet.test_until")


@dataclass(frozen=True)
class Move:
    """A move of `champion` to a version.

    previous: the version before, None if there was none. by: who moved it. at: when, in ISO 8601. because: why. done:
    whether the aliases have been moved. aside: whether the previous version is set aside.
    """

    previous: int | None
    by: str
    at: str
    because: str
    done: bool = False
    aside: bool = False

    @classmethod
    def from_tag(cls, text: str, where: str) -> "Move":
        """Parse a version's tag; raises FailedError, naming the version, if it is invalid."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            message = f"the tag {MOVE} of {where} can't be read: {text!r}; delete the tag in MLflow"
            raise FailedError(message) from error

    def to_tag(self) -> str:
        """The move as a tag's value."""
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True)
class Version:
    """An existing version of a registered model.

    f1: as recorded by its own run, None if unknown. test_window: first day and end of the rows on which it was
    measured. source: the address of the model that it was created from, if known.
    """

    model: str
    number: int
    run_id: str
    f1: float | None
    test_window: tuple[str, str] | None
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created: datetime
    source: str = ""

    @property
    def uri(self) -> str:
        """Its address for MLflow."""
        return f"models:/{self.model}/{self.number}"

    @property
    def files(self) -> str:
        """The address of the model that comparisons use: the measured one, also if a refitted one serves.

        Not `uri` if there is another, since MLflow reads all versions of the model for it each time.
        """
        return self.tags.get(MEASURED_URI) or self.source or self.uri

    @property
    def move(self) -> Move | None:
        """Its last promotion, None if there was none; raises FailedError if its tag is unreadable."""
        text = self.tags.get(MOVE)
        return None if text is None else Move.from_tag(text, f"version {self.number} of {self.model}")

    @property
    def made_from(self) -> str | None:
        """The run that the registrar created it from; None if it was created manually."""
        return self.tags.get(MADE_FROM)

    def recorded(self, objective: Objective) -> float | None:
        """The objective's value as recorded by its own run; None if unknown, or if it was trained for another one."""
        if objective == F1:
            return self.f1
        own = Objective.from_tag(self.tags.get(TAG), f"version {self.number} of {self.model}")
        return _finite(self.tags.get(VALUE_TAG)) if own == objective else None

    @property
    def champion(self) -> bool:
        """Whether it serves."""
        return CHAMPION in self.aliases

    @property
    def by_registrar(self) -> bool:
        """Whether the registrar has finished creating it: it was staged, or its move to `champion` is recorded."""
        return MOVE in self.tags or STAGED in self.tags

    @property
    def rolled_back(self) -> str | None:
        """Why its servers were rolled back; None if they were not."""
        return self.tags.get(ROLLED_BACK)

    @property
    def set_aside(self) -> str | None:
        """Why it is no rival of later candidates; None if it is one, as the champion always is."""
        return None if self.champion else self.tags.get(SET_ASIDE, self.rolled_back)

    @property
    def staged(self) -> bool:
        """Whether it waits for a decision on whether it may serve."""
        return STAGED in self.tags and self.tags.get(DECISION) == "staged"


def tells_all(found: ModelVersion) -> bool:
    """Whether a version's own tags record its measurement; otherwise its run may."""
    return _F1 in found.tags and all(name in found.tags for name in _TEST_WINDOW)


def version_of(found: ModelVersion, run: Run | None) -> Version:
    """A version from MLflow's object. run: needed if its own tags are incomplete."""
    tags = dict(found.tags)
    measured = (run.data.tags if run else {}) | tags
    window = tuple(measured[name] for name in _TEST_WINDOW if name in measured)
    return Version(
        model=found.name,
        number=int(found.version),
        run_id=found.run_id or "",
        f1=_finite(tags.get(_F1, run.data.metrics.get("f1") if run else None)),
        test_window=(window[0], window[1]) if len(window) == len(_TEST_WINDOW) else None,
        aliases=(),
        tags=tags,
        created=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        source=found.source or "",
    )


def columns_of(run: Run | None) -> Mapping[str, str]:
    """The features in the schema of the run's data, with their types; the label is the one that is boolean."""
    for data in run.inputs.dataset_inputs if run and run.inputs else ():
        columns = json.loads(data.dataset.schema or "{}").get("mlflow_colspec", ())
        kinds = {column["name"]: str(column.get("type")) for column in columns if column.get("type") != "boolean"}
        if kinds:
            return kinds
    return {}


def _finite(recorded: str | float | None) -> float | None:
    try:
        number = float("nan" if recorded is None else recorded)
    except ValueError:
        return None
    return number if isfinite(number) else None
