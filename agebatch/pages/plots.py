"""Plots as inline SVG: text stays text, colours follow the page, and screen readers get a sentence.

Each function returns one `<svg>` string, the same for the same numbers, with identifiers of its own so that
many can stand in one page. matplotlib draws; a few colours that stand for roles are then replaced by the CSS
variables of page.css. Templates show them with `parts.plot(svg, caption, columns, rows)`.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 400.0  # points; a page shows it 360 to 580 CSS pixels wide, so that 11 point text stays readable
SIZE = 11.0  # font, points

# Stand-ins that matplotlib can draw and the page replaces: unlikely colours → CSS.
INK, MUTED, LINE, ON = "#010203", "#010204", "#010205", "#010206"
FEMALE, MALE = "#010207", "#010208"
SERIES = ("#010211", "#010212", "#010213", "#010214", "#010215", "#010216")
_CSS = {
    INK: "var(--ink,currentColor)",
    MUTED: "var(--muted,currentColor)",
    LINE: "var(--line,#ccc)",
    ON: "var(--on,#fff)",
    FEMALE: "var(--female,#d55e00)",
    MALE: "var(--male,#0072b2)",
} | {
    colour: f"var(--s{n},{okabe_ito})"
    for n, (colour, okabe_ito) in enumerate(
        zip(SERIES, ("#0072b2", "#d55e00", "#00865f", "#b3568a", "#6b5d00", "#56b4e9"), strict=True), start=1
    )
}


def histogram(
    values: Sequence[float],
    bins: Sequence[float],
    *,
    title: str,
    x_label: str,
    y_label: str = "faces",
    colour: str = SERIES[0],
    height: float = 210,
    width: float = WIDTH,
) -> str:
    """How often values fall between the edges `bins` (the last bin includes its right edge)."""
    import numpy as np  # noqa: PLC0415

    counts, edges = np.histogram(np.asarray(values, dtype=float), bins=np.asarray(bins, dtype=float))
    figure, axes = _figure(height, width)
    axes.bar(
        edges[:-1], counts, width=np.diff(edges), align="edge", color=colour, edgecolor=ON, linewidth=0.5
    )
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max(1, counts.max()) * 1.05)
    _names(axes, x_label, y_label)
    top = int(counts.argmax()) if counts.sum() else 0
    most = f" Most between {edges[top]:g} and {edges[top + 1]:g}: {counts[top]:,}." if counts.sum() else ""
    return _svg(figure, title, f"Histogram of {int(counts.sum()):,} values, {x_label}.{most}")


def bars(
    names: Sequence[str],
    counts: Sequence[float],
    *,
    title: str,
    x_label: str = "",
    spread: Sequence[float] | None = None,
    decimals: int = 0,
    colour: str = SERIES[0],
) -> str:
    """One horizontal bar a name, first on top, its value at its end; `spread` draws ± whiskers."""
    figure, axes = _figure(46 + 23 * max(1, len(names)))
    places = list(range(len(names)))
    axes.barh(places, list(counts), height=0.72, color=colour)
    reach = [count + (spread[i] if spread is not None else 0) for i, count in enumerate(counts)]
    if spread is not None:
        axes.errorbar(
            list(counts), places, xerr=list(spread), fmt="none", ecolor=INK, elinewidth=1.2, capsize=2.5
        )
    for place, count, end in zip(places, counts, reach, strict=True):
        axes.annotate(
            f"{count:,.{decimals}f}", (end, place), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize=SIZE - 1,
        )  # fmt: skip
    axes.set_yticks(places, [_label(name, 26) for name in names])
    axes.set_xlim(0, max([*reach, 0]) * 1.16 or 1)
    axes.set_ylim(-0.6, max(0.6, len(names) - 0.4))
    axes.invert_yaxis()
    _names(axes, x_label, "", grid="x")
    axes.tick_params(axis="y", length=0)
    told = ", ".join(f"{_label(n)} {c:,.{decimals}f}" for n, c in list(zip(names, counts, strict=True))[:12])
    return _svg(figure, title, f"Bar chart. {told}{' and more' if len(names) > 12 else ''}.")


def ranges(
    names: Sequence[str],
    low: Sequence[float],
    middle: Sequence[float],
    high: Sequence[float],
    *,
    title: str,
    x_label: str = "",
    colour: str = SERIES[0],
) -> str:
    """One bar from low to high a name with a dot in the middle, first on top: quartiles, intervals."""
    figure, axes = _figure(46 + 23 * max(1, len(names)))
    places = list(range(len(names)))
    widths = [b - a for a, b in zip(low, high, strict=True)]
    axes.barh(places, widths, left=list(low), height=0.5, color=colour, alpha=0.45)
    axes.plot(list(middle), places, "o", color=INK, markersize=5)
    axes.set_yticks(places, [_label(name, 26) for name in names])
    axes.set_ylim(-0.6, max(0.6, len(names) - 0.4))
    axes.set_xlim(0, max([*high, 0]) * 1.06 or 1)
    axes.invert_yaxis()
    _names(axes, x_label, "", grid="x")
    axes.tick_params(axis="y", length=0)
    parts = zip(names, low, middle, high, strict=True)
    told = "; ".join(f"{_label(n)} {m:.4g} ({a:.4g} to {b:.4g})" for n, a, m, b in parts)
    return _svg(figure, title, f"Ranges. {told}.")


def columns(
    names: Sequence[str],
    counts: Sequence[float],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    colour: str = SERIES[0],
    height: float = 210,
) -> str:
    """One upright bar a name, for short names in an order of their own (faces per photo, months)."""
    figure, axes = _figure(height)
    places = list(range(len(names)))
    axes.bar(places, list(counts), width=0.8, color=colour)
    axes.set_ylim(0, max([*counts, 0]) * 1.05 or 1)
    step = max(1, -(-len(names) // 12))
    axes.set_xticks(places[::step], [_label(name, 12) for name in list(names)[::step]])
    axes.tick_params(axis="x", length=0)
    _names(axes, x_label, y_label)
    told = ", ".join(f"{_label(n)} {c:,.0f}" for n, c in list(zip(names, counts, strict=True))[:16])
    return _svg(figure, title, f"Bar chart. {told}{' and more' if len(names) > 16 else ''}.")


def pyramid(
    bands: Sequence[str],
    female: Sequence[float],
    male: Sequence[float],
    *,
    title: str,
    female_expected: Sequence[float] | None = None,
    female_spread: Sequence[float] | None = None,
    male_expected: Sequence[float] | None = None,
    male_spread: Sequence[float] | None = None,
    x_label: str = "faces",
) -> str:
    """An age pyramid: youngest band at the foot, female left, male right, as demographers draw it.

    Bars are counts; with `*_expected` and `*_spread` a dot and whiskers show what the faces' own
    probabilities expect there, and how far that is uncertain (both in faces).
    """
    figure, axes = _figure(54 + 21 * max(1, len(bands)))
    places = list(range(len(bands)))
    widest = max([*female, *male, 1])
    for sign, counts, expected, spread, colour in (
        (-1, female, female_expected, female_spread, FEMALE),
        (1, male, male_expected, male_spread, MALE),
    ):
        axes.barh(places, [sign * count for count in counts], height=0.86, color=colour)
        if expected is not None:
            axes.errorbar(
                [sign * value for value in expected], places, xerr=None if spread is None else list(spread),
                fmt="o", color=INK, ecolor=INK, markersize=2.6, elinewidth=1.2, capsize=2.2,
            )  # fmt: skip
            widest = max(
                widest,
                *(v + (0 if spread is None else spread[i]) for i, v in enumerate(expected)),
            )
    axes.axvline(0, color=ON, linewidth=1)
    axes.set_xlim(-widest * 1.06, widest * 1.06)
    axes.set_ylim(-0.6, len(bands) - 0.4)
    axes.set_yticks(places, [_label(band, 12) for band in bands])
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}" if value == round(value) else "")
    axes.tick_params(axis="y", length=0)
    _names(axes, x_label, "", grid="x")
    for x, side, name in ((0.0, "left", "◀ female"), (1.0, "right", "male ▶")):
        axes.text(x, 1.01, name, transform=axes.transAxes, ha=side, va="bottom", fontweight="bold")
    told = "; ".join(
        f"{band}: {f:,.0f} female, {m:,.0f} male" for band, f, m in zip(bands, female, male, strict=True)
    )
    return _svg(figure, title, f"Age pyramid. {told}.")


def reliability(
    claimed: Sequence[float],
    observed: Sequence[float],
    counts: Sequence[int],
    *,
    title: str,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    x_label: str = "probability claimed",
    y_label: str = "share that was right",
    start: float = 0.5,
) -> str:
    """A reliability diagram: on the diagonal the probability is honest, below it too sure of itself.

    One point a bin, larger where it holds more; `low` and `high` are the ends of its 95 % interval.
    Bins without a case are left out. `start`: where both axes begin.
    """
    figure, axes = _figure(300, width=340)
    kept = [i for i, count in enumerate(counts) if count]
    axes.plot([start, 1], [start, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    x, y = [claimed[i] for i in kept], [observed[i] for i in kept]
    if low is not None and high is not None:
        ends = [[max(0, observed[i] - low[i]) for i in kept], [max(0, high[i] - observed[i]) for i in kept]]
        axes.errorbar(x, y, yerr=ends, fmt="none", ecolor=SERIES[0], elinewidth=1.4, capsize=3)
    most = max([counts[i] for i in kept], default=1)
    axes.plot(x, y, color=SERIES[0], linewidth=1.4)
    axes.scatter(x, y, s=[14 + 70 * counts[i] / most for i in kept], color=SERIES[0], zorder=3)
    axes.set_xlim(start, 1)
    axes.set_ylim(min([start, *y, *([low[i] for i in kept] if low is not None else [])]), 1.01)
    _names(axes, x_label, y_label, grid="both")
    told = "; ".join(f"claimed {a:.2f}, right {b:.2f}" for a, b in zip(x, y, strict=True))
    return _svg(figure, title, f"Reliability diagram over {sum(counts):,} cases. {told}.")


def confusion(
    matrix: Sequence[Sequence[float]],
    names: Sequence[str],
    *,
    title: str,
    x_label: str = "estimated",
    y_label: str = "labelled",
    columns: Sequence[str] | None = None,
) -> str:
    """A matrix of counts as shades of each row's share; each cell says its share in per cent.

    matrix: (rows, columns) counts, row = labelled class. Cells under 0.5 % stay empty. `columns` defaults to
    `names`, so that it also draws tables such as age band × ethnicity.
    """
    across = list(columns if columns is not None else names)
    figure, axes = _figure(70 + 25 * len(names))
    for i, row in enumerate(matrix):
        total = sum(row)
        for j, count in enumerate(row):
            share = count / total if total else 0.0
            axes.add_patch(_box(j, i, SERIES[0], 0.04 + 0.96 * share))
            if share >= 0.005:
                axes.text(
                    j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=SIZE - 1.5,
                    color=ON if share > 0.78 else INK,
                )  # fmt: skip
    axes.set_xlim(-0.5, len(across) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    slant = 45 if max((len(name) for name in across), default=0) * len(across) > 60 else 0
    axes.set_xticks(range(len(across)), [_label(name, 16) for name in across], rotation=slant)
    axes.set_yticks(range(len(names)), [_label(name, 20) for name in names])
    axes.tick_params(length=0)
    _names(axes, x_label, y_label, grid="")
    total = sum(map(sum, matrix))
    return _svg(
        figure, title, f"Matrix of {total:,.0f} cases, {y_label} by {x_label}, in per cent of each row."
    )


def line(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    title: str,
    x_label: str = "",
    y_label: str = "",
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    height: float = 230,
    zero: bool = False,
) -> str:
    """Up to six lines over x, told apart by colour and dash; `bands` shades (low, high) around a name."""
    figure, axes = _figure(height)
    dashes = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)), (0, (9, 3)), (0, (3, 1)))
    for (name, values), colour, dash in zip(series.items(), SERIES, dashes, strict=False):
        axes.plot(list(x), list(values), color=colour, linestyle=dash, linewidth=1.7, label=_label(name, 30))
        if bands and name in bands:
            axes.fill_between(list(x), *map(list, bands[name]), color=colour, alpha=0.18, linewidth=0)
    if zero:
        axes.axhline(0, color=MUTED, linewidth=1)
    _names(axes, x_label, y_label, grid="both")
    if len(series) > 1:
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=min(3, len(series)))
    told = "; ".join(f"{n} from {v[0]:.4g} to {v[-1]:.4g}" for n, v in series.items() if len(v))
    return _svg(figure, title, f"Line chart. {told}.")


def _figure(height: float, width: float = WIDTH) -> tuple[Any, Any]:
    """A figure and its axes, `width` × `height` points, without pyplot's global state."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy, and on the path of --help

    figure = Figure(figsize=(width / 72, height / 72), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=SIZE - 0.5, length=3)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    return figure, axes


