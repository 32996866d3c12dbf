"""How results show themselves: what they have to say once, laid out as text, HTML, Markdown and a notebook's bundle."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from abkit.plain import to_plain

if TYPE_CHECKING:
    import pandas as pd

_LINES = 10
_MOST_IN_CELL = 120
_CELL = re.compile(
    r"<(td|th scope=\"\w+\")>"
)  # JupyterLab sets cells to the right: good for numbers, not for sentences
_NUMBER = re.compile(r"[-+−]?[\d,.]+(e[-+]?\d+)?%?|[-—]")
_MARKDOWN = re.compile(r"([\\`*_\[\]|~$#])")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; without a header they are names with what belongs to them."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What an object has to say, the most important first."""

    title: str
    lines: Sequence[str] = ()
    tables: Sequence[Table] = ()


class Displayed:
    """What prints itself everywhere: a card as text, HTML and Markdown, its numbers as plain data and as a frame.

    Its classes are dataclasses, and say by `_card` what they have to say and by `_records` what the rows of the frame
    are; without these it is all fields, in one row.
    """

    __slots__ = ()

    def _card(self) -> Card:
        rows = [(part.name, cell(getattr(self, part.name))) for part in fields(self)]  # type: ignore[arg-type]
        return Card(_words(type(self).__name__), tables=[Table((), rows)])

    def _records(self) -> Sequence[Mapping[str, Any]]:
        return [self.to_dict()]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, as JSON holds it; what cannot be computed is None."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers as a frame, full precision."""
        import pandas as pd

        return pd.DataFrame(list(self._records()))

    def to_text(self) -> str:
        """Return everything there is to say as text; the object itself prints its first ten lines."""
        return to_text(self._card())

    def to_markdown(self) -> str:
        """Return the same as Markdown, for chats and summaries."""
        return to_markdown(self._card())

    def __repr__(self) -> str:
        return to_short_text(self._card())

    def _repr_html_(self) -> str:
        return to_html(self._card())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        name = _words(type(self).__name__).replace(" ", "-")
        return {
            "text/plain": repr(self),
            "text/html": self._repr_html_(),
            "text/markdown": self.to_markdown(),
            f"application/vnd.abkit.{name}+json": self.to_dict(),
        }


def to_text(card: Card) -> str:
    """Lay out a card as aligned text.

    Examples
    --------
    >>> print(to_text(Card("split", ["It holds."], [Table((), [("p_value", 0.5), ("df", 1)])])))
    split
    It holds.
      p_value  0.5
      df       1
    """
    lines = _head(card)
    for place, table in enumerate(card.tables):
        lines += ["", _flat(table.caption)] if place and table.caption else []
        lines += _aligned(table)
    return "\n".join(lines)


def to_short_text(card: Card) -> str:
    """Lay out what a card starts with in at most ten lines, and say how many there are.

    Examples
    --------
    >>> many = Card("many", tables=[Table(("n",), [(n,) for n in range(20)])])
    >>> print(to_short_text(many).splitlines()[-1].lstrip("."))
     13 more lines in .to_text()
    """
    lines = to_text(card).splitlines()
    if len(lines) <= _LINES:
        return "\n".join(lines)
    first = [line for table in card.tables[:1] for line in _aligned(table)]
    head = _head(card)[: _LINES - 1 - min(len(first), 4)]
    shown = [*head, *first][: _LINES - 1]
    return "\n".join([*shown, f"... {len(lines) - len(shown)} more lines in .to_text()"])


def to_html(card: Card) -> str:
    """Write a card as a fragment without style and script, which follows the theme of the page it is in.

    Examples
    --------
    >>> to_html(Card("<b>"))
    '<div class="abkit"><p><strong>&lt;b&gt;</strong></p></div>'
    """
    told = Markup("").join(Markup("<p>{}</p>").format(line) for line in card.lines)
    shown = Markup("").join(html_table(table.header, table.rows, caption=table.caption) for table in card.tables)
    page = Markup('<div class="abkit"><p><strong>{}</strong></p>{}{}</div>').format(card.title, told, shown)
    return _CELL.sub(r'<\1 style="text-align:left">', str(page))


