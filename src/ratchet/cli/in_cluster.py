"""The verb that runs any other verb in a cluster."""

import sys

import click


@click.command(
    "in-cluster",
    # Options after the verb belong to the verb.
    context_settings={"allow_interspersed_args": False},
    short_help="Run a verb in a cluster, follow its log, and exit with its code.",
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="VERB [ARGUMENT]...")
@click.option("--namespace", metavar="NAME", help="Namespace of the cluster. Default: ratchet, or the pod's own.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig. Default: the current one.")
def in_cluster(words: tuple[str, ...], namespace: str | None, context: str | None) -> None:
    """Run VERB [ARGUMENT]... in a cluster, with access to MLflow, the store and the servers; exit with its exit code.

    \b
    ratchet in-cluster retrain                      a cycle, as the CronJob starts it
    ratchet in-cluster score ENGINE [FROM] [TO]     needs the component batch-scoring; sklearn or spark
    ratchet in-cluster show                         any other verb, with the permissions of a rollout

    It needs a kubeconfig that may create Jobs. --namespace and --context come before VERB. If it is interrupted, the
    verb in the cluster continues.
    """  # noqa: D301  # \\b keeps click from wrapping the lines that follow
    from ratchet.cli import events
    from ratchet.jobs import in_cluster

    events.configure()
    end = in_cluster.run(words, namespace, context, click.echo)
    if end.code:
        click.echo(f"ratchet: {end.sentence}", err=True)
        sys.exit(end.code)
