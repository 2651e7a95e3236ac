"""What was scraped, as blocks of a real Prometheus that has the project's rules.

Prometheus has no way to be told the past but OpenMetrics with times, from which promtool makes blocks.
"""

import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import requests

from tests.integration.conftest import free_port
from tests.manifests.kustomize import ROOT
from tests.manifests.promtool import PROMTOOL, tool_at

PROMETHEUS = tool_at("prometheus")
RULES = ROOT / "k8s/components/monitoring/rules/ratchet.yaml"
# Facts are told by the hour, and the last ones at most two hours ago; in a cluster it is 5 minutes.
LOOKBACK = "130m"
SECONDS = 90
_SAMPLE = re.compile(r"^(?P<name>ratchet_\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)


def stamped(page, at, **labels):
    """The samples of a page in OpenMetrics, with the labels that Prometheus adds and a time; None: it was not up."""
    own = ",".join(f'{name}="{value}"' for name, value in labels.items())
    yield f"up{{{own}}} {int(page is not None)} {at:.3f}"
    for found in _SAMPLE.finditer(page or ""):
        if not found["name"].endswith("_created"):
            told = f"{found['labels']},{own}" if found["labels"] else own
            yield f"{found['name']}{{{told}}} {found['value']} {at:.3f}"


def promtool(*words):
    done = subprocess.run([PROMTOOL, *map(str, words)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def prometheus(folder, lines, rates_from):
    """The address of a Prometheus with this past. lines: of OpenMetrics. rates_from: when the servers' past begins."""
    (folder / "past.txt").write_text("\n".join([*lines, "# EOF", ""]))
    promtool("tsdb", "create-blocks-from", "openmetrics", "--quiet", folder / "past.txt", folder / "data")
    _write_rules(folder)
    for _ in range(2):  # a rule that reads another one's values finds them the second time
        with _running(folder, rules=False) as address:
            rates = [f"--start={rates_from:.0f}", f"--end={time.time():.0f}", "--eval-interval=30s", f"--url={address}"]
            promtool("tsdb", "create-blocks-from", "rules", *rates, f"--output-dir={folder / 'rates'}", RULES)
        for block in (folder / "rates").iterdir():
            shutil.move(block, folder / "data" / block.name)
    with _running(folder, rules=True) as address:
        yield address


def _write_rules(folder):
    """The project's rules; alerts don't wait, as what they wait for lies in the past."""
    text, number = re.subn(r"\bfor: \d+[mh]$", "for: 0s", RULES.read_text(), flags=re.MULTILINE)
    assert number > 5
    (folder / "rules.yaml").write_text(text)
    (folder / "none.yml").write_text("{}\n")
    (folder / "some.yml").write_text(f"global: {{evaluation_interval: 3s}}\nrule_files: [{folder}/rules.yaml]\n")


@contextmanager
def _running(folder, *, rules):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [PROMETHEUS, f"--config.file={folder}/{'some' if rules else 'none'}.yml"]
    command += [f"--storage.tsdb.path={folder}/data", "--storage.tsdb.retention.time=60d"]
    command += [f"--web.listen-address=127.0.0.1:{port}", f"--query.lookback-delta={LOOKBACK}"]
    with (folder / "prometheus.log").open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _until(f"{address}/-/ready", process, folder)
            yield address
        finally:
            process.terminate()
            process.wait(30)


def _until(address, process, folder):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(address, timeout=5):  # noqa: S310  # an address of ours
                return
        except (URLError, ConnectionError):
            time.sleep(0.1)
    pytest.fail((folder / "prometheus.log").read_text()[-2000:])


def wait_for(address, expression):
    """Wait until an expression has a result."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = requests.get(f"{address}/api/v1/query?{urlencode({'query': expression})}", timeout=10).json()
        if found["data"]["result"]:
            return found["data"]["result"]
        time.sleep(0.3)
    pytest.fail(f"not within {SECONDS} s: {expression}")
