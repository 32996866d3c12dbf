"""Run the code blocks of a documentation page, and compare what they say with the text block that follows.

`python -m tests.pages docs/tutorials/*.md` writes what they say now into the pages.
"""

import ast
import contextlib
import io
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

FENCE = re.compile(
    r"^(?P<ticks>```+)(?P<language>[\w-]*)(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=ticks)$", re.DOTALL | re.MULTILINE
)
NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*\Z")
SHELL = {"sh", "shell", "bash", "console", ""}
_ENDS = {"|", "||", "&&", ";", ">", ">>", "2>", "&", "<"}


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    span: tuple[int, int]
    is_run: bool


@dataclass(frozen=True)
class Output:
    """What a page shows for a block, and what the block says."""

    block: Block
    shown: str
    said: str


def blocks(page: str) -> list[Block]:
    return [
        Block(found["language"], found["text"], found.span("text"), NOT_RUN.search(page[: found.start()]) is None)
        for found in FENCE.finditer(page)
    ]


def is_doctest(block: Block) -> bool:
    return block.text.lstrip().startswith(">>>")


def run(page: Path, folder: Path) -> list[Output]:
    """Run the blocks of a page in order, as one session in `folder`, beside the data files of the page."""
    for data in page.parent.glob("*.csv"):
        shutil.copy(data, folder)
    found = blocks(page.read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    outputs = []
    with contextlib.chdir(folder):
        for block, after in zip_longest(found, found[1:]):
            if block.language != "python" or not block.is_run or is_doctest(block):
                continue
            said = _said(block.text, names)
            if after is not None and after.language == "text" and _follows(page, block, after):
                outputs.append(Output(after, after.text.strip(), said))
    return outputs


def same(shown: str, said: str) -> bool:
    return shown.split() == said.split()


def commands(page: str) -> Iterator[list[str]]:
    """Every call of a program that starts a line of a shell block, and every `abkit ...` in the text, as its words."""
    for block in blocks(page):
        if block.language in SHELL:
            for line in block.text.replace("\\\n", " ").splitlines():
                yield from _calls(line)
    for code in re.findall(r"(?<!`)`((?:abkit|make) [a-z][^`\n]*)`(?!`)", FENCE.sub("", page)):
        if not code.isupper():
            yield from _calls(code)


def _calls(line: str) -> Iterator[list[str]]:
    words = shlex.split(line.removeprefix("$ "), comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    end = next((place for place, word in enumerate(words) if word in _ENDS), len(words))
    if words[:end]:
        yield words[:end]
    if end < len(words) and words[end] in {"&&", "||", ";", "|"}:
        yield from _calls(shlex.join(words[end + 1 :]))


def _follows(page: Path, block: Block, after: Block) -> bool:
    between = page.read_text(encoding="utf-8")[block.span[1] : after.span[0]]
    return between.replace("```text", "").strip("` \n") == ""


def _said(code: str, names: dict[str, Any]) -> str:
    """What a block prints, and the value of its last line as Python would show it."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<page>", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "<page>", "eval"), names) if last else None
    return printed.getvalue() + ("" if value is None else repr(value))


def write(page: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outputs = run(page, Path(folder))
    text = page.read_text(encoding="utf-8")
    for output in reversed(outputs):
        start, end = output.block.span
        said = "\n".join(line.rstrip() for line in output.said.strip().splitlines())
        text = f"{text[:start]}{said}\n{text[end:]}"
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(Path(name).resolve())
