"""The object store that the overlay has, whichever that is."""

from tests.e2e.cluster import every, name_of

SELECTOR = "app.kubernetes.io/component=object-store"


def workload() -> str:
    """The store's StatefulSet."""
    (found,) = every("statefulsets", SELECTOR)
    return name_of(found)
