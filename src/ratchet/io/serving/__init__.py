"""A version's server: the requests it accepts, and the trial that the version must pass."""
