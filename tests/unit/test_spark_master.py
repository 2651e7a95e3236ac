"""Who says where Spark runs."""

import pytest

from ratchet.engines.spark_session import master_is_given
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


def test_a_master_from_the_settings_is_respected():
    assert master_is_given(settings(**{"spark.master": "spark://host:7077"}), {})


def test_nothing_of_that_means_this_machine(tmp_path):
    (tmp_path / "spark-defaults.conf").write_text("# spark.master spark://host:7077\nspark.ui.enabled true\n")
    variables = {"SPARK_CONF_DIR": str(tmp_path), "PYSPARK_SUBMIT_ARGS": "--conf spark.ui.enabled=true pyspark-shell"}
    assert not master_is_given(settings(), variables)
