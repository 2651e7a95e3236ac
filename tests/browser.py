"""A real Chromium without a screen, driven over its pipe: pages are opened, measured, walked through by keyboard.

The commands are those of the Chrome DevTools protocol, one JSON text each, ended by a zero byte.
"""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")
REQUIRED = "RATCHET_CHROMIUM_REQUIRED"
_SECONDS = 60
_FIRST_HIGH = 64  # well above the two descriptors that Chromium expects


def chromium():
    """The path of a Chromium; where there is none, the test is skipped, or fails if one is required."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        why = f"no Chromium on the PATH ({', '.join(NAMES)}); apt-get install chromium-headless-shell"
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(why)
    return found


class Tab:
    """One page. requested: the addresses that it has asked for. problems: what its console complained of."""

    def __init__(self, write, read):
        self._write, self._read, self._left = write, read, b""
        self._numbers, self._session = itertools.count(1), None
        self.requested, self.problems = [], []
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log", "Accessibility"):
            self.do(f"{domain}.enable")

    def do(self, method, **parameters):
        """The result of one command."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda event: event.get("id") == number)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def open(self, address, width=1280, height=900, *, dark=False, phone=False):
        """Open a page in a window of that size."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.do("Emulation.setEmulatedMedia", features=features)
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.requested.clear()
        assert "errorText" not in self.do("Page.navigate", url=address)
        self._until(lambda event: event.get("method") == "Page.loadEventFired")

    def value(self, script):
        """The value of a JavaScript expression; evaluated from outside, so the page's own policy does not matter."""
        answer = self.do("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key, code):
        """Press a key. code: as Windows numbers it: 9 is Tab, 13 Enter."""
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def roles(self):
        """What assistive technology is told: (role, name) of each node that is not ignored."""
        nodes = self.do("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]

    def picture(self, path):
        """Save the whole page as a PNG file."""
        size = self.do("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self.do("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def _until(self, wanted):
        deadline = time.monotonic() + _SECONDS
        while True:
            while b"\0" in self._left:
                text, _, self._left = self._left.partition(b"\0")
                event = json.loads(text)
                self._note(event)
                if wanted(event):
                    return event
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"Chromium did not answer within {_SECONDS} s"
            data = os.read(self._read, 1 << 20)
            assert data, "Chromium has ended"
            self._left += data

    def _note(self, event):
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requested.append(event["params"]["request"]["url"])
            case "Log.entryAdded":
                self.problems.append(event["params"]["entry"]["text"])
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                self.problems.append(str(event["params"]))


@contextmanager
def browsing():
    """A tab of a Chromium that ends with the block."""
    path = chromium()
    (theirs_in, ours_out), (ours_in, theirs_out) = _pipe(), _pipe()
    with TemporaryDirectory(ignore_cleanup_errors=True) as home:
        # Root needs --no-sandbox; only pages of these tests are opened.
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        options += ["--remote-debugging-pipe", f"--user-data-dir={home}"]
        command = ["bash", "-c", f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}', path, *options]
        process = subprocess.Popen(
            command, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Tab(ours_out, ours_in)
        finally:
            process.kill()
            process.wait(_SECONDS)
            os.close(ours_in)
            os.close(ours_out)


def _pipe():
    """The two ends of a pipe, with numbers that don't collide with the two that Chromium expects."""
    low = os.pipe()
    high = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _FIRST_HIGH) for one in low]
    for one in low:
        os.close(one)
    return high
