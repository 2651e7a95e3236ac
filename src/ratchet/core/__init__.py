"""The pure part: from counts of scored rows to numbers and a decision. Nothing here reads or writes."""
