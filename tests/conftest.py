"""What all tests share: how often hypothesis tries, and which worker runs what."""

from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# Machines are shared and slow at times: how long an example takes says nothing about the code. `make test` tries a few
# examples, the same each time; `make test-deep` tries many that are new.
_SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=15, derandomize=True, **_SHARED)
settings.register_profile("deep", max_examples=400, **_SHARED)
settings.load_profile("quick")

# Files that share what a worker has only one of: a Spark session, an MLflow server.
GROUPS = {
    "spark": ("test_spark_engine", "test_scorers", "test_score"),
    "server": ("test_registry", "test_register", "test_staging", "test_watch", "test_interleavings"),
}
# The dearest first, so that no worker begins with a long one when the others have none left.
DEAR = (
    *GROUPS["spark"],
    *GROUPS["server"],
    "test_interruption",
    "test_validate",
    "test_exporter",
    "test_spark_trainer",
)


class Scheduling(LoadScopeScheduling):
    """A file goes to one worker as a whole, and so does a group of files."""

    def _split_scope(self, nodeid):
        file = nodeid.split("::", 1)[0]
        name = file.rpartition("/")[2].removesuffix(".py")
        return next((group for group, names in GROUPS.items() if name in names), file)


def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    places = {f"integration/{name}.py": place for place, name in enumerate(DEAR)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(DEAR)))
