"""Why a cycle failed, as one of a few words: what a dashboard may count, where a sentence is for people."""

REASONS = ("configuration", "data", "out-of-memory", "image", "missing", "room", "deadline", "other")

# What the sentences of a step say (`io.cluster.exit_status`, `io.cluster.pending`, `jobs.retrain`), the first that
# fits.
_SAID = (
    ("out of memory", "out-of-memory"),
    ("can't be pulled", "image"),
    ("can't be made", "missing"),
    ("can't be mounted", "missing"),
    ("fits on no node", "room"),
    ("can make no pod", "room"),
    ("had not ended after", "deadline"),
    ("DeadlineExceeded", "deadline"),
)
_CODES = {2: "configuration", 3: "data"}


def reason_of(code: int | None, sentence: str) -> str:
    """The reason of a step that failed. code: its exit code, None where it had none. sentence: its last one."""
    said = (reason for words, reason in _SAID if words in sentence)
    return next(said, _CODES.get(code or 0, "other"))
