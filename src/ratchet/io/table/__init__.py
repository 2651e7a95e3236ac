"""Tables and how their rows are read: the same for both engines, for training and for scoring."""
