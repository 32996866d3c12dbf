"""The documentation site builds without a warning, its links lead somewhere, it loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
import typer.main
from bs4 import BeautifulSoup
from pydantic import TypeAdapter

import abkit as ab
from abkit import plots, stats
from abkit.analyzer.schema import json_schema
from abkit.cli.app import app
from abkit.models import Experiment

ROOT = Path(__file__).resolve().parents[2]
_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}
_ELSEWHERE = re.compile(r"^(https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return out


@pytest.fixture(scope="module")
def documents(site: Path) -> dict[Path, BeautifulSoup]:
    own = (page for page in site.rglob("*.html") if page.parent.name != "sample")
    return {page: BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser") for page in own}


def links(document: BeautifulSoup) -> Iterator[str]:
    for tag in document.find_all(["a", "area"], href=True):
        yield str(tag["href"])
    for name, attribute in _LOADS.items():
        for tag in document.find_all(name, attrs={attribute: True}):
            yield str(tag[attribute])


def test_every_link_and_anchor_leads_somewhere(site: Path, documents: dict[Path, BeautifulSoup]) -> None:
    anchors = {page: {str(tag["id"]) for tag in document.find_all(id=True)} for page, document in documents.items()}
    broken = []
    for page, document in documents.items():
        for link in links(document):
            place, anchor = urldefrag(unquote(link))
            if re.match(r"[a-z]+:", place) or place.startswith("//") or page.name == "404.html":
                continue
            target = (page.parent / place).resolve() if place else page
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (anchor and target in anchors and anchor not in anchors[target] | {"__top"}):
                broken.append(f"{page.relative_to(site)}: {link}")
    assert not broken


def test_nothing_is_loaded_from_elsewhere(site: Path, documents: dict[Path, BeautifulSoup]) -> None:
    loaded = [
        str(tag[attribute])
        for document in documents.values()
        for name, attribute in _LOADS.items()
        for tag in document.find_all(name, attrs={attribute: True})
        if "canonical" not in (tag.get("rel") or ())
    ]
    assert loaded
    assert not [link for link in loaded if _ELSEWHERE.match(link)]
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_every_public_name_is_in_the_reference(documents: dict[Path, BeautifulSoup]) -> None:
    titles = {
        tag.get_text().strip("¶\n ").split()[0]
        for page, document in documents.items()
        if "reference" in page.parts
        for tag in document.select("h3.doc-heading, h2.doc-heading")
    }
    functions = {name for name in stats.__all__ if callable(getattr(stats, name))}
    assert (set(ab.__all__) | functions | set(plots.__all__)) - {"plots", "stats", "widgets"} <= titles


def test_every_command_and_option_is_in_the_reference(site: Path, documents: dict[Path, BeautifulSoup]) -> None:
    text = documents[site / "reference/command-line.html"].get_text(" ")
    for name, command in walk("abkit", typer.main.get_command(app)):
        section = text.partition(f"{name} ¶")[2]
        assert section, name
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.opts[0] in section, (name, parameter.opts)


def walk(name, command):  # type: ignore[no-untyped-def]
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    for word, one in (inner or {}).items():
        yield from walk(f"{name} {word}", one)


@pytest.mark.parametrize(
    ("page", "schema"),
    [
        ("experiment-file", TypeAdapter(Experiment).json_schema(mode="validation")),
        ("analysis-json", json_schema()),
    ],
)
def test_every_key_of_a_file_is_in_the_reference(
    site: Path, documents: dict[Path, BeautifulSoup], page: str, schema: dict[str, object]
) -> None:
    shown = {tag.get_text() for tag in documents[site / f"reference/{page}.html"].select("code")}
    objects = [schema, *schema["$defs"].values()]  # type: ignore[attr-defined]
    assert {key for part in objects for key in part.get("properties", ())} - {"folder"} <= shown
