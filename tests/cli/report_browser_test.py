#!/usr/bin/env python3
"""Opens a page of clip_report in headless Chromium and prints "ok NAME" or "NAME: what was seen" for each thing it tries.

  report_browser_test.py PAGE STUDY [CELL=STATE]... [--pictures FOLDER]
"""
import base64
import json
import os
import pathlib
import shutil
import sys
import tempfile

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

words = sys.argv[1:]
pictures = pathlib.Path(words.pop()) if len(words) > 1 and words[-2] == "--pictures" and words.remove("--pictures") is None else None
page, study = pathlib.Path(words[0]).resolve(), pathlib.Path(words[1])
states = dict(word.split("=") for word in words[2:])
cells = [cell["name"] for cell in json.loads((study / "plan.json").read_text())["cells"]]


def check(name, holds, seen=""):
    print(f"ok {name}" if holds else f"{name}: {seen!r}", flush=True)


def equal(name, seen, wanted):
    check(name, seen == wanted, f"{seen} in place of {wanted}")


options = webdriver.ChromeOptions()
options.binary_location = shutil.which("chromium")
for word in ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900",
             "--disable-background-networking", f"--user-data-dir={tempfile.mkdtemp(dir=os.getcwd())}"]:
    options.add_argument(word)
options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
run = browser.execute_script
devtools = browser.execute_cdp_cmd


def wait(condition):
    WebDriverWait(browser, 10).until(lambda _: condition())


