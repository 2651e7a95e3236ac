"""How `champion` moves: written ahead, then done, so that whoever comes next can finish it.

A move is a tag on the version that is to become champion. It is written before the aliases are touched and says "done"
afterwards; what is begun and not done, the next holder of the model's lock finishes (`io.records.registry.settle`). An
alias that somebody moved in MLflow itself is left alone, since no move is open then.
"""

import getpass
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from ratchet.errors import FailedError

CHAMPION = "champion"
PREVIOUS = "previous"
MOVE = "ratchet.move"

_RECORD = "ratchet.champion"
_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})


@dataclass(frozen=True)
class Move:
    """`champion` goes to a version.

    previous: the version that it leaves, None where there was none. by: who moved it. at: when, in ISO 8601. because:
    why. done: whether the aliases have been moved.
    """

    previous: int | None
    by: str
    at: str
    because: str
    done: bool = False

    @classmethod
    def from_tag(cls, text: str, where: str) -> "Move":
        """Read a version's tag; raises FailedError, with the version, where it is none."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            message = f"the tag {MOVE} of {where} can't be read: {text!r}; delete the tag in MLflow"
            raise FailedError(message) from error

    def to_tag(self) -> str:
        """The move as a tag's value."""
        return json.dumps(asdict(self), ensure_ascii=False)


def begin(client: MlflowClient, name: str, number: int, move: Move) -> None:
    """Write a move to a version ahead; from here on it will be finished, by whoever."""
    client.set_model_version_tag(name, str(number), MOVE, move.to_tag())


def finish(client: MlflowClient, name: str, number: int, move: Move) -> None:
    """Move the aliases to a version, `champion` last, and mark the move as done; may be repeated."""
    record = {"version": number} | {key: value for key, value in asdict(move).items() if key != "done"}
    client.set_registered_model_tag(name, _RECORD, json.dumps(record, ensure_ascii=False))
    if move.previous is not None and move.previous != number:
        with ignoring_absent():  # the version that is left may have been deleted since
            client.set_registered_model_alias(name, PREVIOUS, str(move.previous))
    client.set_registered_model_alias(name, CHAMPION, str(number))
    begin(client, name, number, replace(move, done=True))


def give_back(client: MlflowClient, name: str, number: int, previous: int | None, why: str) -> None:
    """Take `champion` from a version that can't serve; may be repeated.

    previous: who had it before, None where nobody had. `previous` then names nobody: what it would name does not serve.
    """
    model = client.get_registered_model(name)
    if named(model, CHAMPION) == number:
        if previous is None:
            client.delete_registered_model_alias(name, CHAMPION)
        else:
            move = Move(None, f"ratchet rollout by {who()}", now(), why)
            begin(client, name, previous, move)
            finish(client, name, previous, move)
    if previous is not None and PREVIOUS in model.aliases:
        with ignoring_absent():
            client.delete_registered_model_alias(name, PREVIOUS)


def named(model: RegisteredModel, alias: str) -> int | None:
    """The number of the version that an alias names: a server gives it as text, a database as a number."""
    number = (model.aliases or {}).get(alias)
    return None if number is None else int(number)


def now() -> str:
    """The time of a move or decision, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def who() -> str:
    """The user and the machine of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's numeric user has no name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


@contextmanager
def ignoring_absent() -> Iterator[None]:
    """Go on where MLflow has no such thing."""
    try:
        yield
    except MlflowException as error:
        if error.error_code not in _ABSENT:
            raise
