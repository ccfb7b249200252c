"""The page in a real browser, from the disk: filters, charts, the reader; without a script, narrow, dark, attacked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.lab.store import Store
from harness.ledger.rows import Ledger, header
from harness.report.responses import UNSTEERED, Run, Said
from harness.report.web import said
from harness.report.web.document import write_html
from harness.tests.ledger.made_up_ledger import made_up_ledger, made_up_row
from harness.tests.report import browser
from harness.tests.report.browser import opened, see, wait_for

pytestmark = pytest.mark.skipif(not (browser.CHROMIUM and browser.DRIVER), reason=browser.MISSING)

HOSTILE = (
    "</script></textarea></style><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    "\x00\x1b[2J\u202e{{ 7 * 7 }}${document.title='taken'}"
)


def made_up_run(direction: str, dose: float, texts: tuple[str, ...], coherence: float = 90.0) -> Run:
    block = None if direction == UNSTEERED else 3
    answers = tuple(
        Said(n, f"question {n} {text[:20]}", text, True, dose * 100, None if n == 2 else coherence)
        for n, text in enumerate(texts, start=1)
    )
    return Run("severe", "refusal", "j", direction, direction, block, 0, dose * 50, dose, answers)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    def make(
        ledger: Ledger, texts: tuple[str, ...] = ("first", "second", "third"), directions: tuple[str, ...] = ("probe",)
    ) -> Path:
        runs = [made_up_run(UNSTEERED, 0.0, texts)]
        for name in directions:
            runs += [
                made_up_run(name, dose, tuple(f"{text} at {dose}" for text in texts), 100 - 100 * dose)
                for dose in (0.1, 0.2, 0.4)
            ]
        monkeypatch.setattr(said, "runs_of", lambda *_, **__: runs)
        write_html(tmp_path / "page.html", ledger, Store(tmp_path / "store"), name="made up")
        return tmp_path / "page.html"

    return make


def test_filters_links_charts_and_the_reader_work_from_the_disk(page: Callable[..., Path]) -> None:
    ledger = made_up_ledger()
    with opened(page(ledger)) as found:
        script = found.execute_script
        everything = script("return document.getElementById('found').textContent")
        assert everything.endswith(f"{len(ledger.rows)} cells")
        set_to = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
        script(set_to, found.find_element("id", "model"), "severe")
        script(set_to, found.find_element("id", "verdict"), "REFUTED")
        own = [row for row in ledger.rows if row.model == "severe" and row.verdict == "REFUTED"]
        assert script("return document.getElementById('found').textContent").endswith(f" {len(own)} cells")
        shown = script("return [...document.querySelectorAll('.cell')].filter((one) => one.offsetParent).length")
        assert shown == len(own)
        lines = [one for one in found.find_elements("css selector", ".map .line") if one.is_displayed()]
        assert len(lines) == len({row.claim for row in own})
        link = next(one for one in found.find_elements("css selector", ".map .mark") if one.is_displayed())
        link.click()
        assert script("return document.querySelector(':target').dataset.verdict") == "REFUTED"

        see(found, "curves")
        assert script("return document.querySelector('#curve-chart svg').textContent").count("dose") == 2
        found.find_element("css selector", "input[value=coefficient]").click()
        wait_for(found, "return document.querySelector('#curve-chart svg').textContent.includes('coefficient')")

        see(found, "read")
        rows = found.find_element("id", "read-rows")
        assert "first at 0.2" in rows.text  # the best dose whose coherence passes the gate
        assert "coherence missing: the judge gave no score" in rows.text
        found.find_element("css selector", "#read .wide").send_keys("\ue014")  # the right arrow
        assert "first at 0.4" in rows.text
        found.find_element("css selector", "#read .wide").send_keys("\ue012" * 2)  # the left one, twice
        assert "first at 0.1" in rows.text
        script(set_to, found.find_element("id", "read-search"), "third")
        assert "first" not in rows.text
        assert "third at 0.1" in rows.text
        assert [entry["message"] for entry in found.get_log("browser")] == []


def test_what_a_hostile_model_says_is_shown_and_never_run(page: Callable[..., Path]) -> None:
    rows = [
        replace(made_up_row("S1"), sentence=HOSTILE, statement=HOSTILE),
        replace(made_up_row("S2", trait=HOSTILE), error=HOSTILE),
        made_up_row("S3"),
    ]
    head = {"dtype": HOSTILE, "device": "cpu", "libraries": {HOSTILE: HOSTILE}, "key_version": 2}
    path = page(Ledger(header(head), rows, []), (HOSTILE, "x" * 100_000, ""), ("probe", HOSTILE))
    assert path.stat().st_size < 1_500_000
    with opened(path) as found:
        title = found.title
        for part in ("curves", "read"):
            see(found, part)
        text = found.find_element("id", "read-rows").text
        assert "document.title='taken'" in text
        assert "100,000 characters" in text or "100,008 characters" in text
        assert "\u202e" not in text
        assert found.title == title
        assert found.execute_script("return document.querySelectorAll('img, iframe, object').length") == 0
        assert found.execute_script("return document.querySelectorAll('script').length") == 3
        found.execute_script(
            "const made = document.createElement('script'); made.textContent = \"document.title = 'x'\";"
            "document.body.append(made)"
        )
        assert found.title == title  # the policy of the page runs nothing but its own
        assert [one["message"] for one in found.get_log("browser") if "Content Security" not in one["message"]] == []


def test_verdicts_read_without_a_script_on_a_narrow_screen_and_in_the_dark(page: Callable[..., Path]) -> None:
    path = page(made_up_ledger(claims=6))
    with opened(path, script=False) as found:
        body = found.find_element("tag name", "body").text
        assert "SUPPORTED" in body
        assert "would tell in 80 % of samples" in body or "could no longer be told" in body
        assert not found.find_element("id", "read").is_displayed()
        assert not found.find_element("id", "filters").is_displayed()
    with opened(path, width=360, height=740, dark=True) as found:
        for part in ("curves", "read"):
            see(found, part)
        assert found.execute_script("return document.documentElement.scrollWidth") == 360
        background, ink = found.execute_script(
            "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
        )
        assert sum(map(int, background[4:-1].split(","))) < 120 < 450 < sum(map(int, ink[4:-1].split(",")))
        found.find_element("tag name", "body").send_keys("\ue004")  # tab
        assert found.switch_to.active_element.text == "Skip to the claims"
