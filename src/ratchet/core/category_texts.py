"""The text of a category, identical in training, scoring and serving; and the words for true, false and missing."""

TRUE_WORDS = ("true", "True", "TRUE")
FALSE_WORDS = ("false", "False", "FALSE")
MISSING_TEXTS = (
    *("", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "null", "NULL", "None", r"\N"),
    *("?", " ", "  ", "   ", "\t"),
)
"""What counts as missing in a CSV file, quoted or not."""
_BOOLEANS = {**dict.fromkeys((*TRUE_WORDS, "1", "1.0"), "true"), **dict.fromkeys((*FALSE_WORDS, "0", "0.0"), "false")}


def text_of(value: str, *, boolean: bool) -> str | None:
    """The text of a category, None if blank; boolean: words for true and false become those of training."""
    if not value.strip():
        return None
    return _BOOLEANS.get(value, value) if boolean else value
