"""Reports as a reader sees them, and what a hostile name can do in them: nothing."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from playwright.sync_api import Browser, Page

import abkit as ab
from abkit.report.prelaunch import render_prelaunch
from abkit.report.render import render_report

pytestmark = pytest.mark.usefixtures("forked")
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'; DROP TABLE abkit_rows; --",
    "</title></style></script><script>alert(1)</script>",
    "[x](javascript:alert(1)) `code` **bold** $\\frac{1}{2}$ {{7*7}} {% raw %} {0} %s",
    "\u202egnp.exe \U0001f4a5 NFC\u00e9 e\u0301",
    "A" * 400,
]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    yield page
    page.close()


def open_report(page: Page, path: Path) -> tuple[list[str], list[str]]:
    """Open a report and return dialogs and requests that it caused."""
    dialogs: list[str] = []
    requests: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.resolve().as_uri())
    page.wait_for_timeout(300)
    return dialogs, [url for url in requests if not url.startswith("data:")]


def hostile_experiment(folder: Path, text: str) -> Path:
    """Write an experiment with the text in every field that takes one, metric and variant names included."""
    rows = pd.DataFrame({"arm": ["c", "t"] * 100, text: range(200), f"{text} ": [1.0, 2.0, 3.0, 9.0] * 50})
    rows.to_parquet(folder / "rows.parquet")
    definition = {
        "key": "hostile",
        "agent_id": text,
        "organization_id": text,
        "name": text,
        "description": text,
        "hypothesis": text,
        "variants": [
            {"name": text[:190] or "c", "traffic_percentage": 50, "is_control": True, "description": text},
            {"name": f"t {text[:190]}", "traffic_percentage": 50},
        ],
        "primary_metric": {"kind": "mean", "column": text[:200]},
        "guardrail_metrics": [{"kind": "mean", "column": f"{text[:199]} ", "margin": 0.1}],
        "min_sample_size": 200,
        "plan": {"inference": "fixed"},
        "data": {
            "path": "rows.parquet",
            "variant": "arm",
            "variants": {text[:190] or "c": "c", f"t {text[:190]}": "t"},
        },
    }
    path = folder / "hostile.yml"
    path.write_text(yaml.safe_dump(definition, allow_unicode=True))
    return path


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, marks=[] if at == 0 else pytest.mark.full) for at, text in enumerate(HOSTILE)],
    ids=range(len(HOSTILE)),
)
def test_a_hostile_name_in_every_field_does_nothing(page: Page, tmp_path: Path, text: str) -> None:
    text = text[:199].strip()
    report = render_report(str(hostile_experiment(tmp_path, text)), tmp_path / "out")
    dialogs, requests = open_report(page, report.html)
    assert dialogs == []
    assert requests == [report.html.resolve().as_uri()]
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("document.querySelectorAll('main img').length") == 4
    assert page.evaluate("document.querySelectorAll('svg, iframe, object, embed, link, form').length") == 0
    assert page.locator("h1").inner_text().strip() == " ".join(text.split())
    assert page.evaluate("document.documentElement.scrollWidth") <= 1100, "a long word must not widen the page"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_is_readable_in_both_themes_and_asks_for_nothing(
    page: Page, tmp_path: Path, root: Path, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    report = render_report(str(root / "examples/bandit/bandit-policy.yml"), tmp_path)
    dialogs, requests = open_report(page, report.html)
    assert dialogs == []
    assert len(requests) == 1
    assert page.locator(".verdict h2").inner_text() == "▲ Ship"
    broken = "[...document.images].filter(image => !image.complete || !image.naturalWidth).length"
    assert page.evaluate(broken) == 0
    ink, paper = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
    assert ink != paper
    assert (sum(map(int, paper[4:-1].split(", "))) < 3 * 80) == (scheme == "dark")


def test_an_invalid_experiment_folds_its_effects_away(page: Page, tmp_path: Path, root: Path) -> None:
    report = render_report(str(root / "examples/headline/headline-cached.yml"), tmp_path)
    open_report(page, report.html)
    assert page.locator(".verdict h2").inner_text() == "✕ Invalid"
    assert page.locator("details.unusable").count() == 9
    assert not page.locator("details.unusable img").first.is_visible()
    mark = "getComputedStyle(document.querySelector('.watermarked'), '::after').content"
    assert "do not use for decisions" in page.evaluate(mark)
    page.emulate_media(media="print")
    assert page.locator("details.unusable img").first.is_visible(), "paper has nothing to click on"


def test_a_hostile_name_does_nothing_in_a_prelaunch_report(page: Page, tmp_path: Path) -> None:
    text = "<img src=x onerror=alert(1)>'\"><script>alert(1)</script> {0} $x$ " + "A" * 100
    variants = [ab.Variant(text, 50, is_control=True), ab.Variant(f"t {text}", 50)]
    experiment = ab.Experiment("hostile", variants, ab.Mean("x"), name=text)
    path = tmp_path / "hostile.yml"
    path.write_text(experiment.to_yaml())
    done = render_prelaunch(str(path), tmp_path / "out", experiment=experiment, parameters={"users": 2000})
    dialogs, requests = open_report(page, done.html)
    assert dialogs == []
    assert requests == [done.html.resolve().as_uri()]
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("document.querySelectorAll('main img').length") == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 1100
    assert page.locator(".verdict h2").inner_text() == "✓ Ready to launch"
