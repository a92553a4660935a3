"""Colours, marks and settings of every chart, the same on any host. No torch.

A user's own matplotlibrc has no say. In the page colours are variables of its style sheet, so that
one drawing serves light and dark: the drawing has stand-ins, which `files.py` replaces.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib import rc_context


COLOURS = (  # Okabe and Ito's, which colour-blind people can tell apart; yellow is too pale
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#3a9bd6", "#6a3d9a", "#555555"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
SALT = "charts"  # of the ids in an SVG


@dataclass(frozen=True)
class Look:
    """The colours of a drawing, and whether its letters stay text."""

    ink: str
    rule: str
    series: tuple[str, ...]
    text: bool  # letters as text, in the reader's own font; else as outlines


PAPER = Look("#222222", "#dddddd", COLOURS, text=False)
PAGE = Look("#000100", "#000200", tuple(f"#0003{i:02x}" for i in range(len(COLOURS))), text=True)
VARIABLES = {  # what stands for the page's stand-ins
    PAGE.ink: "var(--ink)",
    PAGE.rule: "var(--rule)",
    **{colour: f"var(--s{i})" for i, colour in enumerate(PAGE.series)},
}


@dataclass(frozen=True)
class Style:
    """How the lines of one row look."""

    colour: str
    marker: str
    dashes: Any


def style(look: Look, index: int) -> Style:
    """Return the style of the row with this number; no two of the first 56 are the same."""
    colours = len(look.series)
    return Style(
        look.series[index % colours],
        MARKERS[index % len(MARKERS)],
        DASHES[index // colours % len(DASHES)],
    )


@contextmanager
def settings(look: Look) -> Iterator[None]:
    """Draw with this project's settings alone while the block lasts."""
    with rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "font.family": ["DejaVu Sans"],  # matplotlib's own copy comes first
                "font.size": 10,
                "axes.titlesize": 11,
                "axes.edgecolor": look.rule,
                "axes.labelcolor": look.ink,
                "axes.titlecolor": look.ink,
                "axes.titlelocation": "left",
                "axes.facecolor": "none",
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "axes.grid.axis": "y",
                "axes.unicode_minus": True,
                "grid.color": look.rule,
                "grid.linewidth": 0.8,
                "text.color": look.ink,
                "xtick.color": look.rule,
                "ytick.color": look.rule,
                "xtick.labelcolor": look.ink,
                "ytick.labelcolor": look.ink,
                "legend.frameon": False,
                "lines.linewidth": 1.6,
                "lines.markersize": 5,
                "figure.facecolor": "none" if look.text else "white",
                "savefig.facecolor": "auto",
                "svg.fonttype": "none" if look.text else "path",
                "svg.hashsalt": SALT,
                "pdf.fonttype": 42,  # TrueType: what publishers take
            }
        )
        yield
