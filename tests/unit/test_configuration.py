import json
from traceback import format_exception

import jsonschema
import pytest
import yaml

from ratchet import configuration
from ratchet.cli.options import same_settings
from ratchet.core.objective import F1, Objective
from ratchet.errors import ConfigurationError
from ratchet.settings import Settings

SMALLEST = """
model: flights
data:
  uri: data/flights
  timestamp: at
  label: {column: late, positive: true}
"""


@pytest.fixture
def load(tmp_path):
    (tmp_path / "dev.yaml").write_text(SMALLEST)

    def load(*overrides, **variables):
        return configuration.load("dev", overrides, tmp_path, variables)

    return load


def test_unset_means_the_default(load):
    settings = load()
    assert settings.windows.test == "1mo"
    assert settings.sklearn.estimator == "hist_gradient_boosting"
    assert settings.promotion.compare == "same_rows"


def test_the_environment_wins_over_the_file_and_the_command_over_both(load):
    variables = {"RATCHET__DATA__URI": "from-the-environment"}
    assert load(**variables).data.uri == "from-the-environment"
    assert load("data.uri=from-the-command", **variables).data.uri == "from-the-command"


def test_the_usual_variable_of_mlflow_names_the_server(load):
    assert load(MLFLOW_TRACKING_URI="http://127.0.0.1:5000").tracking.uri == "http://127.0.0.1:5000"


def test_names_of_parameters_keep_their_dots_and_capitals(load):
    settings = load("spark.conf.spark.sql.shuffle.partitions=4", RATCHET__SPARK__PARAMS__maxIter="7")
    assert settings.spark.conf == {"spark.sql.shuffle.partitions": 4}
    assert settings.spark.params == {"maxIter": 7}


@pytest.mark.parametrize(
    ("text", "value"), [("yes", "yes"), ("no", "no"), ("true", True), ("2013-12-01", "2013-12-01")]
)
def test_only_true_and_false_are_booleans_and_a_date_is_text(load, text, value):
    assert load(f"data.label.positive={text}").data.label.positive == value


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.url=x", "data.url is no setting"),
        ("data.label=late", "data.label is 'late': a section with keys is accepted"),
        ("data.numeric=age", "data.numeric is 'age': a list is accepted"),
        ("sklearn.params=7", "sklearn.params is 7: keys with values are accepted"),
        ("data.checks.row=warn", "data.checks.row is no setting"),
        ("data.checks.rows=stop", "data.checks.rows is 'stop': input should be 'refuse', 'warn' or 'ignore'"),
        ("data.bounds={a: {min: 2, max: 1}}", "data.bounds.a: min is 2.0 and max is 1.0; min must not be above max"),
        ("data.bounds={a: {missing: 1.5}}", "data.bounds.a.missing is 1.5: input should be less than or equal to 1"),
        ("data.bounds={a: {minimum: 1}}", "data.bounds.a.minimum is no setting"),
        ("data.features=[born]", "data.features is for estimators of your own, and sklearn.estimator is hist"),
        ("data.features=[late]", "the column 'late' has two roles; timestamp, label and the three kinds"),
        ("seed=x", "seed is 'x'"),
        ("seed=1.5", "seed is 1.5"),
        ("seed", "an equals sign"),
        ("data.csv.encoding=hex", "'hex' is not an encoding of text files"),
        ("data.csv.encoding=utf-9", "'utf-9' is not an encoding of text files"),
        ("data.csv.encoding=punycode", "'punycode' is not an encoding of text files; utf-8, .* are examples"),
        ("data.csv.separator=§", "'§' can't separate values"),
        ("data.csv.separator='\"'", "can't separate values"),
        ("data.timestamp_format=%d.%m", "data.timestamp_format: '%d.%m' must have the year once, as %Y or %y"),
        ("data.uri=", "is empty"),
        ("data.uri=  ", "is empty"),
        ("data.uri=[", "is no value"),
        ("model.name=x", "has no keys"),
        ("model=../x", "model is '../x'"),
        ("model=a;rm", "model is 'a;rm'"),
        ("model=" + "a" * 41, "model is"),
        ("windows.test=1y", "d, w or mo"),
        ("sklearn.memory_limit=4GB", "MiB or GiB"),
        ("sklearn.estimator=catboost", "sklearn.estimator is 'catboost'"),
        ("spark.estimator=svm", "spark.estimator is 'svm'"),
        ("evaluation.score_levels=100", "power of two"),
        ("promotion.confidence=1", "promotion.confidence is 1"),
        ("promotion={compare: recorded, confidence: 0.9}", "omit confidence"),
        ("promotion.objective=f2", "promotion.objective: 'f2' is no objective; f1, {beta: 2} and"),
        ("promotion.objective.beta=0", "promotion.objective: beta is 0; a number greater than 0"),
        ("promotion.objective.beta=.inf", "promotion.objective: beta is inf"),
        ("promotion.objective.gamma=1", "promotion.objective: {'gamma': 1} is no objective"),
        ("promotion.objective.cost.false_positive=0", "both false_positive and false_negative are needed"),
        ("promotion.objective.cost={false_positive: 0, false_negative: 8}", "the cost of a false positive is 0"),
        ("promotion={compare: recorded, objective: {beta: 2}}", "only recorded F1 is compared"),
        ("promotion.compare=newest", "promotion.compare is 'newest'"),
        ("evaluation.slices=[7]", "evaluation.slices.0: 7 is no slice; accepted is a column's name"),
        ("evaluation.slices=[{a: []}]", "is no slice"),
        ("evaluation.slices=[{a: [3, 2]}]", "is no slice; accepted is .* with ascending edges"),
        ("evaluation.slices=[{a: [1, .nan]}]", "is no slice"),
        ("evaluation.slices=[{a: [1], b: [2]}]", "is no slice"),
        ("evaluation.slices=[a, {a: [1]}]", "slices names the column 'a' more than once"),
        ("evaluation.slices=[late]", "evaluation.slices names the label column 'late'"),
        ("evaluation.slices=[at]", "evaluation.slices names the timestamp column 'at'"),
        ("promotion.guardrails=[{metric: recal, at_least: 0.5}]", "promotion.guardrails.0.metric is 'recal'"),
        ("promotion.guardrails=[{metric: recall}]", "at_least, at_most and not_worse_by is accepted, not none"),
        ("promotion.guardrails=[{metric: f1, at_least: 0, not_worse_by: 0}]", "not at_least and not_worse_by"),
        ("promotion.guardrails=[{metric: f1, at_most: 1}]", "at_most does not bound f1, of which more is better"),
        ("promotion.guardrails=[{metric: brier, at_least: 0}]", "at_least does not bound brier, of which less"),
        ("promotion.guardrails=[{metric: f1, not_worse_by: -1}]", "promotion.guardrails.0.not_worse_by is -1"),
        ("promotion.guardrails=[{metric: roc_auc, not_worse_by: 0}]", "roc_auc can only have at_least"),
        ("promotion.guardrails=[{metric: objective, at_least: 0}]", "objective can only have not_worse_by"),
        ("promotion.guardrails=[{metric: f1, slice: a, not_worse_by: 0}]", "'a', which is not in evaluation.slices"),
        ("retrain.engines=[]", "retrain.engines"),
        ("retrain.engines=[torch]", "'torch'"),
        ("data.numeric=[late]", "two roles"),
        ("data.label.known_after=14", "data.label.known_after is 14"),
        ("data.label.known_after=0d", "a number from 1 to 9999"),
        ("data.label.missing=ignore", "data.label.missing is 'ignore'"),
        ("data.label.known_at=at", "'at' has two roles; label.known_at is distinct"),
        ("windows.gap=none", "d, w or mo"),
        ("data.entity=late", "entity is neither the timestamp nor the label"),
        ("data.timezone=Mars/Base", "time zone"),
        ("data.label.positive=null", "data.label.positive"),
    ],
)
def test_a_wrong_value_is_refused_by_its_path(load, override, said):
    with pytest.raises(ConfigurationError, match=said.replace("[", r"\[")):
        load(override)


