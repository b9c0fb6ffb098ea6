import re
from xml.etree import ElementTree

import pytest

from agebatch.pages import plots

HOSTILE = "</svg><script>$x^2$\n\u0645\u62d4\u202e\udcff\x07" + "long " * 20
PLOTS = {
    "histogram": lambda name: plots.histogram([1, 2, 2, 9], range(0, 11), title=name, x_label=name),
    "bars": lambda name: plots.bars([name, "b"], [3, 4000], title=name, x_label=name, spread=[1, 2]),
    "columns": lambda name: plots.columns([name, "b"], [3, 4], title=name, x_label=name, y_label=name),
    "ranges": lambda name: plots.ranges([name, "b"], [1, 2], [3, 4], [5, 6], title=name, x_label=name),
    "pyramid": lambda name: plots.pyramid(
        [name, "10+"], [3, 4], [5, 6], title=name, female_expected=[3.1, 4], female_spread=[1, 1],
        male_expected=[5, 6], male_spread=[1, 0.5],
    ),
    "reliability": lambda name: plots.reliability(
        [0.6, 0.7, 0.9], [0.5, 0, 0.9], [10, 0, 90], title=name, low=[0.3, 0, 0.8], high=[0.7, 0, 0.95]
    ),
    "confusion": lambda name: plots.confusion([[9, 1], [0, 0]], [name, "b"], title=name),
    "line": lambda name: plots.line(
        [1, 2, 3], {name: [3, 2, 1], "b": [1, 1, 2]}, title=name, bands={name: ([2, 1, 0], [4, 3, 2])}, zero=True
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PLOTS)
def test_a_plot_is_well_formed_named_and_the_same_each_time(kind):
    svg = PLOTS[kind](HOSTILE)
    root = ElementTree.fromstring(svg)
    assert root.attrib["role"] == "img"
    named = {element.attrib.get("id"): element for element in root.iter()}
    title, description = root.attrib["aria-labelledby"].split()
    assert "long" in named[title].text and named[description].text
    assert "<script" not in svg and svg == PLOTS[kind](HOSTILE)


@pytest.mark.parametrize("kind", PLOTS)
def test_text_stays_text_in_the_colours_of_the_page(kind):
    svg = PLOTS[kind]("name")
    assert "<text" in svg and "var(--ink" in svg and "#0102" not in svg
    assert not re.search(r"DejaVu|<metadata|<style|<image|https?://(?!www\.w3\.org/)", svg)
    assert not re.search(r"fill: #000000|stroke: #000000", svg), "black vanishes in dark mode"


def test_two_plots_in_one_page_share_no_identifier():
    ids = [
        re.findall(r' id="([^"]+)"', plots.histogram([n], range(5), title=str(n), x_label="x"))
        for n in (1, 2)
    ]
    assert ids[0] and not set(ids[0]) & set(ids[1])


def test_every_reference_leads_somewhere():
    for draw in PLOTS.values():
        svg = draw("name")
        ids = re.findall(r' id="([^"]+)"', svg)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', svg)) <= set(ids)


def test_nothing_to_show_is_no_error():
    plots.histogram([], range(5), title="t", x_label="x")
    plots.bars([], [], title="t")
    plots.columns([], [], title="t")
    plots.ranges([], [], [], [], title="t")
    plots.pyramid([], [], [], title="t")
    plots.reliability([], [], [], title="t")
    plots.line([], {}, title="t")
