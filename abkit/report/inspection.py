"""Look at a page as those do who will open, print, share and scan it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from abkit.errors import NotFoundError
from abkit.report.credentials import find_secrets, known_secrets

Finding = tuple[str, bool, str]
LARGEST = 3_000_000
_LOADS = ("src", "srcset", "poster", "data", "background", "action", "formaction", "xlink:href")
_ACTIVE = {"script", "iframe", "object", "embed", "link", "base", "form"}


class _Page(HTMLParser):
    """Tags with their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, name: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def inspect_page(file: Path) -> list[Finding]:
    """Check a report or an index page; each finding is (name, whether it is good, what was seen).

    Raises
    ------
    NotFoundError
        There is no such file, or it is no page.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"no page {file}: {error}; name a report.html") from None
    page = _Page(text)
    if not page.of("html"):
        raise NotFoundError(f"{file} is no HTML page; name a report.html")
    checks: dict[str, Callable[[], Iterable[str]]] = {
        "requests": lambda: _requests(page),
        "links": lambda: _links(page, file.parent),
        "active content": lambda: _active(page),
        "content security policy": lambda: _policy(page),
        "alternative text": lambda: _alternatives(page),
        "headings": lambda: _headings(page),
        "tables": lambda: _tables(page),
        "size": lambda: _size(text),
        "secrets": lambda: find_secrets(text, known_secrets()),
    }
    findings = []
    for name, check in checks.items():
        problems = list(check())
        findings.append((name, not problems, "; ".join(problems[:5]) or "nothing to object to"))
    return findings


def _requests(page: _Page) -> Iterable[str]:
    for tag, attributes in page.tags:
        for name in _LOADS:
            if name in attributes and not attributes[name].startswith("data:"):
                yield f"<{tag}> loads {attributes[name][:60]!r}"
    for found in re.findall(r"url\(\s*['\"]?(?!data:)([^)]{0,60})|@import\s+([^;]{0,60})", page.text):
        yield f"a style loads {''.join(found)!r}"


def _links(page: _Page, folder: Path) -> Iterable[str]:
    places = {attributes[name] for _, attributes in page.tags for name in ("id", "name") if name in attributes}
    for attributes in page.of("a"):
        target = urlsplit(attributes.get("href", ""))
        if target.scheme in {"https", "http", "mailto"}:
            continue
        if target.scheme or target.netloc:
            yield f"a link with the scheme {target.scheme!r}"
        elif target.path and not (folder / unquote(target.path)).exists():
            yield f"no file {unquote(target.path)!r}"
        elif not target.path and unquote(target.fragment) not in places:
            yield f"no place '#{target.fragment}'"


def _active(page: _Page) -> Iterable[str]:
    for tag, attributes in page.tags:
        if tag in _ACTIVE:
            yield f"<{tag}>"
        yield from (f"<{tag} {name}>" for name in attributes if name.startswith("on"))
        if "javascript:" in "".join(attributes.get("href", "").split()).lower():
            yield f"<{tag}> with a javascript: address"


def _policy(page: _Page) -> Iterable[str]:
    policies = [
        meta.get("content", "") for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    if not policies:
        yield "there is none"
    for policy in policies:
        rules = {rule.strip().partition(" ")[0]: rule.strip().partition(" ")[2] for rule in policy.split(";")}
        if rules.get("default-src") != "'none'":
            yield "default-src is not 'none'"
        if rules.get("script-src", "'none'") != "'none'":
            yield "it allows scripts"


def _alternatives(page: _Page) -> Iterable[str]:
    words = [image.get("alt", "").strip() for image in page.of("img")]
    if not all(words):
        yield f"{words.count('')} of {len(words)} figures have none"
    for word in {word for word in words if word and words.count(word) > 1}:
        yield f"{words.count(word)} figures share {word[:60]!r}"


def _headings(page: _Page) -> Iterable[str]:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    if levels.count(1) != 1 or levels[0] != 1:
        yield f"expected one <h1>, before all others; found {levels.count(1)}"
    for before, after in itertools.pairwise(levels):
        if after > before + 1:
            yield f"<h{after}> follows <h{before}>"


def _tables(page: _Page) -> Iterable[str]:
    if len(page.of("caption")) < len(page.of("table")):
        yield f"{len(page.of('table')) - len(page.of('caption'))} tables have no caption"


def _size(text: str) -> Iterable[str]:
    size = len(text.encode())
    if size > LARGEST:
        yield f"{size:,} bytes are more than {LARGEST:,}"
