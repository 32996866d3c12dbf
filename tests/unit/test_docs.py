"""The examples of the documentation run, and say what they print; its commands and files are ones that abkit takes."""

import doctest
import re
from pathlib import Path

import pytest
import typer.main

import abkit as ab
from abkit.cli.app import app
from tests import pages

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("methods/[!i]*.md")) + sorted(DOCS.glob("methods/i[!n]*.md"))
GUIDES = [*sorted(DOCS.glob("tutorials/*.md")), *sorted(DOCS.glob("how-to/*.md"))]
OUTSIDE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples/README.md"]
TEXTS = [*OUTSIDE, *sorted(DOCS.rglob("*.md"))]
SECTIONS = ("When", "Formula", "Assumptions", "Source", "Example")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def name_of(page):
    return page.relative_to(ROOT).as_posix().removeprefix("docs/")


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


@pytest.mark.parametrize("page", [page for page in GUIDES if "```python" in page.read_text()], ids=name_of)
def test_guides_run_and_say_what_they_show(page, tmp_path):
    for output in pages.run(page, tmp_path):
        assert pages.same(output.shown, output.said), f"`python -m tests.pages {page}` would write:\n{output.said}"


def test_readme_runs(tmp_path):
    pages.run(ROOT / "README.md", tmp_path)


def test_a_csv_becomes_a_verdict_in_ten_lines_and_then_a_file_that_the_command_line_takes(tmp_path, monkeypatch):
    page = DOCS / "tutorials/from-a-csv.md"
    first = next(block for block in pages.blocks(page.read_text()) if block.language == "python")
    assert len([line for line in first.text.splitlines() if line.strip()]) <= 10
    pages.run(page, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert ab.analyze(ab.Experiment.from_yaml("new-prompt.yml")).decision.verdict == "ship"


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_commands_are_ones_that_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in pages.commands(page.read_text(encoding="utf-8")):
        if words[0] == "abkit":
            take(words[1:])
        if words[0] == "make":
            assert words[1:][:1] == [] or words[1] in targets, words


def test_commands_that_do_not_exist_are_found():
    for words in (["reprot", "x.yml"], ["report", "x.yml", "--fail-no", "srm"], ["keys", "make"], ["assign", "agent"]):
        with pytest.raises(Exception, match=r"No such|Missing|Got unexpected"):
            take(words)


def take(words):
    """Parse a call as the command line would, without carrying it out; capitals and commas stand for anything."""
    command = typer.main.get_command(app)
    context = command.make_context("abkit", list(words) or ["--help"], resilient_parsing=not words)
    rest = list(words)
    while hasattr(command, "resolve_command"):
        if not rest or rest[0].startswith("-"):
            return
        name, command, rest = command.resolve_command(context, rest)
        whole = hasattr(command, "resolve_command") or not (len(words) == 1 or rest == ["..."])
        context = command.make_context(name, list(rest), parent=context, resilient_parsing=not whole)


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_experiment_files_can_be_read(page):
    for block in pages.blocks(page.read_text(encoding="utf-8")):
        if block.language == "yaml" and block.text.startswith("key:"):
            ab.Experiment.from_yaml(block.text)


@pytest.mark.parametrize("page", OUTSIDE, ids=name_of)
def test_links_lead_somewhere(page):
    """Those of pages outside the site; the site's own are checked where it is built."""
    for target in LINK.findall(pages.FENCE.sub("", page.read_text(encoding="utf-8"))):
        place = target.partition("#")[0]
        assert "://" in place or (page.parent / place).exists(), target
