"""The page in a real browser with its network off: no error, no request, usable on any screen.

Left out where there is no Chromium; `MAMLVIAPP_BROWSER` names one that is not on PATH.
"""

import pytest

from tests.support.browser import browser, program
from tests.support.report_project import page_of, scored


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="no Chromium; MAMLVIAPP_BROWSER may name one"),
]
HOSTILE = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">"
# Elements of the page that reach beyond the window and cannot be scrolled to.
LOST = """
[...document.querySelectorAll('main *, header *')].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width > 0 && box.right > innerWidth + 1 && !one.closest('.scroll, .picker');
}).map(one => one.tagName + '.' + one.className)
"""
SMALL = """
[...document.querySelectorAll('button, summary')].filter(one => {
  const box = one.getBoundingClientRect();
  return one.checkVisibility() && Math.min(box.width, box.height) < 24;
}).map(one => one.textContent)
"""
# Contrast by WCAG 2 of every text with what is behind it; of drawings the letters' fill.
PALE = """
(() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const part = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = one => {
    for (; one; one = one.parentElement) {
      const found = parts(getComputedStyle(one).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const one of document.querySelectorAll('body *')) {
    const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !one.checkVisibility() || one.closest('script, style, title')) continue;
    const style = getComputedStyle(one);
    const letters = one instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(parts(letters)), light(behind(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) pale.push(one.tagName + ': ' + one.textContent.slice(0, 40));
  }
  return pale;
})()
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("report"), HOSTILE)


@pytest.fixture(scope="module")
def tab():
    with browser(program()) as page:
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_is_whole_and_usable(tab, path, width, scheme, tmp_path):
    tab.requests.clear()
    tab.messages.clear()
    tab.look(width, scheme=scheme)
    tab.open(path)
    assert tab.value("document.documentElement.scrollWidth") <= width
    assert tab.value(LOST) == []
    assert tab.value(SMALL) == []
    assert tab.value(PALE) == []
    tab.value("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert tab.value("document.documentElement.scrollWidth") <= width
    rows = tab.value("[...document.querySelectorAll('#levels [data-row]')].map(r => r.dataset.row)")
    assert set(rows) == set(scored())
    drawn = "[...document.querySelectorAll('.chart > svg')].map(one => one.getBoundingClientRect())"
    sizes = tab.value(f"{drawn}.map(box => [box.width, box.height])")
    assert len(sizes) > 20
    assert all(w > 250 and h > 150 for w, h in sizes)
    assert tab.value("document.title").startswith("Report")
    tab.picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 100_000
    assert tab.messages == []
    assert set(tab.requests) == {path.as_uri()}


def test_a_row_is_picked_out_in_every_chart_and_put_back(tab, path):
    tab.look(1400)
    tab.open(path)
    opacity = "getComputedStyle(document.querySelector('#fig3_ppl [data-row=\"{}\"]')).opacity"
    press = "document.querySelector('.picker [data-row=\"in_place\"]').click()"
    pressed = "document.querySelectorAll('[aria-pressed=\"true\"]').length"
    for expected in ("0.12", "1"):
        tab.value(press)
        assert tab.value(opacity.format("transfer")) == expected
        assert tab.value(opacity.format("in_place")) == "1"
        assert (tab.value(pressed) > 0) == (expected != "1")
        marked = tab.value("document.querySelectorAll('#levels tr.picked').length")
        assert marked == (1 if expected != "1" else 0)
    tab.value(press)
    tab.value("document.querySelector('.picker .all').click()")
    assert tab.value(pressed) == 0


def test_a_row_is_picked_by_the_keyboard(tab, path):
    tab.open(path)
    tab.value("document.querySelector('.picker [data-row=\"reinit\"]').focus()")
    for kind in ("rawKeyDown", "char", "keyUp"):
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        tab.call("Input.dispatchKeyEvent", type=kind, **key)
    assert tab.value("document.querySelector('#levels tr.picked').dataset.row") == "reinit"


def test_printing_opens_what_is_closed_and_closes_it_again(tab, path):
    tab.open(path)
    group = "document.querySelector('#fig-3 details.group').open"
    tab.value("dispatchEvent(new Event('beforeprint'))")
    assert tab.value(group)
    tab.value("dispatchEvent(new Event('afterprint'))")
    assert not tab.value(group)
    printed = tab.call("Page.printToPDF", printBackground=False)["data"]
    assert len(printed) > 10_000
