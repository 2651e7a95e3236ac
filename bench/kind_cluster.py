"""The kind cluster as the benchmarks see it."""

import subprocess

CONTEXT = "kind-ratchet"
NODE = "ratchet-control-plane"
KUBECTL = ("kubectl", "--context", CONTEXT, "--namespace", "ratchet")


def kubectl(*words: str, stdin: str | None = None) -> str:
    """What kubectl printed; what it says against it goes to stderr and ends the benchmark."""
    done = subprocess.run([*KUBECTL, *words], input=stdin, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    return done.stdout
