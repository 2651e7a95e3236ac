"""What a label is, when it becomes known, and which days have all of theirs."""
