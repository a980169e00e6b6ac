"""A headless Chromium for tests of pages, driven through its DevTools protocol over a pipe; what it says of errors is kept."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE_S = 60.0  # of one command: a machine that is busy may take long, one that hangs ends the test
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find_browser() -> str | None:
    """Path of an installed Chromium, None if there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page of a browser. Use as a context; every command ends within PATIENCE_S, or TimeoutError is raised and the browser ended."""

    def __init__(self, program: str) -> None:
        self.errors: list[str] = []
        """Exceptions, console errors and warnings, refused loads and dialogs of the pages so far."""
        self._folder = tempfile.mkdtemp()
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        ours = [
            _above(end) for end in (to_read, to_write)
        ]  # it reads from 3 and writes to 4, which may be other files here
        nothing = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_RDWR, 0) for n in range(3)]
        given = [(os.POSIX_SPAWN_DUP2, end, n) for n, end in enumerate(ours, start=3)]
        command = [program, *_FLAGS, f"--user-data-dir={self._folder}", "about:blank"]
        self._pid: int | None = os.posix_spawn(program, command, os.environ, file_actions=nothing + given, setpgroup=0)
        for end in ours:
            os.close(end)
        self._buffer, self._count, self._session, self._loaded = b"", 0, "", set[str]()

    def __enter__(self) -> Browser:
        try:
            target = self._ask("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Performance"):
                self._ask(f"{domain}.enable")
            self._ask("Page.setLifecycleEventsEnabled", enabled=True)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def open(self, path: Path, fragment: str = "") -> None:
        """Load a file, and wait until it and its script are through."""
        for url in (
            "about:blank",
            path.resolve().as_uri() + fragment,
        ):  # where only the fragment differs nothing would be loaded
            loader = self._ask("Page.navigate", url=url).get("loaderId", "")
            self._until(lambda wanted=loader: not wanted or wanted in self._loaded)

    def run(self, expression: str) -> Any:
        """Value of an expression in the page; a promise is awaited, an exception is an AssertionError here."""
        reply = self._ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        end_s = time.monotonic() + PATIENCE_S
        while not self.run(f"Boolean({expression})"):
            if time.monotonic() > end_s:
                raise TimeoutError(f"{expression} did not become true in {PATIENCE_S:g} s")
            time.sleep(0.02)

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """Size of the window in pixels, and the theme that it prefers."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[theme])

    def click(self, x: float, y: float) -> None:
        """Press and release the mouse at a pixel of the window."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press and release a key, by its name in JavaScript."""
        text = {"text": key} if len(key) == 1 else {}
        self._ask("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self._ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def picture(self, path: Path, whole: bool = False) -> None:
        """Write what is shown as PNG; whole: the page down to its end."""
        shot = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def cpu_s(self) -> dict[str, float]:
        """Seconds that the page's thread has spent so far: `TaskDuration` on all, `ScriptDuration` in scripts."""
        metrics = self._ask("Performance.getMetrics")["metrics"]
        return {one["name"]: one["value"] for one in metrics if one["name"].endswith("Duration")}

    def processes_cpu_s(self) -> float:
        """Seconds of CPU that all processes of the browser have taken so far; on Linux."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # one that has ended meanwhile
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self._pid:  # its process group
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        number, session = self._count, {"sessionId": self._session} if self._session else {}
        message = {"id": number, "method": method, "params": params, **session}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        found: list[dict[str, Any]] = []
        self._until(lambda: bool(found), lambda reply: found.append(reply) if reply.get("id") == number else None)
        if "error" in found[0]:
            raise RuntimeError(f"{method}: {found[0]['error']['message']}")
        return found[0]["result"]

    def _until(self, done: Any, listen: Any = lambda reply: None) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not done():
            ready, _, _ = select.select([self._read], [], [], max(0.0, end_s - time.monotonic()))
            data = os.read(self._read, 1 << 16) if ready else b""
            if not data:
                self._end()
                raise TimeoutError("the browser ended" if ready else f"the browser said nothing for {PATIENCE_S:g} s")
            *messages, self._buffer = (self._buffer + data).split(b"\0")
            for text in messages:
                message = json.loads(text)
                self._note(message)
                listen(message)

    def _note(self, message: dict[str, Any]) -> None:
        """Keep what a page did that it should not have done."""
        method, params = message.get("method"), message.get("params", {})
        if method == "Page.lifecycleEvent" and params["name"] == "load":
            self._loaded.add(params["loaderId"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(one.get("value", one.get("description"))) for one in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        elif method == "Page.javascriptDialogOpening":
            self.errors.append(f"dialog: {params['message']}")

    def _end(self) -> None:
        """End the browser and remove its folder."""
        if self._pid is not None:
            os.killpg(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = None
            os.close(self._write)
            os.close(self._read)
        shutil.rmtree(self._folder, ignore_errors=True)


def _above(end: int) -> int:
    """The same end of a pipe under a number that nobody else wants."""
    moved = fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(end)
    return moved
