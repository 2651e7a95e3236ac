"""What a table is, and how its rows are read: the same for both engines, for training and for scoring."""
