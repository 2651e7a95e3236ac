"""The text of a category, the same in training, scoring and serving; and the words for true, false and missing."""

TRUE_WORDS = ("true", "True", "TRUE")
FALSE_WORDS = ("false", "False", "FALSE")
MISSING_TEXTS = (
    *("", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "null", "NULL", "None", r"\N"),
    *("?", " ", "  ", "   ", "\t"),
)
"""What counts as missing in a CSV file, quoted or not."""


def text_of(value: str, *, boolean: bool) -> str | None:
    """The text of a category, None where it is blank; boolean: words for true and false become those of training."""
    if not value.strip():
        return None
    return value.lower() if boolean and value in (*TRUE_WORDS, *FALSE_WORDS) else value
