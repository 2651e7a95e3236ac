"""A step of a cycle in a cluster: the objects created, why it waits, and how and why it ended."""
