"""The gate: the newest weeks of a table are held against the weeks before them, before anything is fitted.

`day_counts` is the table that an engine counts, `weeks` sums it up, `changes` says which change is extraordinary,
`findings` has the rules, `own_bounds` the team's own. `jobs.training.gate` refuses or warns.
"""
