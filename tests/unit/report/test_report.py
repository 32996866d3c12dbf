import itertools
import json
import re
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from abkit.analyzer.result import Need
from abkit.analyzer.wording import VERDICTS
from abkit.report.doubts import needs_list
from abkit.report.kernels import KernelServer
from abkit.report.render import Report, render_report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, root: Path, server: KernelServer | None) -> Report:
    target = str(root / "examples" / "agents" / "warming.yml")
    return render_report(target, tmp_path_factory.mktemp("reports"), server=server)


class Page(HTMLParser):
    """What a reader's program sees: tags with attributes, and headings in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def test_a_run_is_four_files(report: Report) -> None:
    assert sorted(path.name for path in report.folder.iterdir()) == [
        "analysis.json",
        "manifest.json",
        "report.html",
        "report.ipynb",
    ]


def test_the_page_needs_nothing_else(report: Report) -> None:
    text = report.html.read_text()
    page = Page(text)
    assert len(text.encode()) < 1_000_000
    assert not page.of("script")
    assert not page.of("link")
    assert not page.of("iframe")
    policy = page.of("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert str(policy["content"]).startswith("default-src 'none'")
    for _, attributes in page.tags:
        for name in ("src", "href", "action"):
            assert str(attributes.get(name, "data:")).startswith("data:")
        assert not [name for name in attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import", text)


def test_figures_have_words_of_their_own_and_a_table(report: Report) -> None:
    page = Page(report.html.read_text())
    words = [attributes["alt"] for attributes in page.of("img")]
    assert words
    assert all(word and len(word) > 40 for word in words)
    assert len(set(words)) == len(words)
    assert "success in warming: +1.4% to +6.6%" in str(words[0])


def test_headings_are_in_order_and_tables_have_headers(report: Report) -> None:
    page = Page(report.html.read_text())
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))
    assert len(page.of("caption")) == len(page.of("table"))


def test_page_and_file_say_the_same(report: Report) -> None:
    text = report.html.read_text()
    analysis = json.loads((report.folder / "analysis.json").read_text())
    assert VERDICTS[report.verdict] in text
    assert analysis["decision"]["verdict"] == report.verdict == "do_not_ship"
    assert analysis["data"]["fingerprint"] in text


def test_the_manifest_says_what_went_in(report: Report) -> None:
    manifest = json.loads((report.folder / "manifest.json").read_text())
    assert manifest["data_fingerprint"] == report.analysis["data"]["fingerprint"]
    assert {"abkit", "python", "numpy", "duckdb"} <= manifest["versions"].keys()
    assert manifest["parameters"]["experiment"].endswith("warming.yml")


def test_no_code_and_no_message_of_the_notebook_is_in_the_page(report: Report) -> None:
    text = report.html.read_text()
    assert "blocks.verdict_card" not in text
    assert "Warning" not in text


@pytest.mark.usefixtures("forked")
def test_the_same_inputs_give_the_same_page(tmp_path: Path, root: Path) -> None:
    target = str(root / "examples" / "agents" / "warming.yml")
    now = datetime(2026, 11, 22, tzinfo=UTC)
    first, second = (render_report(target, tmp_path, now=now) for _ in range(2))
    pages = [one.html.read_text().replace(one.folder.name, "RUN") for one in (first, second)]
    assert pages[0] == pages[1]
    assert (first.folder / "analysis.json").read_bytes() == (second.folder / "analysis.json").read_bytes()


def test_the_report_doubts_its_verdict(report: Report) -> None:
    text = unescape(report.html.read_text())
    at = text.index("Would the verdict change?")
    told = text[at : text.index("</section>", at)]
    for part in ("A few units", "Other choices", "A prior", "winner's curse", "as planned", "values capped"):
        assert part in told
    assert "no effect" not in told


def test_what_would_settle_it_is_listed_where_it_is_more_than_one_thing() -> None:
    needs = [Need("primary", "<b>", "b", 10, 1.0, "'<b>': about 10 more units")] * 2
    assert needs_list(needs).count("<li>") == 2
    assert "<b>" not in needs_list(needs)
    assert needs_list(needs[:1]) == ""
