"""What the engines and the steps of a cycle are called; what is named after one of them follows the rule here."""

from collections.abc import Sequence
from typing import Literal, get_args

EngineName = Literal["sklearn", "spark"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def name_of(verb: Sequence[str]) -> str:
    """The name of the step that runs a verb: a trainer's is its engine, another's its verb, such as `watch-spark`."""
    return "-".join(verb).removeprefix("train-")


# Those of a watch, too.
STEPS = frozenset(
    ("register", "rollout", *(name_of((verb, engine)) for verb in ("train", "validate", "watch") for engine in ENGINES))
)
