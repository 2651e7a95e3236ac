"""The verbs of inference: serve a model over HTTP, score a whole table."""

import os

import click

from ratchet.cli.options import engine_argument, settings_of, with_settings


@click.command(short_help="Serve a version of an engine's model over HTTP.")
@engine_argument
@with_settings
@click.option(
    "--version",
    type=click.IntRange(min=1),
    envvar="RATCHET_VERSION",
    help="Number of the version. Default: the champion; the server waits until there is one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port to listen on.")
def serve(engine: str, environment: str, overrides: tuple[str, ...], version: int | None, host: str, port: int) -> None:
    """Serve the model of ENGINE, sklearn or spark, over MLflow's scoring protocol.

    \b
    POST /invocations                     labels, as from `mlflow models serve`
    POST /invocations?probabilities=true  labels and probabilities
    GET  /ping /version                   as from `mlflow models serve`; /ping returns 503 until the model is loaded
    GET  /metrics                         requests, latency, labels, the version, for Prometheus

    With serving.token_file, predictions need one of its tokens: `Authorization: Bearer …`.
    """  # noqa: D301  # \\b keeps click from wrapping the lines that follow
    # Requests are many and small: threads that share the rows of one spend more time on synchronization than on rows.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    settings = settings_of(environment, overrides)
    from ratchet.jobs import serve

    serve.serve(settings, engine, version, host, port)


@click.command(short_help="Score a table with a registered version.")
@engine_argument
@click.argument("source", required=False, metavar="[FROM]")
@click.argument("target", required=False, metavar="[TO]")
@click.option(
    "--version", type=click.IntRange(min=1), metavar="N", help="Number of the version. Default: the champion."
)
@with_settings
def score(
    engine: str,
    source: str | None,
    target: str | None,
    version: int | None,
    environment: str,
    overrides: tuple[str, ...],
) -> None:
    """Score every row of a table with a version of ENGINE's model, sklearn or spark, and write Parquet.

    [FROM] is a table as in data.uri: Parquet or CSV, a file or a folder, local or s3://bucket/prefix. It needs the
    model's input columns, but neither label nor timestamp. [TO] is a separate folder or s3://bucket/prefix. They
    default to score.source and score.target in the settings.

    [TO] gets all columns of the table plus predicted_label (1 or 0), probability (of 1) and model_version; a table
    with a column of one of these names is rejected. [TO] holds one result: a call removes the result of an earlier one
    and writes the file _SUCCESS last. So it may be run again, and a reader that waits for _SUCCESS never sees a partial
    result.
    """
    settings = settings_of(environment, overrides)
    from ratchet.engines.opening import open_scorer

    opened = open_scorer(engine, settings)  # Spark starts while MLflow is imported
    from ratchet.jobs import score

    click.echo(score.score(settings, engine, source, target, version, opened).sentence)
