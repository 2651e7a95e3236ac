"""The verbs for an installation: its passwords, and copies of its stores."""

import click

from ratchet.errors import ConfigurationError


@click.command(short_help="In a cluster: create missing passwords.")
@click.option("--of", "models", metavar="NAMES", help="The namespaces of further models, separated by spaces.")
def secrets(models: str | None) -> None:
    """Create the missing Secrets of an installation in the pod's own namespace; existing ones stay unchanged.

    With --of, create those of further models in their namespaces; MODELS_KEY is the key from the Secret s3-models.
    """
    import os

    from ratchet.io.cluster import credentials
    from ratchet.io.cluster.api import Api
    from ratchet.jobs.secrets import make, make_of_model

    found, namespace = credentials.inside(), os.environ.get("RATCHET_NAMESPACE")
    if found is None or not namespace:
        message = (
            "`ratchet secrets` runs only in a pod of the cluster; kubectl apply -k k8s/overlays/prod creates its Job"
        )
        raise ConfigurationError(message)
    if models is None:
        _tell(namespace, make(Api(found, namespace)))
    for each in (models or "").split():
        _tell(each, make_of_model(Api(found, each), os.environ.get("MODELS_KEY", "")))


def _tell(namespace: str, made: list[str]) -> None:
    click.echo(f"{namespace}: created {', '.join(made)}" if made else f"{namespace}: all Secrets exist")


@click.command(short_help="Copy stores to another, such as a backup, and compare both.")
@click.argument("sources", nargs=-1, required=True, metavar="FROM...")
@click.argument("target", metavar="TO")
@click.option("--dry-run", is_flag=True, help="Only compare: say how much would be copied.")
@click.option("--may-be-empty", is_flag=True, help="Accept a FROM that does not exist.")
def copy(sources: tuple[str, ...], target: str, *, dry_run: bool, may_be_empty: bool) -> None:
    """Copy all of FROM..., buckets, folders or files, each to TO/<its last name>, read it back and compare.

    Addresses are local paths, s3://bucket or s3://bucket/prefix; as TO, s3:// stands for the buckets of the same names.
    What TO has already is left, and nothing is deleted, so an interrupted call can be repeated.

    Credentials and endpoint come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL and AWS_REGION. If the
    two stores differ, FROM_AWS_ACCESS_KEY_ID, … are those of FROM, and TO_AWS_ACCESS_KEY_ID, … those of TO.
    """
    from ratchet.jobs import copy

    copy.copy(sources, target, click.echo, dry_run=dry_run, may_be_empty=may_be_empty)
