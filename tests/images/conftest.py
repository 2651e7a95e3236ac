"""What the tests of the images stand on: images that `make images` has built. `make test-images` runs them."""

import pytest

from tests.images.container import NO_NETWORK, RESTRICTED, docker, reference


@pytest.fixture
def started():
    """Starts an image's program in the background; what it said is shown when the test fails."""
    containers = []

    def start(name, *arguments, options=()):
        container = docker(
            "run", "--detach", *RESTRICTED, *NO_NETWORK, *options, reference(name), *arguments
        ).stdout.strip()
        containers.append(container)
        return container

    yield start
    for container in containers:
        said = docker("logs", container, check=False)
        print(said.stdout + said.stderr)  # noqa: T201
        docker("rm", "--force", container)