def test_an_objective_is_set_in_three_ways_and_f1_is_the_default(load):
    assert load().promotion.objective == F1
    assert load("promotion.objective=f1").promotion.objective == F1
    by_beta = load("promotion.objective.beta=2")
    assert by_beta.promotion.objective == Objective(beta=2.0)
    assert by_beta.flattened()["promotion.objective.beta"] == "2.0"
    costs = ("promotion.objective.cost.false_positive=1", "promotion.objective.cost.false_negative=8")
    assert load(*costs).promotion.objective == Objective(cost=(1.0, 8.0))
    assert load(RATCHET__PROMOTION__OBJECTIVE="{beta: 0.5}").promotion.objective == Objective(beta=0.5)
    assert Settings.model_validate(by_beta.model_dump()) == by_beta
    assert load().flattened()["promotion.objective"] == "f1"


def test_a_fixed_floor_is_refused_for_a_cost(load):
    costs = ("promotion.objective.cost.false_positive=1", "promotion.objective.cost.false_negative=8")
    with pytest.raises(ConfigurationError, match=r"watch.floor is an F1 or F-beta, and promotion.objective is a cost"):
        load(*costs, "watch.floor=0.4")
    assert load("promotion.objective.beta=2", "watch.floor=0.4").watch.floor == 0.4


def test_an_empty_or_unknown_variable_is_refused(load):
    with pytest.raises(ConfigurationError, match="RATCHET__SEED is empty"):
        load(RATCHET__SEED="")
    with pytest.raises(ConfigurationError, match="seeds is no setting"):
        load(RATCHET__SEEDS="1")


@pytest.mark.parametrize("name", ["../dev", "dev;ls", "DEV", "", "a/b"])
def test_the_name_of_an_environment_can_not_leave_its_folder(name, tmp_path):
    with pytest.raises(ConfigurationError, match="lower-case letters"):
        configuration.load(name, (), tmp_path, {})


def test_a_missing_environment_names_those_that_exist(tmp_path):
    (tmp_path / "dev.yaml").write_text(SMALLEST)
    with pytest.raises(ConfigurationError, match=r"environments in .*: dev"):
        configuration.load("prod", (), tmp_path, {})


