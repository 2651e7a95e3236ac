"""Judges questions about the method by replaying histories: worlds × rules of promotion × ways of serving.

`python -m bench.rule` (`make rule`) writes docs/rule.md and docs/rule.png. A question is answered by F1 in the period
that follows each decision, with the version that is then in service, and by paired intervals.
"""
