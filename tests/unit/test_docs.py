"""The examples of the documentation run, and say what they print."""

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(DOCS.glob("methods/*.md"))
SECTIONS = ("When", "Formula", "Assumptions", "Source", "Example")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def name_of(page):
    return page.stem


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_run(page):
    blocks = BLOCK.findall(page.read_text())
    assert blocks, "every method page has an example"
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.stem, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    report = []
    runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)
    assert test.examples, "an example has prompts"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_say_when_how_and_whence(page):
    headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert [name for name in headings if name in SECTIONS] == list(SECTIONS)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
