"""The verb that an installation runs once, in its cluster."""

import click

from ratchet.errors import ConfigurationError


@click.command(short_help="In a cluster: create missing passwords.")
def secrets() -> None:
    """Create the missing Secrets of an installation in the pod's own namespace; existing ones stay unchanged."""
    import os

    from ratchet.io.cluster import credentials
    from ratchet.io.cluster.api import Api
    from ratchet.jobs.secrets import make

    found, namespace = credentials.inside(), os.environ.get("RATCHET_NAMESPACE")
    if found is None or not namespace:
        message = (
            "`ratchet secrets` runs only in a pod of the cluster; kubectl apply -k k8s/overlays/prod creates its Job"
        )
        raise ConfigurationError(message)
    made = make(Api(found, namespace))
    click.echo(f"created {', '.join(made)}" if made else "all Secrets exist")
