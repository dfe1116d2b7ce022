"""Look at a report as people will: narrow and wide, light and dark, and say what is wrong with it.

    python scripts/look_at_report.py report.html --out looks --axe axe.min.js

Pictures go to ``--out``. The exit code is 1 if the page asks for anything, says anything on the
console, is wider than its window, or breaks a rule of axe-core, where that is given. It needs
Chromium, and speaks to it through a pipe.
"""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WIDTHS = (360, 800, 1400)
SCHEMES = ("light", "dark")
TALLEST = 16_000  # pixels of a picture
NAMES = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """A browser that listens at one pipe and speaks through another, one page in it."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = os.fdopen(to, "wb"), os.fdopen(back, "rb")
        self._rest, self._number, self.heard = b"", 0, list[dict[str, Any]]()
        target = self("Target.createTarget", url="about:blank")["targetId"]
        attached = self("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str | None = attached["sessionId"]

    _session: str | None = None

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command of the DevTools protocol; events on the way are ``heard``."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self.heard.append(answer)

    def wait_for(self, method: str) -> None:
        """Until an event has come."""
        while not any(event.get("method") == method for event in self.heard):
            self.heard.append(self._next())

    def value(self, code: str) -> Any:
        """What JavaScript gives, evaluated from outside: the page itself has none."""
        found = self("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = self._back.read1(1 << 20)
            if not piece:
                raise RuntimeError("the browser has gone")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(line))


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    """A browser with nothing in it, for as long as the block lasts."""
    (to, his_back), (his_to, back) = (os.pipe()[::-1] for _ in range(2))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:

        def pipes() -> None:
            spare = os.dup(his_back), os.dup(his_to)
            for target, source in zip((3, 4), spare, strict=True):
                os.dup2(source, target)

        given = "--headless=new --no-sandbox --disable-gpu --remote-debugging-pipe"
        process = subprocess.Popen(
            [program, *given.split(), f"--user-data-dir={folder}"],
            preexec_fn=pipes,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Browser(to, back)
        finally:
            process.terminate()
            process.wait(20)


def look(page: Path, out: Path, axe: Path | None, program: str) -> list[str]:
    """Take the pictures; gives what is wrong."""
    wrong = []
    out.mkdir(parents=True, exist_ok=True)
    with browser(program) as chrome:
        for domain in ("Page", "Runtime", "Log", "Network"):
            chrome(f"{domain}.enable")
        chrome("Page.setBypassCSP", enabled=axe is not None)
        for width in WIDTHS:
            for scheme in SCHEMES:
                where = f"{page.stem}-{width}-{scheme}"
                found = _seen(chrome, page, out / f"{where}.png", width, scheme, axe)
                wrong += [f"{where}: {one}" for one in found]
    return wrong


def _seen(
    chrome: Browser, page: Path, picture: Path, width: int, scheme: str, axe: Path | None
) -> list[str]:
    height = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome("Emulation.setDeviceMetricsOverride", **height)
    feature = [{"name": "prefers-color-scheme", "value": scheme}]
    chrome("Emulation.setEmulatedMedia", features=feature)
    chrome.heard.clear()
    chrome("Page.navigate", url=page.resolve().as_uri())
    chrome.wait_for("Page.loadEventFired")
    wrong = []
    across = chrome.value("document.documentElement.scrollWidth")
    if across > width:
        wrong.append(f"{across} pixels wide")
    tall = min(TALLEST, chrome.value("document.documentElement.scrollHeight"))
    clip = {"x": 0, "y": 0, "width": width, "height": tall, "scale": 1}
    shot = chrome("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    picture.write_bytes(base64.b64decode(shot["data"]))
    for event in chrome.heard:
        method, params = event.get("method"), event.get("params", {})
        if method in ("Runtime.consoleAPICalled", "Log.entryAdded", "Runtime.exceptionThrown"):
            wrong.append(f"on the console: {json.dumps(params)[:300]}")
        if method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith("data:") and url != page.resolve().as_uri():
                wrong.append(f"asks for {url[:200]}")
    if axe is not None:
        chrome.value(axe.read_text())
        found = chrome.value(
            "axe.run().then(r => r.violations.map(v => `${v.id}: ${v.help}: "
            "${v.nodes.slice(0, 3).map(n => n.html.slice(0, 120))}`))"
        )
        wrong += [f"axe: {violation}" for violation in found]
    return wrong


def main() -> None:
    """See the head of this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("looks"))
    parser.add_argument("--axe", type=Path, help="axe.min.js of axe-core")
    given = parser.parse_args()
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        sys.exit("no Chromium here: install it to look at a report.")
    wrong = [one for page in given.pages for one in look(page, given.out, given.axe, program)]
    print("\n".join(wrong) or f"nothing is wrong; see {given.out}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
