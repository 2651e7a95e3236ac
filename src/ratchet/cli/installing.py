"""The verb that an installation runs once, in its cluster."""

import click

from ratchet.errors import ConfigurationError


@click.command(short_help="In a cluster: make the passwords that are not there.")
def secrets() -> None:
    """Create the Secrets of an installation in the namespace that this runs in; those that are there stay."""
    import os

    from ratchet.io.cluster import credentials
    from ratchet.io.cluster.api import Api
    from ratchet.jobs.secrets import make

    found, namespace = credentials.inside(), os.environ.get("RATCHET_NAMESPACE")
    if found is None or not namespace:
        message = "`ratchet secrets` runs in a pod of the cluster: kubectl apply -k k8s/overlays/prod brings its Job"
        raise ConfigurationError(message)
    made = make(Api(found, namespace))
    click.echo(f"made {', '.join(made)}" if made else "all Secrets were there")
