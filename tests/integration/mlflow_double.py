"""An MLflow in memory, as far as promotions ask it: thousands of plays take seconds, and each request can be the last.

`test_interleavings` checks it against a real server.
"""

import re
from pathlib import Path
from types import SimpleNamespace

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST


def absent(name):
    return MlflowException(f"there is no {name}", RESOURCE_DOES_NOT_EXIST)


class MlflowDouble:
    """The calls of MLflow's client that a promotion makes. before: what is called before each of them."""

    def __init__(self, before=lambda: None):
        self._before = before
        self._models = {}
        self._runs = {}

    def __getattribute__(self, name):
        found = object.__getattribute__(self, name)
        if not name.startswith("_") and callable(found) and name != "add_run":
            object.__getattribute__(self, "_before")()
        return found

    def add_run(self, run_id, tags, metrics, files):
        """A finished run, newer than those that there are."""
        self._runs[run_id] = SimpleNamespace(
            info=SimpleNamespace(
                run_id=run_id,
                experiment_id="1",
                artifact_uri=f"memory:/{run_id}",
                start_time=len(self._runs),
                status="FINISHED",
            ),
            data=SimpleNamespace(tags=dict(tags), metrics=metrics),
            inputs=None,
            outputs=None,
            files=dict(files),
        )

    def get_experiment_by_name(self, name):
        return SimpleNamespace(name=name, experiment_id="1")

    def search_runs(self, experiments, filter_string, order_by=(), max_results=1000):
        wanted = dict(re.findall(r"tags\.`([^`]+)` = '([^']*)'", filter_string))
        found = [run for run in self._runs.values() if all(run.data.tags.get(key) == of for key, of in wanted.items())]
        found = [run for run in found if "'RUNNING'" not in filter_string]
        if before := re.search(r"attributes\.start_time < ([0-9]+)", filter_string):
            found = [run for run in found if run.info.start_time < int(before[1])]
        return sorted(found, key=lambda run: -run.info.start_time)[:max_results]

    def get_run(self, run_id):
        if run_id not in self._runs:
            raise absent(run_id)
        run = self._runs[run_id]
        data = SimpleNamespace(tags=dict(run.data.tags), metrics=dict(run.data.metrics))
        return SimpleNamespace(info=run.info, data=data, inputs=None, outputs=None)

    def log_batch(self, run_id, metrics=(), params=(), tags=()):
        self._runs[run_id].data.tags.update({tag.key: tag.value for tag in tags})

    def list_artifacts(self, run_id, path=None):
        within = f"{path}/" if path else ""
        return [SimpleNamespace(path=name) for name in self._runs[run_id].files if name.startswith(within)]

    def log_artifact(self, run_id, local_path):
        self._runs[run_id].files[Path(local_path).name] = Path(local_path).read_bytes()

    def download_artifacts(self, run_id, path, dst_path):
        to = Path(dst_path) / path
        to.write_bytes(self._runs[run_id].files[path])
        return str(to)

    def create_registered_model(self, name):
        if name in self._models:
            message = f"{name} exists"
            raise MlflowException(message, RESOURCE_ALREADY_EXISTS)
        self._models[name] = SimpleNamespace(tags={}, aliases={}, versions={}, made=0)

    def get_registered_model(self, name):
        model = self._model(name)
        return SimpleNamespace(name=name, tags=dict(model.tags), aliases=dict(model.aliases))

    def set_registered_model_tag(self, name, key, value):
        self._model(name).tags[key] = value

    def delete_registered_model_tag(self, name, key):
        self._model(name).tags.pop(key, None)

    def set_registered_model_alias(self, name, alias, version):
        self._version(name, version)
        self._model(name).aliases[alias] = str(version)

    def delete_registered_model_alias(self, name, alias):
        self._model(name).aliases.pop(alias, None)

    def search_model_versions(self, filter_string, max_results, page_token=None):
        name = re.fullmatch(r"name = '([^']+)'", filter_string)[1]
        begin = int(page_token or 0)
        numbers = sorted(self._model(name).versions)
        page = [self._shown(name, number) for number in numbers[begin : begin + max_results]]
        return Page(page, str(begin + max_results) if begin + max_results < len(numbers) else None)

    def create_model_version(self, name, source, run_id, tags=None, description=None, **_):
        model = self._model(name)
        model.made += 1
        model.versions[model.made] = SimpleNamespace(source=source, run_id=run_id, tags=dict(tags or {}))
        return self._shown(name, model.made)

    def get_model_version(self, name, version):
        self._version(name, version)
        return self._shown(name, int(version))

    def set_model_version_tag(self, name, version, key, value):
        self._version(name, version).tags[key] = value

    def delete_model_version_tag(self, name, version, key):
        self._version(name, version).tags.pop(key, None)

    def update_model_version(self, name, version, description=None):
        self._version(name, version)

    def delete_model_version(self, name, version):
        self._version(name, version)
        model = self._model(name)
        del model.versions[int(version)]
        model.aliases = {alias: of for alias, of in model.aliases.items() if of != str(version)}

    def _model(self, name):
        if name not in self._models:
            raise absent(name)
        return self._models[name]

    def _version(self, name, version):
        found = self._model(name).versions.get(int(version))
        if found is None:
            raise absent(version)
        return found

    def _shown(self, name, number):
        found = self._models[name].versions[number]
        return SimpleNamespace(
            name=name,
            version=str(number),
            run_id=found.run_id,
            source=found.source,
            tags=dict(found.tags),
            creation_timestamp=0,
        )


class Page(list):
    def __init__(self, entries, token):
        super().__init__(entries)
        self.token = token
