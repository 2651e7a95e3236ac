"""The engines that can train: the same protocol, the same inputs and outputs."""