@pytest.mark.parametrize("content", ["- a list", "a: [", "", "\x80"])
def test_a_file_that_is_no_mapping_is_refused(content, tmp_path):
    (tmp_path / "dev.yaml").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"dev\.yaml"):
        configuration.load("dev", (), tmp_path, {})


def test_what_is_missing_is_named(tmp_path):
    (tmp_path / "dev.yaml").write_text("model: flights\n")
    with pytest.raises(ConfigurationError, match="data is missing"):
        configuration.load("dev", (), tmp_path, {})


def test_every_setting_is_logged_by_its_path_without_passwords(load):
    flat = load("tracking.uri=http://me:secret@127.0.0.1:5000", "sklearn.params.max_iter=9").flattened()
    assert flat["sklearn.params.max_iter"] == "9"
    assert flat["data.label.column"] == "late"
    assert flat["tracking.uri"] == "http://me:***@127.0.0.1:5000"


def test_the_schema_accepts_the_configurations_that_load():
    schema = configuration.json_schema()
    for name in ("dev", "prod"):
        jsonschema.validate(yaml.safe_load((configuration.FOLDER / f"{name}.yaml").read_text()), schema)
        configuration.load(name, (), configuration.FOLDER, {})


def test_the_schema_refuses_an_unknown_key_and_explains_each_known_one():
    schema = configuration.json_schema()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**yaml.safe_load(SMALLEST), "sead": 1}, schema)
    for name, section in json.loads(json.dumps(schema))["$defs"].items():
        for key, field in section["properties"].items():
            assert "$ref" in field or field["description"], f"{name}.{key} has no description"


ADDRESS = "https://hooks.example.com/services/NEVER-SHOWN"


def test_the_webhook_is_a_secret_wherever_settings_are_shown(load):
    chosen = load(RATCHET__NOTIFY__URL=ADDRESS, RATCHET__NOTIFY__KEY="NEVER-SHOWN-0123456789")
    assert chosen.notify.url.get_secret_value() == ADDRESS
    shown = [repr(chosen), str(chosen), chosen.model_dump_json(), json.dumps(chosen.flattened())]
    assert "NEVER-SHOWN" not in "".join(shown)
    assert {"notify.url", "notify.key", "notify.seconds"} <= chosen.flattened().keys()


@pytest.mark.parametrize("key", ["1234567890123456", "0x12345678901234", "@{[:&*!#%0123456", "true: 1234567890"])
def test_a_key_is_taken_as_it_is_without_what_surrounds_it(load, key):
    assert load(RATCHET__NOTIFY__KEY=f" {key}\n").notify.key.get_secret_value() == key
    assert load("notify.key=null", RATCHET__NOTIFY__KEY=key).notify.key is None


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("RATCHET__NOTIFY__URL", "ftp://NEVER-SHOWN/x", "notify.url: an address with http:// or https:// and a host"),
        ("RATCHET__NOTIFY__URL", "NEVER-SHOWN", "notify.url: an address with http:// or https:// and a host"),
        ("RATCHET__NOTIFY__URL", "https://", "notify.url: an address with http:// or https:// and a host"),
        ("RATCHET__NOTIFY__URL", "http://[NEVER-SHOWN", "notify.url: an address with http:// or https:// and a host"),
        (
            "RATCHET__NOTIFY__URL",
            "http://a:NEVER-SHOWN/x",
            "notify.url: an address with http:// or https:// and a host",
        ),
        (
            "RATCHET__NOTIFY__URL",
            "http://a/NEVER-SHOWN x",
            "notify.url: an address with http:// or https:// and a host",
        ),
        ("RATCHET__NOTIFY__URL", "https://a:NEVER-SHOWN@b/x", "notify.url: a user name or password in the address"),
        ("RATCHET__NOTIFY__KEY", "NEVER-SHOWN", "notify.key: at least 16 characters"),
        ("RATCHET__NOTIFY", "NEVER-SHOWN", "notify: input should be"),
        ("RATCHET__NOTIFY", "{url: [NEVER-SHOWN]}", "notify.url: input should be"),
        ("RATCHET__NOTIFY", "{url: NEVER-SHOWN", "RATCHET__NOTIFY is no value in YAML"),
        ("RATCHET__NOTIFY__SECONDS", "NEVER-SHOWN", "notify.seconds: input should be"),
        ("RATCHET__NOTIFY__ON", "[often]", "notify.on.0: input should be 'promoted'"),
    ],
)
def test_an_error_about_the_webhook_does_not_show_what_may_be_a_secret(load, variable, text, said):
    with pytest.raises(ConfigurationError) as found:
        load(**{variable: text})
    assert said in str(found.value)
    assert found.value.exit_code == 2
    traceback = "".join(format_exception(found.value))
    assert "NEVER-SHOWN" not in traceback


def test_what_tells_the_team_is_not_passed_on_to_a_step():
    given = ("notify.url=https://x", "NOTIFY.KEY=0123456789abcdef", "notify={form: plain}", "seed=notify.url=")
    assert same_settings("dev", given) == ["--env", "dev", "--set", "seed=notify.url="]
