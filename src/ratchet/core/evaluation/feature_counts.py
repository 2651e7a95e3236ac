"""The distribution of a window's features, as counts: an engine returns this table along with `counts`.

Numbers are counted by `buckets`, categories by value: the most frequent ones in the training window individually, the
rest together. `feature_counts.csv` is this table.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ratchet.errors import FailedError

Kind = Literal["numeric", "categorical"]
type Key = float | str

MOST_VALUES = 100
"""How many values of a categorical feature are counted individually; those rarer in training are counted together."""
NAME = "feature_counts.csv"
_HEAD = ("feature", "kind", "part", "value", "rows")


@dataclass(frozen=True)
class FeatureCounts:
    """The rows of one window by the value of one feature.

    by_value: by bucket for a numeric feature, by text for a categorical one. other: rows with a text that is not
    counted individually. missing: rows without a value.
    """

    feature: str
    kind: Kind
    by_value: Mapping[Key, int]
    other: int
    missing: int

    @property
    def rows(self) -> int:
        return sum(self.by_value.values()) + self.other + self.missing

    @classmethod
    def of_numbers(cls, feature: str, buckets: Mapping[float, int], missing: int) -> "FeatureCounts":
        """From the rows by bucket."""
        return cls(feature, "numeric", dict(sorted(buckets.items())), 0, missing)

    @classmethod
    def of_texts(
        cls, feature: str, texts: Mapping[str, int], missing: int, known: Iterable[Key] | None = None
    ) -> "FeatureCounts":
        """From the rows by text. known: the texts to count individually; None: the most frequent, ties in order."""
        if known is None:
            known = sorted(texts, key=lambda text: (-texts[text], text))[:MOST_VALUES]
        named: dict[Key, int] = {text: texts[str(text)] for text in known if texts.get(str(text))}
        return cls(feature, "categorical", named, sum(texts.values()) - sum(named.values()), missing)


def to_csv(counts: Iterable[FeatureCounts]) -> str:
    """One line per feature and value. part: `value`, `other`, `missing`. value: a text, or a bucket's number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(_HEAD)
    for one in counts:
        for key, rows in one.by_value.items():
            writer.writerow((one.feature, one.kind, "value", str(key), rows))
        writer.writerow((one.feature, one.kind, "other", "", one.other))
        writer.writerow((one.feature, one.kind, "missing", "", one.missing))
    return text.getvalue()


def from_csv(text: str) -> tuple[FeatureCounts, ...]:
    """Parse the output of `to_csv`; raises FailedError, naming the line, if it is anything else."""
    reader = csv.reader(io.StringIO(text, newline=""))
    lines: dict[tuple[str, Kind], list[tuple[str, str, int]]] = {}
    if tuple(next(reader, ())) != _HEAD:
        message = f"{NAME} does not begin with the columns {', '.join(_HEAD)}"
        raise FailedError(message)
    for line in reader:
        try:
            feature, kind, part, value, rows = line
            lines.setdefault((feature, _kind(kind)), []).append((part, value, int(rows)))
        except ValueError as error:
            message = f"line {reader.line_num} of {NAME} can't be read: {line}"
            raise FailedError(message) from error
    return tuple(_counts(feature, kind, own) for (feature, kind), own in lines.items())


def _counts(feature: str, kind: Kind, lines: Sequence[tuple[str, str, int]]) -> FeatureCounts:
    values: dict[Key, int] = {}
    rest = {"other": 0, "missing": 0}
    try:
        for part, value, rows in lines:
            if part == "value":
                values[float(value) if kind == "numeric" else value] = rows
            else:
                rest[part] += rows
    except (KeyError, ValueError) as error:
        message = f"the counts of the feature {feature!r} in {NAME} can't be read: {error}"
        raise FailedError(message) from error
    return FeatureCounts(feature, kind, values, rest["other"], rest["missing"])


def _kind(text: str) -> Kind:
    if text == "numeric":
        return "numeric"
    if text == "categorical":
        return "categorical"
    raise ValueError(text)