def show(width, height, dark=False, media=""):
    devtools("Emulation.setEmulatedMedia", {"media": media, "features": [
        {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
    devtools("Emulation.setDeviceMetricsOverride",
             {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
    devtools("Emulation.setTouchEmulationEnabled", {"enabled": width < 500})


def picture(name, whole=True):
    if pictures is None:
        return
    height = run("return document.documentElement.scrollHeight") if whole else run("return innerHeight")
    clip = {"x": 0, "y": 0, "width": run("return innerWidth"), "height": min(height, 12000), "scale": 1}
    shot = devtools("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip} if whole else {})
    (pictures / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


# Text and what is behind it: the least contrast by WCAG's formula, and where.
CONTRAST = """
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
  return .2126 * r + .7152 * g + .0722 * b; };
const behind = (e) => { for (; e; e = e.parentElement) { const c = numbers(getComputedStyle(e).backgroundColor);
  if (c.length < 4 || c[3] > .99) return c.slice(0, 3); } return [255, 255, 255]; };
let least = [99, ''];
for (const e of document.querySelectorAll('body *')) {
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== '');
  if (!own || e.closest('script, style') || !e.checkVisibility()) continue;
  const style = getComputedStyle(e), ink = numbers(e instanceof SVGElement ? style.fill : style.color);
  const [a, b] = [light(ink.slice(0, 3)), light(behind(e))], ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (ratio < least[0]) least = [ratio, e.tagName + '.' + e.getAttribute('class') + ' ' + e.textContent.slice(0, 40)];
}
return least;"""
COLUMN = """const [table, name] = arguments, heads = [...document.querySelectorAll('#' + table + ' thead th')];
const at = heads.findIndex((h) => h.textContent.trim() === name);
return [...document.querySelectorAll('#' + table + ' tbody tr')].filter((r) => !r.hidden)
  .map((r) => [r.cells[0].textContent, r.cells[at].textContent.trim(), r.cells[at].dataset.v ?? null]);"""


def column(name, table="runs"):
    return run(COLUMN, table, name)


def head(name, table="runs"):
    return next(h for h in browser.find_elements(By.CSS_SELECTOR, f"#{table} thead th") if h.text.strip().startswith(name))


def overflow():
    return run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")


def main():
    browser.get("about:blank")
    browser.get_log("performance")  # the first empty tab has pages of its own
    show(1280, 900)
    browser.get(page.as_uri())
    check("the title is text", browser.title == "Letters <b>&</b> more", browser.title)
    for link in browser.find_elements(By.CSS_SELECTOR, "nav a"):
        target = link.get_attribute("href").split("#")[1]
        check(f"section {target}", run("return document.getElementById(arguments[0])?.tagName", target) == "SECTION", target)

    # --- what it says
    bar = browser.find_element(By.CSS_SELECTOR, ".legend").text.split("\n")
    equal("the summary counts states", bar, ["16 done", "1 running", "2 stopped on the way", "2 failed", "3 missing"])
    equal("all cells have a row", [row[0] for row in column("run")], cells)
    shown = {"given_up": "given up", "silent": "done", "broken": "done", "untrained": "eval missing"}
    equal("their states", {row[0]: row[1] for row in column("state")},
          {cell: shown.get(states.get(cell, "done"), states.get(cell, "done")) for cell in cells})
    failures = browser.find_element(By.ID, "failed").text
    check("a hostile log is text", '<script>document.title="taken"</script><img src=x' in failures, failures)
    missing = browser.find_element(By.ID, "missing").text
    check("missing cells are named", "missing (2): B32_full_flip_0, B32_full_flip_1" in missing, missing)
    lack = "line B32, clip 6 4 B32_full_clip_0, B32_full_clip_1"
    check("what a line lacks is named", lack in missing and "Not drawn" not in missing, missing)
    check("a broken file is named", "S16_60k_clip_1/run/results.json" in browser.find_element(By.ID, "failures").text)

    # --- sorting
    name = "accuracy on imagenet"
    numbers = [float(v) for _, _, v in column(name) if v is not None]
    check("some have no result", 0 < len(numbers) < len(cells), numbers)
    head(name).find_element(By.TAG_NAME, "button").click()
    values = [v for _, _, v in column(name)]
    equal("sorted by numbers, largest first", [float(v) for v in values if v is not None], sorted(numbers, reverse=True))
    equal("what is missing comes last", values[len(numbers):], [None] * (len(cells) - len(numbers)))
    equal("the head says so", head(name).get_attribute("aria-sort"), "descending")
    head(name).find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    values = [v for _, _, v in column(name)]
    equal("Enter turns it round", [float(v) for v in values[:len(numbers)]], sorted(numbers))
    equal("missing stays last", values[len(numbers):], [None] * (len(cells) - len(numbers)))
    head("run").find_element(By.TAG_NAME, "button").click()
    names = [row[0] for row in column("run")]
    check("names are sorted, numbers in them as numbers", names[0] == "B32_60k_clip_0" and names[-1].startswith("S16_full"), names)
    equal("one column is sorted at a time", head(name).get_attribute("aria-sort"), "none")

    # --- filters
    tools = browser.find_element(By.CSS_SELECTOR, "#table .tools")
    menus = {menu.get_attribute("aria-label"): Select(menu) for menu in tools.find_elements(By.TAG_NAME, "select")}
    equal("menus for state and axes", list(menus), ["state", "tower", "data", "strategy", "seed"])
    menus["state"].select_by_visible_text("done")
    menus["tower"].select_by_visible_text("B32")
    done = ["done", "silent", "broken"]
    wanted = {c for c in cells if c.startswith("B32") and states.get(c, "done") in done}
    equal("filtered by state and tower", {row[0] for row in column("run")}, wanted)
    search = tools.find_element(By.TAG_NAME, "input")
    search.send_keys("flip 250K")
    equal("and by words", {row[0] for row in column("run")}, {"B32_250k_flip_0", "B32_250k_flip_1"})
    equal("the count", tools.find_element(By.TAG_NAME, "output").text, "2 of 24 runs")
    head(name).find_element(By.TAG_NAME, "button").click()
    equal("sorting keeps the filter", len(column("run")), 2)
    tools.find_element(By.TAG_NAME, "button").click()
    equal("all are back", len(column("run")), len(cells))

    # --- two configurations
    def config(cell):
        section, keys = "", {}
        for line in (study / "cells" / cell / "run/config.cfg").read_text().splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            else:
                key, value = line.split(" =", 1)
                keys[f"{section}.{key}"] = value.strip()
        return keys

    a, b = "S16_full_clip_0", "B32_60k_flip_1"
    for label, cell in [("first run", a), ("second run", b)]:
        Select(browser.find_element(By.CSS_SELECTOR, f"select[aria-label='{label}']")).select_by_visible_text(cell)
    one, other = config(a), config(b)
    wanted = [[key, one[key], other[key]] for key in sorted(one) if one[key] != other[key] and key not in ("run.name", "run.dir")]
    check("there is something to compare", len(wanted) >= 4, wanted)
    equal("the keys in which two runs differ", [[cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")] for row in
                                               browser.find_elements(By.CSS_SELECTOR, "#compared tbody tr")], wanted)

    # --- figures
    count = run("return document.querySelectorAll('figure svg').length")
    check("there are figures", count >= 10, count)
    opened = lambda: run("return document.querySelector('dialog').open")
    width = lambda: run("return document.querySelector('.zoombox svg').getBoundingClientRect().width")
    small = run("return document.querySelector('figure svg').getBoundingClientRect().width")
    button = browser.find_element(By.CSS_SELECTOR, "figure .enlarge")
    button.send_keys(Keys.ENTER)
    check("Enter opens a figure", opened())
    large = width()
    check("it is larger", large > 1.5 * small, [small, large])
    browser.switch_to.active_element.send_keys("+")
    check("+ enlarges it", width() > 1.3 * large, [large, width()])
    check("a large figure scrolls in its box", run("const b = document.querySelector('.zoombox'); return b.scrollWidth > b.clientWidth"))
    browser.switch_to.active_element.send_keys("0")
    equal("0 fits it", round(width()), round(large))
    picture("zoom", whole=False)
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(lambda: not opened())
    equal("Esc puts it back", [run("return document.querySelectorAll('figure svg').length"),
                               run("return document.querySelector('figure svg').getBoundingClientRect().width")], [count, small])
    browser.find_element(By.CSS_SELECTOR, "figure svg").click()
    check("a click opens it", opened())
    browser.find_element(By.CSS_SELECTOR, "dialog button[aria-label=close]").click()
    wait(lambda: not opened())
    equal("the button closes it", run("return document.querySelectorAll('figure svg').length"), count)

    # --- light, dark, phone, paper
    for name, screen, dark in [("light", (1280, 900), False), ("dark", (1280, 900), True), ("phone", (360, 740), False),
                               ("phone_dark", (360, 740), True)]:
        show(*screen, dark=dark)
        least, where = run(CONTRAST)
        check(f"{name}: text stands out from what is behind it", least >= 4.5, [least, where])
        equal(f"{name}: nothing sticks out", overflow(), 0)
        picture(name)
    background = lambda: run("return getComputedStyle(document.body).backgroundColor")
    dark_page = background()
    show(360, 740)
    check("light and dark differ", background() != dark_page, dark_page)
    check("a table scrolls in its box", run("const b = document.querySelector('#runs').parentElement; return b.scrollWidth > b.clientWidth"))
    run("document.querySelector('figure .enlarge').click()")
    check("phone: a figure opens as large as it was drawn", width() > 600, width())
    equal("phone: nothing sticks out of it", overflow(), 0)
    x, y = run("const r = document.querySelector('.zoombox').getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]")
    before = width()
    for kind, gap in [("touchStart", 20), ("touchMove", 30), ("touchMove", 60), ("touchMove", 90), ("touchEnd", 0)]:
        devtools("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [] if kind == "touchEnd" else [
            {"x": x - gap, "y": y, "id": 0}, {"x": x + gap, "y": y, "id": 1}]})
    check("phone: two fingers enlarge it", width() > 1.2 * before, [before, width()])
    picture("phone_zoom", whole=False)
    run("document.querySelector('dialog').close()")
    show(1000, 900, dark=True, media="print")
    equal("print: on white", background(), "rgb(255, 255, 255)")
    equal("print: no tools", run("return [...document.querySelectorAll('.tools, nav, .enlarge, dialog')].filter((e) => e.checkVisibility()).length"), 0)
    equal("print: tables are whole", run("return getComputedStyle(document.querySelector('#runs').parentElement).overflowX"), "visible")
    show(718, 1000, dark=True, media="print")  # a sheet of A4 with its margins
    check("print: nothing sticks out", overflow() == 0, run("return [...document.querySelectorAll('main *')].filter((e) => "
          "e.getBoundingClientRect().right > innerWidth).map((e) => e.tagName + '#' + e.closest('[id]').id + ' ' + e.textContent.slice(0, 20))"))
    least, where = run(CONTRAST)
    check("print: text stands out", least >= 4.5, [least, where])
    show(1280, 900)
    paper = base64.b64decode(devtools("Page.printToPDF", {"printBackground": True})["data"])
    pages = paper.count(b"/Type /Page\n") or paper.count(b"/Type /Page")
    check("print: a few pages", paper.startswith(b"%PDF") and 3 <= pages <= 40, pages)
    if pictures is not None:
        (pictures / "paper.pdf").write_bytes(paper)

    # --- alone
    equal("nothing ran that should not", browser.title, "Letters <b>&</b> more")
    noise = [entry["message"] for entry in browser.get_log("browser")]
    equal("the console is silent", noise, [])
    asked = []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"].split("#")[0])
    equal("nothing is fetched but the page", set(asked), {page.as_uri()})
    devtools("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(page.as_uri())
    rows = [e.is_displayed() for e in browser.find_elements(By.CSS_SELECTOR, "#runs tbody tr")]
    check("without script: all rows", len(rows) == len(cells) and all(rows), rows)
    equal("without script: no idle buttons", len(browser.find_elements(By.CSS_SELECTOR, ".tools, main button, dialog")), 0)
    # The policy itself: a script that somebody adds does not run.
    devtools("Emulation.setScriptExecutionDisabled", {"value": False})
    forged = page.with_name("forged.html")
    forged.write_text(page.read_text().replace("</main>", "<script>document.title = 'taken'</script></main>"))
    browser.get(forged.as_uri())
    equal("a foreign script is refused", browser.title, "Letters <b>&</b> more")
    check("and the refusal is told", any("Content Security Policy" in e["message"] for e in browser.get_log("browser")))


try:
    main()
finally:
    browser.quit()
