"""Tables that fit the terminal: no cell is cut, and no column is left out unsaid."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

_LONGEST = 10_000
"""Characters, more than any line has."""
_FOLDED = 16
"""The least width of a column of sentences."""


def print_table(console: Console, table: Table) -> None:
    """Prints a table; where it is too wide for the terminal, a line for each cell.

    Args:
        console: Where to.
        table: The table. Columns with `overflow="fold"` hold sentences, which may take several
            lines; those of all others stay whole.
    """
    if not is_too_wide(console, table):
        for column in table.columns:
            column.no_wrap = column.overflow != "fold"
        console.print(table)
        return
    if table.title:
        console.print(table.title, soft_wrap=True)
    for number, row in enumerate(zip(*(column.cells for column in table.columns), strict=True)):
        if number and table.show_header:
            console.print()
        for line in _lines(console, table, row):
            console.print(line, soft_wrap=True)


def _lines(console: Console, table: Table, row: Sequence[object]) -> Iterator[Text]:
    cells = [_text(console, cell) for cell in row]
    if not table.show_header:
        yield Text(" ").join(cells)
        return
    for column, cell in zip(table.columns, cells, strict=True):
        if cell.plain.strip():
            heading = _text(console, column.header)
            yield Text.assemble(heading, "  " if heading.plain else "", cell)


def is_too_wide(console: Console, table: Table) -> bool:
    """Whether a table has not enough room for what must stay whole."""
    frame = 2 * len(table.columns) if table.box is None else 3 * len(table.columns) + 1
    return frame + sum(_width(console, column) for column in table.columns) > console.width


def _width(console: Console, column: Column) -> int:
    options = console.options.update(max_width=_LONGEST)
    cells = [column.header, *column.cells]
    widest = max(Measurement.get(console, options, cell).maximum for cell in cells)
    return min(widest, _FOLDED) if column.overflow == "fold" else widest


def _text(console: Console, cell: object) -> Text:
    return cell if isinstance(cell, Text) else console.render_str(str(cell))


@dataclass(frozen=True)
class Listed:
    """A column of a list that has a line for each thing.

    Attributes:
        heading: Its heading.
        cells: A text for each line.
        right: Whether they are numbers.
    """

    heading: str
    cells: Sequence[str]
    right: bool = False

    @property
    def width(self) -> int:
        """Characters of its longest cell."""
        return max(map(cell_len, (self.heading, *self.cells)))

    def padded(self, cell: str) -> str:
        """A cell as wide as the column."""
        space = " " * (self.width - cell_len(cell))
        return space + cell if self.right else cell + space


def print_list(
    console: Console, columns: Sequence[Listed], optional: Sequence[str], *, wide: bool = False
) -> None:
    """Prints a line for each thing, with as many columns as there is room for.

    Args:
        console: Where to.
        columns: The columns.
        optional: Headings of those that may be left out, the first one first. What is left out is
            said.
        wide: Whether to print all of them, however long the lines become.
    """
    shown, left_out = list(columns), list[str]()
    for heading in () if wide else optional:
        if _length(shown, 1) <= console.width:
            break
        shown = [column for column in shown if column.heading != heading]
        left_out.append(heading)
    gap = 2 if wide or _length(shown, 2) <= console.width else 1
    if wide or _length(shown, gap) <= console.width:
        heading, *lines = _laid_out(shown, " " * gap)
        console.print(Text(heading, "bold"), soft_wrap=True)
        for line in lines:
            console.print(Text(line), soft_wrap=True)
    else:
        _print_cells(console, shown)
    if left_out:
        words = f"Not shown: {', '.join(reversed(left_out))}. --wide shows all columns."
        console.print(words, style="dim", soft_wrap=True)


def _length(columns: Sequence[Listed], gap: int) -> int:
    return sum(column.width for column in columns) + gap * (len(columns) - 1)


def _laid_out(columns: Sequence[Listed], gap: str) -> Iterator[str]:
    for row in zip(*((column.heading, *column.cells) for column in columns), strict=True):
        padded = (column.padded(cell) for column, cell in zip(columns, row, strict=True))
        yield gap.join(padded).rstrip()


def _print_cells(console: Console, columns: Sequence[Listed]) -> None:
    table = Table()
    for column in columns:
        table.add_column(column.heading)
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, row))
    print_table(console, table)
