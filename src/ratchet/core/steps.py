"""The names of the engines and the steps of a cycle, and the rule for names derived from them."""

from collections.abc import Sequence
from typing import Literal, get_args

EngineName = Literal["sklearn", "spark"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def name_of(verb: Sequence[str]) -> str:
    """The name of the step that runs a verb: its engine for a trainer, else the verb, such as `watch-spark`."""
    return "-".join(verb).removeprefix("train-")


# Includes those of a watch.
STEPS = frozenset(
    ("register", "rollout", *(name_of((verb, engine)) for verb in ("train", "validate", "watch") for engine in ENGINES))
)
