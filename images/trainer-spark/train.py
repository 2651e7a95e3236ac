"""The main file of Ratchet's SparkApplications, because Spark wants a file: the command `ratchet`, no more."""

from ratchet.cli import run

run()
