"""A step of a cycle in a cluster: what is made, why it waits, and how and why it ended."""
