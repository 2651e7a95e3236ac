"""Where an experiment keeps its artifacts: a further model in a shared MLflow has a place of its own."""

import pytest
from mlflow.tracking import MlflowClient

from ratchet.errors import ConfigurationError
from ratchet.io.records.tracking import experiment_id
from ratchet.settings import Tracking

SERVER, OWN = "http://mlflow.ratchet.svc:5000", "s3://ratchet-planned-mlflow/artifacts/planned"


@pytest.fixture
def client(tmp_path):
    """MLflow on a file. What the settings call a server only says what counts."""
    return MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


def place(client, name):
    return client.get_experiment_by_name(name).artifact_location


def test_a_server_is_told_an_address_and_no_folder_of_this_machine(client):
    experiment_id(client, "planned", Tracking(uri=SERVER, artifacts=f"{OWN}/"))
    experiment_id(client, "flights", Tracking(uri=SERVER, artifacts=".ratchet/artifacts"))
    experiment_id(client, "default", Tracking(uri=SERVER, artifacts=None))
    assert place(client, "planned") == OWN
    assert "ratchet" not in place(client, "flights").rsplit("mlruns", 1)[-1]
    assert place(client, "flights").rpartition("/")[0] == place(client, "default").rpartition("/")[0]


def test_its_own_experiment_is_found_again(client):
    own = Tracking(uri=SERVER, artifacts=OWN)
    assert experiment_id(client, "planned", own) == experiment_id(client, "planned", own)


def test_a_name_that_another_model_has_is_refused(client):
    experiment_id(client, "flights", Tracking(uri=SERVER, artifacts=None))
    with pytest.raises(ConfigurationError, match="another model has this name; set `model` to one that is not taken"):
        experiment_id(client, "flights", Tracking(uri=SERVER, artifacts=OWN))
