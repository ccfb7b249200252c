"""`python -m harness.tests.report.browser PAGE FOLDER` looks at a page in Chromium: its parts, in light and in dark."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver

CHROMIUM, DRIVER = (None if "NO_BROWSER" in os.environ else shutil.which(one) for one in ("chromium", "chromedriver"))
MISSING = "Chromium or its driver is not there (or NO_BROWSER is set): apt-get install chromium chromium-driver"
PARTS = ("answer", "map", "S5", "curves", "read", "geometry")


@contextmanager
def opened(
    page: Path, *, width: int = 1200, height: int = 900, dark: bool = False, script: bool = True
) -> Iterator[WebDriver]:
    """A headless Chromium with a page of the disk in it, ready; the network is never needed."""
    options = Options()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
        browser.get(page.resolve().as_uri())
        if script and browser.execute_script("return document.getElementById('data') !== null"):
            wait_for(browser, "return document.documentElement.dataset.ready === 'yes'")
        yield browser
    finally:
        browser.quit()


def wait_for(browser: WebDriver, condition: str, seconds: float = 30.0) -> None:
    """Wait until a script returns true. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not browser.execute_script(condition):
        if time.monotonic() > end:
            raise TimeoutError(f"{condition} is not so after {seconds:g} s")
        time.sleep(0.05)


def see(browser: WebDriver, part: str) -> None:
    """Scroll to a part, and wait until its charts are drawn."""
    go = f"document.getElementById('{part}').scrollIntoView()"
    browser.execute_script(go)
    if made := {"curves": "#curve-chart svg", "read": "#read-rows tr", "geometry": "#cosine-chart svg"}.get(part):
        wait_for(browser, f"return document.querySelector('{made}') !== null")
        time.sleep(0.5)  # charts below it may still push it about
    browser.execute_script(go)


def main(page: Path, folder: Path) -> None:
    """Write a PNG of every part there is, in light and dark; print what the console said and fail if it said any."""
    folder.mkdir(parents=True, exist_ok=True)
    said: list[str] = []
    for name, dark in (("light", False), ("dark", True)):
        with opened(page, dark=dark) as browser:
            browser.save_screenshot(str(folder / f"first-{name}.png"))
            for part in PARTS:
                if browser.execute_script(f"return document.getElementById('{part}')?.hidden === false"):
                    see(browser, part)
                    browser.save_screenshot(str(folder / f"{part}-{name}.png"))
            said += [entry["message"] for entry in browser.get_log("browser")]
    sys.exit("\n".join(said) or None)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
