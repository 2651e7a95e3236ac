"""The gate: the newest weeks of a table are held against the weeks before them, before anything is fitted.

`day_counts` is the table that an engine counts, `weeks` sums it up, `changes` says which change is extraordinary,
`rules` and `day_rules` are what is judged, `own_bounds` the team's own, `since` what has changed since the champion.
A result is one of `findings`. `jobs.training.gate` refuses or warns.
"""
