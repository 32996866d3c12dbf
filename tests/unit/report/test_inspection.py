"""What `abkit report check` objects to, one defect at a time."""

from pathlib import Path

import pytest

from abkit.errors import NotFoundError
from abkit.report.inspection import LARGEST, inspect_page

POLICY = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:">'
GOOD = (
    f'<!DOCTYPE html><html lang="en"><head>{POLICY}<title>t</title></head><body><h1 id="top">One</h1><h2>Two</h2>'
    '<a href="#top">up</a><a href="https://example.org/docs">docs</a><a href="beside.json">numbers</a>'
    '<img src="data:image/svg+xml;base64,AA" alt="a figure"><table><caption>c</caption></table></body></html>'
)

DEFECTS = {
    "requests": [
        ("<h2>", '<img alt="x" src="https://example.org/x.png"><h2>'),
        ("<title>", "<style>@import 'x.css';</style><title>"),
        ("<title>", "<style>a { background: url(//example.org/x) }</style><title>"),
    ],
    "links": [('href="#top"', 'href="#nowhere"'), ("beside.json", "absent.json"), ("https:", "ftp:")],
    "active content": [
        ("<h2>", "<script>1</script><h2>"),
        ("<h2>", '<h2 onclick="1">'),
        ("#top", "java\nscript:alert(1)"),
        ("<h2>", '<iframe title="x"></iframe><h2>'),
    ],
    "content security policy": [(POLICY, ""), ("'none';", "*;"), ("img-src", "script-src *; img-src")],
    "alternative text": [('alt="a figure"', 'alt=""'), ("<table>", '<img src="data:," alt="a figure"><table>')],
    "headings": [("<h2>Two</h2>", "<h3>Two</h3>"), ("<h2>Two</h2>", "<h1>Two</h1>")],
    "tables": [("<caption>c</caption>", "")],
    "size": [("One", "x" * LARGEST)],
    "secrets": [("One", "postgresql://me:hunter22@host/db"), ("One", "-----BEGIN RSA PRIVATE KEY-----")],
}


def objections(folder: Path, text: str) -> list[str]:
    (folder / "beside.json").write_text("{}")
    (folder / "page.html").write_text(text)
    return [name for name, passed, _ in inspect_page(folder / "page.html") if not passed]


def test_a_good_page_has_no_objection(tmp_path: Path) -> None:
    assert objections(tmp_path, GOOD) == []


@pytest.mark.parametrize(("name", "defect"), [(name, defect) for name, all_of in DEFECTS.items() for defect in all_of])
def test_each_defect_is_found_by_its_name(tmp_path: Path, name: str, defect: tuple[str, str]) -> None:
    before, after = defect
    assert before in GOOD
    assert name in objections(tmp_path, GOOD.replace(before, after, 1))


def test_a_secret_of_the_environment_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "planted-0815-word")
    assert objections(tmp_path, GOOD.replace("One", "planted-0815-word")) == ["secrets"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"{}"])
def test_what_is_no_page_is_said_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    with pytest.raises(NotFoundError, match=r"name a report\.html"):
        inspect_page(tmp_path / "file")