def html_table(header: Sequence[str], rows: Sequence[Sequence[object]], *, caption: str) -> Markup:
    """Lay out a table whose every cell is escaped; the first cell of each row is its heading.

    Every cell says which column it is in, so that a narrow page can show each row as a list.

    Examples
    --------
    >>> html_table(["a", "n"], [["<b>", 1]], caption="x").partition("<tbody>")[2]
    Markup('<tr><th scope="row">&lt;b&gt;</th><td data-label="n">1</td></tr></tbody></table>')
    """
    named = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in header)
    head = Markup("<thead><tr>{}</tr></thead>").format(named) if header else Markup("")
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row[0], Markup("").join(_data_cell(header[place : place + 1], one) for place, one in enumerate(row[1:], 1))
        )
        for row in rows
    )
    title = Markup("<caption>{}</caption>").format(escape(caption)) if caption else Markup("")
    return Markup("<table>{}{}<tbody>{}</tbody></table>").format(title, head, body)


def _data_cell(label: Sequence[str], value: object) -> Markup:
    return (
        Markup('<td data-label="{}">{}</td>').format(label[0], value) if label else Markup("<td>{}</td>").format(value)
    )


def to_markdown(card: Card) -> str:
    r"""Write a card as GitHub's Markdown in which no text of a person is markup.

    Examples
    --------
    >>> print(to_markdown(Card("a*b", tables=[Table(("n",), [("<br>",)])])))
    **a\*b**
    <BLANKLINE>
    | n |
    | --- |
    | &lt;br&gt; |
    """
    parts = [f"**{_marked(card.title)}**", *(_marked(line) for line in card.lines)]
    for table in card.tables:
        parts += [f"*{_marked(table.caption)}*"] if table.caption else []
        header = table.header or ("", *[""] * (len(table.rows[0]) - 1 if table.rows else 0))
        rows = [header, *([str(one) for one in row] for row in table.rows)]
        lines = [f"| {' | '.join(map(_marked, row))} |" for row in rows]
        parts.append("\n".join([lines[0], f"|{' --- |' * len(header)}", *lines[1:]]))
    return "\n\n".join(parts)


def cell(value: Any) -> str:
    """Write a value in one short line: six significant digits, a count where there are many.

    Examples
    --------
    >>> cell(0.123456789), cell(1094), cell(None), cell((0.5, 1.0)), cell({"a": 1})
    ('0.123457', '1094', '-', '[0.5, 1]', 'a: 1')
    """
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return _cut(", ".join(f"{name}: {cell(part)}" for name, part in value.items()) or "none")
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, tuple | list):
        if any(is_dataclass(one) for one in value):
            names = [str(getattr(one, "name", "")) for one in value]
            return _cut(f"{len(value)}: {', '.join(names)}" if all(names) else str(len(value)))
        return _cut(f"[{', '.join(cell(one) for one in value[:50])}{', ...' if len(value) > 50 else ''}]")
    if is_dataclass(value) and not isinstance(value, type):
        return _cut(", ".join(f"{part.name} {cell(getattr(value, part.name))}" for part in fields(value)))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    whole = math.isfinite(value) and abs(value) >= 1e6 and value == int(value)
    return f"{value:.0f}" if whole else f"{value:.6g}"


def _head(card: Card) -> list[str]:
    return [_flat(line) for line in (card.title, *card.lines)]


def _aligned(table: Table) -> list[str]:
    rows = [[_flat(str(one)) for one in row] for row in ([table.header] if table.header else []) + list(table.rows)]
    columns = [_padded(column, bool(table.header)) for column in zip(*rows, strict=True)]
    indent = "" if table.header else "  "
    return [f"{indent}{'  '.join(row)}".rstrip() for row in zip(*columns, strict=True)]


def _padded(column: Sequence[str], has_header: bool) -> list[str]:
    """Numbers under a heading stand to the right."""
    width = max(map(len, column))
    to_right = has_header and all(_NUMBER.fullmatch(one) for one in column[1:])
    return [one.rjust(width) if to_right else one.ljust(width) for one in column]


def _flat(text: str) -> str:
    """Nothing that breaks a line, moves a cursor or turns the direction of writing."""
    return "".join(one if one.isprintable() else " " for one in text)


def _marked(text: str) -> str:
    plain = _flat(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("://", "&#58;//")
    return _MARKDOWN.sub(r"\\\1", plain)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_IN_CELL else f"{text[: _MOST_IN_CELL - 1]}…"


def _words(name: str) -> str:
    """A class's name in words: AAValidation is "aa validation"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name).lower()
