"""Pages made of many experiments, in a browser: readable for everyone, and deaf to what hostile texts say."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

import abkit as ab
from tests.report_page import page_of

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SKELETON = "[...document.querySelectorAll('*')].map(e => [e.tagName, ...e.getAttributeNames()].join(' ')).join()"
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "handler": "<img src=x onerror=alert(1)><svg/onload=alert(1)>",
    "quotes": "\"'`><b onmouseover=alert(1)>\" autofocus onfocus=alert(1) x='",
    "end tags": "</script></style></title></textarea></details></section></main><script>alert(1)</script>",
    "comment": "<!-- --!> <![CDATA[ ]]> <?php &lt;b&gt; &#60;i&#62;",
    "right to left": "\u202e\u2066gnp.exe\u2069 \u200f\ufeff",
    "NUL": "before\x00after\x07\x1b[31m\ufffe",
    "10 kB": "W" * 10_000,
    "other scripts": "指标 المقياس मीट्रिक \U0001f4a5 e\u0301",
    "formulas": r"$x$ $\frac{1}{0$ \input{/etc/passwd} $$",
    "templates": "{{ 7*7 }} {% for x in () %} {0} {} %s %(x)s ${x} #{x}",
    "markdown": "[x](javascript:alert(1)) ![x](y) **bold** `code` | a | b |\n# h1\n\n    code\n---",
    "spreadsheet": '=HYPERLINK("javascript:alert(1)","x") @SUM(1) +1 -1',
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1100, "height": 900}, bypass_csp=True)  # the harder way: no policy helps
    yield page
    page.close()


def hostile(text: str) -> ab.Analysis:
    """An analysis with the text in every field that takes one, cut to what the field takes."""
    name = text.replace("\x00", "")[:190]
    names = [f"{mark} {name}" for mark in "abcdef"]
    rng = np.random.default_rng(2)
    columns = {column: rng.normal(9, 1, 200) for column in names}
    frame = pd.DataFrame({"variant": [f"x {name}", f"y {name}"] * 100, **columns})
    frame.loc[frame.index[:3], names[2]] = np.nan
    frame[names[3]] = 1.0
    experiment = ab.Experiment(
        "hostile",
        [ab.Variant(f"x {name}", 50, is_control=True, description=text), ab.Variant(f"y {name}", 50)],
        ab.Mean(names[0], covariate=names[4]),
        agent_id=f"agent {name}",
        organization_id=f"organization {name}",
        name=f"name {text[:480]}",
        description=f"description {text}",
        hypothesis=f"hypothesis {text}",
        guardrail_metrics=[ab.Mean(names[1], margin=0.1), ab.Quantile(names[5], 0.9, name=f"q {name}", margin=0.1)],
        secondary_metrics=[ab.Mean(names[2], missing="drop", cap=0.9), ab.Mean(names[3])],
        min_sample_size=400,
        id=f"id {name}",
    )
    return ab.analyze(experiment, frame, now=NOW, details=True)


def opened(page: Page, folder: Path, html: str) -> list[str]:
    """Open a page and return the dialogs and requests that it caused."""
    heard: list[str] = []
    page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: heard.append(request.url))
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8", errors="surrogatepass")
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.wait_for_timeout(100)
    return [one for one in heard if not one.startswith("data:") and one != path.as_uri()]


@pytest.fixture(scope="module")
def harmless(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> str:
    page = browser.new_page()
    assert opened(page, tmp_path_factory.mktemp("page"), page_of(hostile("plain words"))) == []
    found: str = page.evaluate(SKELETON)
    page.close()
    return found


ALWAYS = {"script", "quotes", "end tags", "markdown"}


@pytest.mark.parametrize(
    "text", [text if text in ALWAYS else pytest.param(text, marks=pytest.mark.full) for text in HOSTILE]
)
def test_a_hostile_text_changes_nothing_but_text(page: Page, tmp_path: Path, harmless: str, text: str) -> None:
    assert opened(page, tmp_path, page_of(hostile(HOSTILE[text]))) == []
    assert page.evaluate(SKELETON) == harmless
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1100
    broken = "[...document.images].filter(image => !image.complete || !image.naturalWidth).length"
    assert page.evaluate(broken) == 0


@pytest.mark.parametrize(
    ("example", "scheme", "width"),
    [
        ("agents/debugging", "light", 1100),
        ("bandit/bandit-policy", "dark", 390),
        pytest.param("headline/headline-cached", "light", 1100, marks=pytest.mark.full),
        pytest.param("agents/debugging", "dark", 390, marks=pytest.mark.full),
        pytest.param("bandit/bandit-policy", "light", 1100, marks=pytest.mark.full),
        pytest.param("headline/headline-cached", "dark", 390, marks=pytest.mark.full),
    ],
)
def test_axe_finds_nothing_serious(
    browser: Browser, tmp_path: Path, root: Path, example: str, scheme: str, width: int
) -> None:
    analysis = ab.analyze(ab.Experiment.from_yaml(root / f"examples/{example}.yml"), now=NOW, details=True)
    page = browser.new_page(viewport={"width": width, "height": 900}, bypass_csp=True, color_scheme=scheme)
    try:
        assert opened(page, tmp_path, page_of(analysis)) == []
        found = Axe().run(page).response["violations"]
        bad = [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in {"serious", "critical"}]
        assert bad == []
        assert "heading-order" not in {one["id"] for one in found}
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate("document.querySelector('img').removeAttribute('alt')")
        assert "image-alt" in {one["id"] for one in Axe().run(page).response["violations"]}, "axe sees what is wrong"
    finally:
        page.close()


def test_a_narrow_page_names_the_column_of_every_cell(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    opened(page, tmp_path, page_of(hostile("plain words")))
    named = "[...document.querySelectorAll('td')].filter(cell => getComputedStyle(cell, '::before').content.length < 3)"
    assert page.evaluate(f"{named}.length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
