"""An HTML page read by the standard library's own parser: tables by id, all text, all tags."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}


@dataclass
class Read(HTMLParser):
    """What a page holds.

    Attributes:
        tables: by id, rows of cells' texts; the head of a row is its `data-row` where it has one.
        tags: every tag with its attributes.
        words: all text outside of style and script.
    """

    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._table: list[list[str]] | None = None
        self._row: str | None = None

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append((tag, values))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table" and values.get("id"):
            self._table = self.tables.setdefault(values["id"], [])
        elif tag == "tr" and self._table is not None:
            self._table.append([])
            self._row = values.get("data-row")
        elif tag in ("th", "td") and self._table is not None:
            self._table[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, tag  # what is opened is closed, in its order
        if tag == "table":
            self._table = None
        elif tag == "th" and self._table is not None and self._row and len(self._table[-1]) == 1:
            self._table[-1][0] = self._row

    def handle_data(self, text):
        if self._open and self._open[-1] in ("style", "script"):
            return
        self.words += text
        if self._table and self._table[-1]:
            self._table[-1][-1] += text

    @classmethod
    def of(cls, text: str) -> "Read":
        page = cls()
        page.feed(text)
        page.close()
        assert page._open == []
        page.tables = {
            name: [[" ".join(cell.split()) for cell in row] for row in rows]
            for name, rows in page.tables.items()
        }
        return page

    def row(self, table: str, head: str) -> list[str]:
        """Return the cells of the row with this head, without the head."""
        (found,) = (row for row in self.tables[table] if row[0] == head)
        return found[1:]
