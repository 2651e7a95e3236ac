"""Who says where Spark runs, and what follows from that."""

from pathlib import Path

import pytest

from ratchet.engines.spark.conf import check_shared, everywhere, master_is_given
from ratchet.errors import ConfigurationError
from ratchet.settings import Settings


def settings(**conf):
    tree = {"model": "flights", "data": {"uri": "t", "timestamp": "at", "label": {"column": "late", "positive": True}}}
    return Settings.model_validate({**tree, "spark": {"conf": conf}})


@pytest.mark.parametrize(
    "variables",
    [
        {"PYSPARK_GATEWAY_PORT": "4711"},
        {"MASTER": "spark://host:7077"},
        {"PYSPARK_SUBMIT_ARGS": "--master spark://host:7077 pyspark-shell"},
        {"PYSPARK_SUBMIT_ARGS": "--conf spark.master=spark://host:7077 pyspark-shell"},
    ],
)
def test_a_master_from_the_environment_is_respected(variables):
    assert master_is_given(settings(), variables)


def test_a_master_from_sparks_own_defaults_is_respected(tmp_path):
    (tmp_path / "spark-defaults.conf").write_text("spark.master  k8s://https://host\n")
    assert master_is_given(settings(), {"SPARK_CONF_DIR": str(tmp_path)})


def test_a_master_from_the_file_that_spark_submit_is_given_is_respected(tmp_path):
    (tmp_path / "of the driver.properties").write_text("spark.master=k8s\\://https\\://host\n")
    arguments = f"--properties-file '{tmp_path}/of the driver.properties' pyspark-shell"
    assert master_is_given(settings(), {"PYSPARK_SUBMIT_ARGS": arguments})


def test_a_master_from_the_settings_is_respected():
    assert master_is_given(settings(**{"spark.master": "spark://host:7077"}), {})


def test_nothing_of_that_means_this_machine(tmp_path):
    (tmp_path / "spark-defaults.conf").write_text("# spark.master spark://host:7077\nspark.ui.enabled true\n")
    variables = {"SPARK_CONF_DIR": str(tmp_path), "PYSPARK_SUBMIT_ARGS": "--conf spark.ui.enabled=true pyspark-shell"}
    assert not master_is_given(settings(), variables)


def test_the_image_names_no_master_so_a_verb_in_one_pod_of_it_has_spark_to_itself():
    conf = Path(__file__).parents[2] / "images/trainer-spark/conf"
    assert (conf / "spark-defaults.conf").is_file()
    assert not master_is_given(settings(), {"SPARK_CONF_DIR": str(conf)})


def test_a_cluster_without_a_shared_folder_is_refused(monkeypatch):
    monkeypatch.delenv("MLFLOW_DFS_TMP", raising=False)
    with pytest.raises(ConfigurationError, match=r"Spark runs at k8s://host, but MLFLOW_DFS_TMP is not set"):
        check_shared("k8s://host")
    check_shared("local[2]")
    monkeypatch.setenv("MLFLOW_DFS_TMP", "s3a://scratch/tmp")
    check_shared("k8s://host")


@pytest.mark.parametrize(("folder", "system"), [("s3a://scratch/tmp", "s3a://scratch"), ("/tmp/models", None)])  # noqa: S108
def test_sparks_default_file_system_is_that_of_the_shared_folder(monkeypatch, folder, system):
    monkeypatch.setenv("MLFLOW_DFS_TMP", folder)
    assert everywhere().get("spark.hadoop.fs.defaultFS") == system