def _box(x: float, y: float, colour: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle  # noqa: PLC0415

    return Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, facecolor=colour, alpha=alpha, linewidth=0)


def _names(axes: Any, x_label: str, y_label: str, grid: str = "y") -> None:
    axes.set_xlabel(_label(x_label, 60), color=MUTED, fontsize=SIZE)
    axes.set_ylabel(_label(y_label, 40), color=MUTED, fontsize=SIZE)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=LINE, linewidth=0.7)


def _label(text: object, longest: int = 40) -> str:
    """Any text as one short line that XML can hold: no controls, no surrogates, the middle left out."""
    clean = "".join(
        " "
        if unicodedata.category(c) in ("Cc", "Zl", "Zp")
        else "�"
        if unicodedata.category(c) == "Cs"
        else c
        for c in str(text)
    )
    if len(clean) <= longest:
        return clean
    head = (longest - 1) // 2
    return f"{clean[:head]}…{clean[-(longest - 1 - head) :]}"


def _svg(figure: Any, title: str, description: str) -> str:
    """The figure as inline SVG: roles for colours, the page's font, own identifiers, no metadata."""
    import matplotlib  # noqa: PLC0415
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415

    for text in figure.findobj(matplotlib.text.Text):
        text.set_parse_math(False)  # a folder may be called $x^2$
        if text.get_color() in ("black", "#000000"):
            text.set_color(INK)
    file = io.BytesIO()
    with (
        warnings.catch_warnings(),
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "agebatch"}),
    ):
        # Only the measuring font lacks the glyph; the page draws the text with the reader's own fonts.
        warnings.filterwarnings("ignore", message=".*Glyph.*")
        warnings.filterwarnings("ignore", message=".*Matplotlib currently does not support.*")
        warnings.filterwarnings("ignore", message=".*constrained_layout not applied.*")
        FigureCanvasSVG(figure).print_svg(file, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = file.getvalue().decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'<style type="text/css">.*?</style>', "", svg, flags=re.DOTALL
    )  # it would rule the whole page
    svg = re.sub(r"font-family:[^;\"]*;?", "", svg)
    svg = re.sub(r"(font: (?:[a-z0-9]+ )*[\d.]+px )[^;\"]*", r"\1inherit", svg)
    for colour, css in _CSS.items():
        svg = svg.replace(colour, css)
    return _adopt(svg, _label(title, 200), _label(description, 1500))


def _adopt(svg: str, title: str, description: str) -> str:
    """Keep only identifiers that something refers to, make them this plot's own, and name the plot."""
    prefix = "p" + hashlib.sha256((title + svg).encode()).hexdigest()[:10]
    used = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(xlink:href="#|url\(#)([^")]+)', rf"\g<1>{prefix}\2", svg)
    box = re.search(r'viewBox="([^"]*)"', svg)
    opening, rest = svg.split(">", 1)
    width, height = box[1].split()[2:] if box else ("100", "100")
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'style="max-width:{1.45 * float(width):.0f}px;stroke-linejoin:round" '
        f'aria-labelledby="{prefix}t {prefix}d"'
    )
    named = (
        f'<title id="{prefix}t">{html.escape(title)}</title>'
        f'<desc id="{prefix}d">{html.escape(description)}</desc>'
    )
    return re.sub(r">\s+<", "><", re.sub(r" *\n", " ", f"{opening}>{named}{rest}")).strip()
