"""A headless Chromium for tests of pages: the few WebDriver calls (W3C) they need, over plain HTTP to chromedriver."""

import base64
import gzip
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

# A new profile that calls nobody: the pages are local files.
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key that WebDriver gives elements


def unpack(text: str) -> tuple[dict, dict[str, np.ndarray]]:
    """Content and arrays of a packed text, as a page reads them."""
    whole = gzip.decompress(base64.b64decode(text))
    start = 4 + int.from_bytes(whole[:4], "little")
    header = json.loads(whole[4:start])
    arrays = {}
    for name, entry in header["arrays"].items():
        count = int(np.prod(entry["shape"]))
        array = np.frombuffer(whole, f"<{entry['kind']}", count, start + entry["offset"])
        arrays[name] = array.reshape(entry["shape"])
    return header["content"], arrays


class Browser:
    """One window, driven through a session of chromedriver at `address`."""

    def __init__(self, address: str, profile: Path):
        options = {"binary": shutil.which("chromium"), "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        opened = _send("POST", f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"{address}/session/{opened['sessionId']}"

    def call(self, command: str, **content: object) -> object:
        return _send("POST", f"{self.session}/{command}", content)

    def open(self, path: Path, width: int = 1440, height: int = 1000, dark: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.cdp("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme])
        self.call("url", url=path.resolve().as_uri())

    def cdp(self, command: str, **parameters: object) -> object:
        """Command of Chrome's own protocol."""
        return self.call("goog/cdp/execute", cmd=command, params=parameters)

    def run(self, script: str, *arguments: object) -> object:
        """Value that a script's `return` gives, in the page."""
        return self.call("execute/sync", script=script, args=list(arguments))

    def wait(self, script: str, seconds: float = 20) -> object:
        """First true value of a script's `return`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.run(script)
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"never true within {seconds} s: {script}; console: {self.console()}")

    def point(self, x: float, y: float) -> None:
        """Move the mouse to a point of the window, from its corner: a mouse that stays tells the page nothing."""
        corner = {"type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": "viewport"}
        moves = [corner, corner | {"x": round(x), "y": round(y)}]
        self.call("actions", actions=[{"type": "pointer", "id": "mouse", "actions": moves}])

    def press(self, selector: str, key: str) -> None:
        """Press a key in an element, which takes the focus."""
        found = self.call("element", using="css selector", value=selector)[ELEMENT]
        self.call(f"element/{found}/value", text=key)

    def strike(self, key: str) -> None:
        """Press a key in whatever has the focus."""
        moves = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.call("actions", actions=[{"type": "key", "id": "keyboard", "actions": moves}])

    def console(self) -> list[dict]:
        """Messages of the console since the last call; level SEVERE is an error."""
        return self.call("se/log", type="browser")

    def screenshot(self, path: Path, whole: bool = True) -> None:
        taken = self.cdp("Page.captureScreenshot", captureBeyondViewport=whole, format="png")
        path.write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        _send("DELETE", self.session, None)


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser with a new profile in `folder`; skips the test where Chromium or its driver is not installed."""
    if not (shutil.which("chromedriver") and shutil.which("chromium")):
        pytest.skip("chromium and chromedriver are not installed (`setup.sh tests` installs them on Debian)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        _until_ready(address)
        browser = Browser(address, folder / "profile")
        yield browser
        browser.close()
    finally:
        driver.terminate()
        driver.wait()


def _until_ready(address: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if _send("GET", f"{address}/status", None)["ready"]:
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"chromedriver did not answer within {seconds} s")


def _send(method: str, url: str, content: dict | None) -> object:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    # Proxies of the environment are not for 127.0.0.1.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=120) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {url}: {error.read().decode()[:800]}") from error
