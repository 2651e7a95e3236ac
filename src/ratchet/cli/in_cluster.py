"""The verb that runs any other one in a cluster."""

import sys

import click


@click.command(
    "in-cluster",
    # What follows the verb is the verb's, options included.
    context_settings={"allow_interspersed_args": False},
    short_help="Run a verb in a cluster, follow its log, and end as it ends.",
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="VERB [ARGUMENT]...")
@click.option("--namespace", metavar="NAME", help="Namespace of the cluster. Default: ratchet, or the pod's own.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig. Default: the current one.")
def in_cluster(words: tuple[str, ...], namespace: str | None, context: str | None) -> None:
    """Run VERB [ARGUMENT]... where MLflow, the store and the servers are in reach; its exit code is this one's.

    \b
    ratchet in-cluster retrain                      a cycle, as the CronJob makes one
    ratchet in-cluster score ENGINE [FROM] [TO]     by the component batch-scoring; sklearn or spark
    ratchet in-cluster show                         any other verb, with the rights of a rollout

    It needs a kubeconfig that may create Jobs. --namespace and --context come before VERB. Interrupted, it leaves what
    it has begun at work.
    """  # noqa: D301  # \\b is the character that keeps click from wrapping what follows
    from ratchet.cli import events
    from ratchet.jobs import in_cluster

    events.configure()
    end = in_cluster.run(words, namespace, context, click.echo)
    if end.code:
        click.echo(f"ratchet: {end.sentence}", err=True)
        sys.exit(end.code)
