"""The settings of the table."""

import codecs
from collections.abc import Mapping
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from ratchet.core.time_formats import TimeFormat
from ratchet.settings.forms import PeriodText, Section, Text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f"{text!r} is not a time zone; an IANA name is accepted, such as UTC or Europe/Berlin"
        raise ValueError(message) from error
    return text


def _codec(text: str) -> str:
    sample = 'a,"\n'
    try:
        name = codecs.lookup(text).name
        # Some of Python's codecs are not for text, write commas and line ends differently, or can't decode in pieces.
        decoder = codecs.getincrementaldecoder(name)()
        known = "".join([*(decoder.decode(bytes([byte])) for byte in sample.encode(name)), decoder.decode(b"", True)])
    except (LookupError, UnicodeError, TypeError):
        known = ""
    if known != sample:
        message = f"{text!r} is not an encoding of text files; utf-8, cp1252 and latin-1 are examples of those accepted"
        raise ValueError(message)
    return name


def _separator(text: str) -> str:
    if not text.isascii() or text in '"\r\n':
        message = f"{text!r} can't separate values; one ASCII character other than a quote or a line end is accepted"
        raise ValueError(message)
    return text


def _time_format(text: str) -> str:
    return TimeFormat.parse(text).text


Action = Literal["refuse", "warn", "ignore"]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class Label(Section):
    """The column to predict, and when its values become known."""

    column: Text
    """Name of the column with the outcome."""
    positive: bool | int | float | str
    """The value of the positive class. The column must have exactly one other value."""
    unknown: tuple[bool | int | float | str, ...] = ()
    """Values that mean that the outcome is not known, such as `pending`; such a label is missing."""
    known_after: PeriodText | None = None
    """How long after an event its label is final. The rows of that time, the newest, are left to later cycles."""
    known_at: Text | None = None
    """Column with the time at which a label became known. Where it is missing, `known_after` says it."""
    missing: Literal["refuse", "drop", "negative"] = "refuse"
    """What a row is whose label is missing although it should be known: an error, left out, or negative."""


class Csv(Section):
    """The dialect of CSV files; docs/data.md has further rules."""

    separator: Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_separator)] = ","
    """Separator between values."""
    decimal: Literal[".", ","] = "."
    """Decimal separator. With a comma, numbers must not contain a point."""
    encoding: Annotated[Text, AfterValidator(_codec)] = "utf-8"
    """Python's name of the encoding; Excel writes `cp1252` in much of Europe."""


class Checks(Section):
    """What a finding of the gate does, by what it is about; docs/data.md has the rules."""

    rows: Action = "refuse"
    """Rows a day in a week. Refused is a fall by a third: rows were lost."""
    missing: Action = "refuse"
    """Share of missing values by feature. Refused is a rise by a quarter of the rows, or days without any value."""
    unseen: Action = "refuse"
    """Share of texts that training has not, or rarely, by feature. Refused is a rise by a tenth of the rows."""
    range: Action = "refuse"
    """Typical value of a number. Refused is a sudden factor of 1.5 to 2.3: another unit."""
    positives: Action = "warn"
    """Share of positive rows in a week. It may change by itself; all versions are compared on the same rows."""
    duplicates: Action = "warn"
    """Rows that equal another one of their day. If a file is loaded twice, its rows count twice, but none is lost."""
    days: Action = "warn"
    """Days without a row. A single one may be a holiday that the table has not seen yet."""


class Bound(Section):
    """A feature's own bounds, which hold whatever its history was."""

    min: Number | None = None
    """Smallest value that is accepted in any window; of a numeric feature."""
    max: Number | None = None
    """Greatest value that is accepted in any window; of a numeric feature."""
    missing: Share | None = None
    """Greatest share of missing values in a week, from 0 to 1; it replaces the comparison with the weeks before."""
    unseen: Share | None = None
    """The same for texts that training has not, or rarely; of a categorical feature."""
    check: Action | None = None
    """What a finding about this feature does. None: what the setting of that check says; a bound of its own refuses."""

    @model_validator(mode="after")
    def _ordered(self) -> "Bound":
        if self.min is not None and self.max is not None and self.min > self.max:
            message = f"min is {self.min} and max is {self.max}; min must not be above max"
            raise ValueError(message)
        return self


class Data(Section):
    """The table of labelled events."""

    uri: Text
    """Address of the table: a file, a folder or a partitioned folder; a local path or `s3://bucket/prefix`."""
    format: Literal["parquet", "csv"] | None = None
    """Format of the files. None: derived from the files' names (.parquet, .csv, .csv.gz)."""
    csv: Csv = Csv()
    snapshot: Annotated[int, Field(ge=0)] | None = None
    """Version of a Delta table, or id of an Iceberg table's snapshot. None: the newest."""
    timestamp: Text
    """Name of the column with the time of the event: a date, a datetime, text, or an epoch."""
    timestamp_format: Annotated[Text, AfterValidator(_time_format)] | None = None
    """Format of times that are text, or numbers such as 20131231, as in `%d.%m.%Y %H:%M`. None: ISO 8601."""
    timestamp_unit: Literal["s", "ms", "us", "ns"] | None = None
    """Unit of an epoch (a number). None: the column is a date, a datetime or text."""
    timezone: Annotated[Text, AfterValidator(_timezone)] = "UTC"
    """IANA name of the time zone in which days begin; it also applies to timestamps without a zone."""
    label: Label
    numeric: tuple[Text, ...] | None = None
    """Names of the numeric features. None: all other columns with numbers or booleans."""
    categorical: tuple[Text, ...] | None = None
    """Names of the categorical features. None: all other columns with text."""
    features: tuple[Text, ...] = ()
    """Names of further features, text, dates or times, which an estimator of your own gets as text, uncoded."""
    entity: Text | None = None
    """Column with the id of what an event belongs to, such as a customer; it is no feature unless named as one."""
    exclude: tuple[Text, ...] = ()
    """Names of columns that are not features if `numeric` or `categorical` is None; list leaks here."""
    checks: Checks = Checks()
    bounds: Mapping[Text, Bound] = {}
    """Bounds of features by name, such as `{usage: {min: 0, missing: 0.1}}`: min, max, missing, unseen, check."""

    @model_validator(mode="after")
    def _one_way_to_read_times(self) -> "Data":
        if self.timestamp_format is not None and self.timestamp_unit is not None:
            message = "timestamp_format and timestamp_unit are both set; an epoch has no format"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _distinct(self) -> "Data":
        named = [self.timestamp, self.label.column, *self.named_features]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            message = (
                f"the column {twice[0]!r} has two roles; timestamp, label and the three kinds of features are distinct"
            )
            raise ValueError(message)
        if self.label.known_at in (self.timestamp, self.label.column, *self.named_features):
            message = f"the column {self.label.known_at!r} has two roles; label.known_at is distinct from all others"
            raise ValueError(message)
        if self.entity in (self.timestamp, self.label.column):
            message = f"the column {self.entity!r} has two roles; entity is neither the timestamp nor the label"
            raise ValueError(message)
        return self

    @property
    def named_features(self) -> tuple[str, ...]:
        """The features that the settings name, of all three kinds."""
        return (*(self.numeric or ()), *(self.categorical or ()), *self.features)
