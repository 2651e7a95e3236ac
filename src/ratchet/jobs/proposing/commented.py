"""Writes a proposal as a commented configuration file."""

import textwrap
from collections.abc import Iterator, Sequence
from datetime import timedelta

import yaml

from ratchet.jobs.proposing.propose import Proposal
from ratchet.settings import Csv

_WIDTH = 110


def text(proposal: Proposal, model: str) -> str:
    """The YAML, short and sorted by meaning: what it is, the table, its columns, the windows."""
    lines = [
        "# Proposed by ratchet init: read it, then `ratchet check`. Every key and its default: `ratchet schema`.",
        f"model: {model}",
        "",
        f"# {proposal.rows:,} rows, {proposal.first} to {proposal.end - timedelta(days=1)}.",
        "data:",
        *(f"  {line}" for line in _data(proposal)),
        *_windows(proposal),
    ]
    return "\n".join(lines) + "\n"


def _data(proposal: Proposal) -> Iterator[str]:
    data = proposal.data
    yield f"uri: {_scalar(data.uri)}"
    if data.csv != Csv():
        parts = data.csv.model_dump(exclude_defaults=True)
        yield f"csv: {{{', '.join(f'{name}: {_quoted(value)}' for name, value in parts.items())}}}"
    yield f"timestamp: {_scalar(data.timestamp)}"
    if data.timestamp_format is not None:
        yield f"timestamp_format: {_quoted(data.timestamp_format)}"
    if data.timestamp_unit is not None:
        yield f"timestamp_unit: {data.timestamp_unit}  # judged by its values"
    yield f"timezone: {_scalar(data.timezone)}  # where days begin; times without a zone are local to it"
    yield from _label(proposal)
    yield "# Features must be known when the event happens."
    yield from _listed("numeric", data.numeric or ())
    yield from _listed("categorical", data.categorical or ())
    yield from _left_out(proposal)


def _label(proposal: Proposal) -> Iterator[str]:
    data = proposal.data
    yield "label:"
    yield f"  column: {_scalar(data.label.column)}"
    yield f"  positive: {_scalar(data.label.positive)}  # the class that F1 is about; the column has one other value"
    if data.label.unknown:
        yield f"  unknown: [{', '.join(map(_scalar, data.label.unknown))}]  # such a label is missing"
    if proposal.known_after:
        yield f"  known_after: {data.label.known_after}  # the last {proposal.known_after} days lack labels"
    if proposal.dropped:
        yield "  missing: drop  # earlier rows without a label: drop, negative, or refuse"


def _left_out(proposal: Proposal) -> Iterator[str]:
    yield from (f"# {remark if remark.isprintable() else repr(remark)}" for remark in proposal.remarks)
    for leak in proposal.leaks:
        separates = f"{_named(leak.name)} alone separates the classes (ROC AUC {leak.area:.3f})"
        yield f"# A leak? {separates}: add it if it is none."
    if proposal.no_features:
        yield "# Not features:"
        suspected = {leak.name for leak in proposal.leaks}
        yield from (f"#   {_named(name)}: {why}" for name, why in proposal.no_features if name not in suspected)


def _windows(proposal: Proposal) -> Iterator[str]:
    sizes = proposal.windows
    if sizes.days is None:
        return
    yield ""
    yield "# The table is too short for the defaults, a month each; all earlier days are for training."
    yield "windows:"
    yield f"  test: {sizes.days}d"
    yield f"  calibration: {sizes.days}d"
    if not sizes.gap:
        yield "  gap: 0d  # there are too few days to wait between windows until labels are known"


def _listed(key: str, names: Sequence[str]) -> Iterator[str]:
    flow = ", ".join(map(_quoted_name, names))
    if len(flow) + len(key) < _WIDTH:
        yield f"{key}: [{flow}]"
        return
    yield f"{key}:"
    yield from (f"  - {_scalar(name)}" for name in names)


def _quoted_name(name: str) -> str:
    """A name within brackets, where commas and brackets end it."""
    plain = _scalar(name)
    return plain if plain == name and not set(name) & set(",[]{}") else _quoted(name)


def _scalar(value: bool | float | str) -> str:
    """A value on one line, quoted if YAML or Ratchet would read it as another type."""
    if isinstance(value, str) and (value != value.strip() or value.lower() in _WORDS or not value.isprintable()):
        return _quoted(value)
    return str(yaml.safe_dump(value, width=10**6, allow_unicode=True)).removesuffix("\n").removesuffix("\n...")


_WORDS = ("yes", "no", "on", "off", "true", "false", "null", "y", "n")


def _quoted(value: str) -> str:
    return str(yaml.safe_dump(value, default_style='"', width=10**6, allow_unicode=True)).strip()


def _named(name: str) -> str:
    """A name in a comment, which ends with the line."""
    return textwrap.shorten(name if name.isprintable() else repr(name), 80)
