"""The explorer in a real browser, headless: what a user types, and sees."""

import shutil
import threading
import urllib.error
import urllib.request

import pytest

from einnet.explore import Question, format_address, serve

selenium = pytest.importorskip("selenium.webdriver")
Wait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
Unloaded = pytest.importorskip("selenium.common").JavascriptException
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver on the PATH")
ANSWERED = """return !window.asked && document.readyState == 'complete'
    && !document.querySelector("section[aria-busy]") && [...document.images].every(image => image.complete)"""
PATIENCE = 300  # seconds; the recipe at order 5 takes twelve where nothing else runs


@pytest.fixture(scope="module")
def server():
    with serve(0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = selenium.ChromeOptions()
    options.binary_location = BROWSER
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--window-size=1300,2400",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options, selenium.ChromeService(DRIVER))
    yield driver
    driver.quit()


def ask(browser, **fields):
    """Types into the form, sends it, and waits for the answer with every section and picture."""
    for name, text in fields.items():
        field = browser.find_element("name", name)
        field.clear()
        field.send_keys(text)
    browser.execute_script("window.asked = true")  # until the page is another one
    browser.find_element("css selector", "form button").click()
    Wait(browser, PATIENCE, ignored_exceptions=[Unloaded]).until(lambda b: b.execute_script(ANSWERED))


def section(browser, title):
    return browser.find_element("xpath", f"//section[h2='{title}']")


@pytest.mark.slow
@needs_browser
def test_a_relation_at_order_5_shows_the_bridge(server, browser, tmp_path):
    browser.get(format_address(server, Question("aH", 2)))
    ask(browser, type="aaH", order="5", term="ab,bc,cd->ad")
    suffice = section(browser, "The operations that suffice")
    assert "ab,ac,bc,bd,cd->ad" in suffice.text and "Nothing is needed at order 3, 4" in suffice.text
    recipe = section(browser, "What the recipe leaves")
    assert recipe.text.endswith("takes longer than the others")
    recipe.find_element("css selector", "button").click()
    assert "computing" in recipe.text and recipe.find_element("css selector", "progress")
    Wait(browser, PATIENCE).until(lambda b: b.execute_script(ANSWERED))
    assert "52,505" in recipe.text
    assert "4,213,597" in section(browser, "Free parameters by order").text
    assert "y2 = ab,bc->ac" in section(browser, "The term, composed").text
    assert "2a^4" in section(browser, "The plan and its cost").text
    assert 'EinNet("aaH -> aaH"' in section(browser, "Ten lines of PyTorch").text
    images = browser.find_elements("css selector", "img")
    assert len(images) == 3 and all(i.get_property("naturalWidth") > 100 for i in images)  # they are drawn
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
    browser.save_screenshot(str(tmp_path / "bridge.png"))


@needs_browser
def test_a_wrong_type_shows_the_message_with_its_caret(server, browser, tmp_path):
    browser.get(format_address(server, Question("aH", 2)))
    ask(browser, type="aab; b->")
    message = browser.find_element("css selector", "[role=alert]")
    assert "  aab; b->\n       ^^^" in message.text
    assert message.value_of_css_property("font-family").endswith("monospace")  # the caret is below its letter
    assert browser.find_element("name", "type").get_property("value") == "aab; b->"  # to be corrected
    browser.save_screenshot(str(tmp_path / "caret.png"))


def read(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_addresses_that_are_none_and_orders_that_are_none(server):
    root = f"http://127.0.0.1:{server.server_port}"
    assert read(f"{root}/etc/passwd")[0] == 404
    assert read(f"{root}/section/nothing?type=a&order=2")[0] == 404
    status, html = read(f"{root}/?type=aa&order=many")
    assert status == 200 and "from 1 to 9" in html
    status, html = read(f"{root}/section/plan?type=&order=2")
    assert status == 200 and read(f"{root}/section/plan")[0] == 200
    status, html = read(f"{root}/section/plan?type=aa&order=many")
    assert status == 422 and "from 1 to 9" in html


def test_the_bare_address_asks_what_its_form_shows(server):
    root = f"http://127.0.0.1:{server.server_port}"
    assert 'value="aaH"' in read(root + "/")[1]
    assert read(root + "/section/code")[1] == read(root + "/section/code?type=aaH&order=5&term=")[1]
    assert 'value=""' in read(root + "/?type=&order=5")[1]  # an empty type is a type: nothing is permuted


def test_markup_in_a_field_stays_text(server):
    _, html = read(f"http://127.0.0.1:{server.server_port}/?type=%3Cscript%3E&order=2&term=%22%3E%3Cb%3E")
    assert "<b>" not in html and 'value="<script>' not in html and 'value="&lt;script&gt;"' in html


def test_a_port_that_is_taken_is_named(server):
    from einnet.errors import EinNetError

    with pytest.raises(EinNetError, match=f"port {server.server_port}"):
        serve(server.server_port)


def test_a_page_that_is_left_early_ends_quietly(server, capfd):
    import socket

    with socket.create_connection(("127.0.0.1", server.server_port)) as left:
        left.sendall(b"GET /section/recipe?type=ab&order=4 HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert read(f"http://127.0.0.1:{server.server_port}/section/plan?type=ab&order=4")[0] == 200
    assert "Traceback" not in capfd.readouterr().err
