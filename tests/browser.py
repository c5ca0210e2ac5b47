"""A page in a headless Chromium, spoken to by its devtools protocol."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from websockets.sync.client import ClientConnection, connect

__all__ = ["CHROMIUM", "Page", "opened"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
PATIENCE_S = 60.0


class Page:
    """One page; what it logs and what goes wrong in it is kept.

    Attributes:
        complaints: Errors and warnings of the console, exceptions, and requests of files.
    """

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self._socket, self._session, self._number = socket, session, 0
        self._events: list[dict[str, Any]] = []
        self.complaints: list[str] = []

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """What the browser answers to a command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        self._socket.send(json.dumps({**message, "sessionId": self._session}))
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])

    def _receive(self) -> dict[str, Any]:
        answer = json.loads(self._socket.recv(timeout=PATIENCE_S))
        self._note(answer)
        return dict(answer)

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(" ".join(str(a.get("value")) for a in params["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"]["exception"]["description"])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith(("data:", "blob:", "file:")):
                self.complaints.append(f"asks for {url}")
        if method:
            self._events.append(event)

    def open(self, path: Path, width: int, height: int, *, is_touch: bool = False) -> None:
        """Loads a file in a window of some size, and waits until its figures are drawn."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if is_touch else 1,
            mobile=is_touch,
        )
        if is_touch:
            self.ask("Emulation.setTouchEmulationEnabled", enabled=True)
        self._events.clear()
        self.ask("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._receive()
        assert self.run(IS_DRAWN)

    def run(self, script: str) -> Any:
        """The value of some Javascript, of a promise too."""
        answer = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def point_at(self, x: float, y: float) -> None:
        """Moves the mouse there."""
        for step in (3, 0):
            self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x + step, y=y)

    def touch(self, x: float, y: float) -> None:
        """Taps with a finger."""
        self.ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def printed(self, path: Path) -> None:
        """The page as it is printed on A4, as PDF."""
        size = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}
        made = self.ask("Page.printToPDF", printBackground=True, **size)
        path.write_bytes(base64.b64decode(made["data"]))


IS_DRAWN = """
new Promise((done) => {
  const look = () => {
    const views = [...(globalThis.Bokeh?.index ?? [])];
    const places = document.querySelectorAll("figure").length;
    if (views.length >= places && views.every((view) => view.has_finished())) done(true);
    else setTimeout(look, 50);
  };
  look();
})
"""


@contextmanager
def opened() -> Iterator[Page]:
    """An empty page of a browser that is closed at the end."""
    assert CHROMIUM is not None
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
        own = ("--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run")
        browser = subprocess.Popen(
            [CHROMIUM, *options, *own, "about:blank"], stderr=subprocess.PIPE, text=True
        )
        try:
            with connect(_address(browser), max_size=None) as socket:
                yield Page(socket, _session(socket))
        finally:
            browser.terminate()
            browser.wait(PATIENCE_S)
            if browser.stderr:
                browser.stderr.close()


def _address(browser: "subprocess.Popen[str]") -> str:
    """Where it listens, as it says itself."""
    assert browser.stderr is not None
    for line in browser.stderr:
        if line.startswith("DevTools listening on "):
            return line.removeprefix("DevTools listening on ").strip()
    raise RuntimeError("the browser ended before it listened")


def _session(socket: ClientConnection) -> str:
    """Of the page that is open."""

    def ask(number: int, method: str, **params: Any) -> dict[str, Any]:
        socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(socket.recv(timeout=PATIENCE_S))
            if answer.get("id") == number:
                return dict(answer["result"])

    targets = ask(1, "Target.getTargets")["targetInfos"]
    page = next(target["targetId"] for target in targets if target["type"] == "page")
    return str(ask(2, "Target.attachToTarget", targetId=page, flatten=True)["sessionId"])
