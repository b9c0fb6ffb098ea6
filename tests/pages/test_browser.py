"""The report page in a real Chromium, from file://, as somebody opens an attachment."""

import contextlib
import json
import shutil

import pytest

selenium = pytest.importorskip("selenium", reason="pip install agebatch[browser-test]")

from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

from agebatch.commands.report import page_of  # noqa: E402
from agebatch.pages.report_numbers import frame_of  # noqa: E402
from agebatch.pages.shell import write_page  # noqa: E402
from tests.commands.test_report import HOSTILE, make_rows  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver here")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --window-size=1280,900"
)


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in QUIET.split():
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    rows = make_rows(120)
    rows = [{**row, "path": str(row["path"]).replace("/a/", f"/{HOSTILE}/")} for row in rows]
    file = tmp_path_factory.mktemp("page") / "report.html"
    dot = "data:image/webp;base64,UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"
    write_page(file, page_of(frame_of(rows), source="results.csv", pictures={0: dot, 3: dot}))
    return file.as_uri()


@pytest.fixture
def opened(browser, page):
    browser.get_log("performance"), browser.get_log("browser")
    visit(browser, page)
    return browser


def visit(browser, url):
    """Open a page; `get` alone sometimes returns while the page before is still there."""
    browser.execute_script("window.stale = true")
    browser.get(url)
    WebDriverWait(browser, 60).until(
        lambda b: b.execute_script("return !window.stale && document.readyState === 'complete'")
    )


def tiles(browser):
    """(age, gender) of each face shown, from what a person reads."""
    texts = browser.execute_script(
        "return [...document.querySelectorAll('#sheet .who')].map(e => e.textContent)"
    )
    return [(int(age), gender) for age, gender in (text.split(", ") for text in texts)]


def settle(browser):
    """Wait for the timers that a change starts to have run."""
    browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; setTimeout(() => setTimeout(done, 0), 50)"
    )


def put(browser, name, value):
    """Type a value; what follows happens after the browser's next turn."""
    field = browser.find_element("id", name)
    field.clear() if field.get_attribute("type") in ("number", "search") else None
    field.send_keys(value)
    settle(browser)


def test_nothing_leaves_the_page_and_nothing_fails(opened, page):
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert {url.split(":")[0] for url in asked} <= {"file", "data"} and len(
        [u for u in asked if u[:4] == "file"]
    ) == 1
    assert opened.get_log("browser") == []
    assert opened.execute_script("return document.querySelectorAll('figure svg').length") >= 8


def test_hostile_names_are_read_as_text(opened):
    with contextlib.suppress(Exception):
        assert not opened.switch_to.alert.text
    names = opened.execute_script(
        "return [...document.querySelectorAll('#folder option')].map(e => e.textContent)"
    )
    assert any("<script>alert('x')</script>" in name for name in names)
    assert opened.execute_script("return document.querySelectorAll('script').length") == 1


def test_sorting_and_filtering_by_mouse(opened):
    assert len(tiles(opened)) == 96
    opened.find_element("css selector", "#sort option[value=young]").click()
    settle(opened)
    ages = [age for age, _ in tiles(opened)]
    assert ages == sorted(ages) and ages[0] < 5
    opened.find_element("css selector", "#gender option[value=f]").click()
    settle(opened)
    assert {gender for _, gender in tiles(opened)} == {"female"}
    opened.find_element("css selector", "button[type=reset]").click()
    settle(opened)
    assert len({gender for _, gender in tiles(opened)}) == 2


def test_sorting_and_filtering_by_keyboard(opened):
    opened.find_element("id", "sort").send_keys("oldest")
    settle(opened)
    put(opened, "age-from", "30")
    put(opened, "age-to", "39")
    ages = [age for age, _ in tiles(opened)]
    assert ages and ages == sorted(ages, reverse=True) and set(ages) <= set(range(30, 40))
    shown = opened.find_element("id", "count").text
    assert shown.startswith(f"{len(ages)} of ")
    band = opened.execute_script(
        "return [...document.querySelectorAll('table tr')].find(r => r.textContent.trim().startsWith('30–39'))"
        ".lastElementChild.textContent"
    )
    assert int(band) == len(ages), "the sheet and the pyramid count the same"


def test_by_confidence_folder_path_and_picture(opened):
    put(opened, "sure-to", "70")
    texts = opened.execute_script(
        "return [...document.querySelectorAll('#sheet .who + .line')].map(e => e.textContent)"
    )
    assert texts and all(50 <= int(text.split("· ")[1].split()[0]) <= 70 for text in texts)
    put(opened, "sure-to", "")
    opened.find_element("css selector", "#folder option:nth-child(3)").click()
    put(opened, "text", "00")
    names = opened.execute_script("return [...document.querySelectorAll('#sheet button')].map(e => e.title)")
    assert (
        names and len({name.rsplit("/", 1)[0] for name in names}) == 1 and all("00" in name for name in names)
    )
    opened.find_element("css selector", "button[type=reset]").click()
    opened.find_element("id", "pictured").click()
    settle(opened)
    assert len(tiles(opened)) == 2


def test_arrows_move_and_enter_shows_a_face(opened):
    first = opened.find_element("css selector", "#sheet button")
    first.send_keys(Keys.ARROW_RIGHT)
    opened.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    across = opened.execute_script(
        "const b = [...document.querySelectorAll('#sheet button')]; return [b.indexOf(document.activeElement),"
        " b.filter(x => x.offsetTop === b[0].offsetTop).length]"
    )
    assert across[0] == across[1] + 1
    opened.switch_to.active_element.send_keys(Keys.ENTER)
    dialog = opened.find_element("id", "details")
    assert dialog.is_displayed() and "90 % interval" in dialog.text
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()
    assert opened.execute_script("return document.querySelectorAll('#sheet [tabindex=\"0\"]').length") == 1


def test_pages_of_faces(opened):
    assert not opened.find_element("id", "previous").is_enabled()
    opened.find_element("id", "next").click()
    assert "Page 2" in opened.find_element("id", "page").text
    assert not opened.find_element("id", "last").is_enabled() and 0 < len(tiles(opened)) < 96
    opened.find_element("id", "text").send_keys(Keys.TAB)
    settle(opened)
    assert "Page 2" in opened.find_element("id", "page").text, "leaving a field is no new question"
    opened.find_element("id", "first").send_keys(Keys.ENTER)
    assert "Page 1" in opened.find_element("id", "page").text and len(tiles(opened)) == 96


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_sideways_scrolling(opened, width):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 700}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_fifty_thousand_faces_open_in_three_seconds(browser, tmp_path):
    rows = [row for row in make_rows(400) if row["face"] is not None]
    many = [{**row, "path": f"{n}/{row['path']}"} for n in range(1 + 50_000 // len(rows)) for row in rows]
    noise = {i: "data:image/webp;base64," + "A" * 2000 for i in range(2000)}
    write_page(tmp_path / "many.html", page_of(frame_of(many), source="many.csv", pictures=noise))
    visit(browser, (tmp_path / "many.html").as_uri())
    took = browser.execute_script(
        "const n = performance.getEntriesByType('navigation')[0];"
        "return [n.loadEventEnd, document.querySelectorAll('#sheet li').length]"
    )
    assert took[1] == 96 and 0 < took[0] < 3000
