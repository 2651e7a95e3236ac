"""What a check says: one sentence, and how much it matters. `cli` prints findings as they come."""

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from ratchet.core.windows import Windows
from ratchet.io.table.table import EventTable
from ratchet.jobs.checking.reading import Read
from ratchet.settings import Settings

type Level = Literal["ok", "warning", "skipped", "error"]


@dataclass(frozen=True)
class Finding:
    """check: the name of the check. level: an error is the last finding."""

    check: str
    level: Level
    sentence: str


@dataclass
class Subject:
    """What is checked, and what earlier checks have found out about it. as_of: None is the end of what is known."""

    settings: Settings
    as_of: date | None
    table: EventTable = field(init=False)
    windows: Windows = field(init=False)
    read: Read = field(init=False)
