"""Uses the Swagger page as a person would: opens /docs of a running server in headless Chromium, sends `PUT /put` from
it, and reads the answer that the page shows. `scripts/test.sh browser` calls it.

    swagger.py http://127.0.0.1:3000
"""

import json
import shutil
import sys
import tempfile
import urllib.request

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WAIT_SECONDS = 30
OPERATION = "//div[contains(@class,'opblock-put')][.//*[@data-path='/put']]"


def browser(profile: str) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (
        "--headless=new",
        "--no-sandbox",  # Chromium's sandbox does not start for root, as in a container
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,2000",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(WAIT_SECONDS)
    return driver


class Page:
    def __init__(self, driver: webdriver.Chrome):
        self.driver = driver

    def find(self, what: str, xpath: str):
        """The element, once the page shows it."""

        def shown(driver):
            return next((one for one in driver.find_elements(By.XPATH, xpath) if one.is_displayed()), None)

        try:
            return WebDriverWait(self.driver, WAIT_SECONDS).until(shown)
        except TimeoutException:
            raise AssertionError(f"the page shows no {what} within {WAIT_SECONDS} s: {self.text()[:1500]!r}") from None

    def click(self, what: str, xpath: str) -> None:
        element = self.find(what, xpath)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text


def send_put_from_the_page(page: Page, url: str, key: str, value: str) -> None:
    page.driver.get(f"{url}/docs")
    page.click("PUT /put", f"{OPERATION}//*[contains(@class,'opblock-summary-control')]")
    page.click("button 'Try it out'", f"{OPERATION}//button[contains(.,'Try it out')]")
    body = page.find("editor for the body", f"{OPERATION}//textarea[contains(@class,'body-param__text')]")
    # React sees a change only through the element's own setter and an event.
    page.driver.execute_script(
        "Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(arguments[0], arguments[1]);"
        "arguments[0].dispatchEvent(new Event('input', {bubbles: true}));",
        body,
        json.dumps({"key": key, "value": value}),
    )
    page.click("button 'Execute'", f"{OPERATION}//button[normalize-space()='Execute']")

    answer = f"{OPERATION}//*[contains(@class,'live-responses-table')]"
    status = page.find("answer", f"{answer}//tr[@class='response']/td[contains(@class,'response-col_status')]").text.split()[0]
    shown = page.find("answer's body", f"{answer}//*[contains(@class,'highlight-code')]").text
    assert status == "200", f"the page shows status {status} and body {shown!r}"
    expected = f"Key '{key}' added/updated successfully."
    assert expected in shown, f"the page shows {shown!r}, which lacks {expected!r}"


def read_back(url: str, key: str, value: str) -> None:
    with urllib.request.urlopen(f"{url}/get/{key}", timeout=10) as response:
        found = json.load(response)
    assert found == {"key": key, "value": value}, f"the store has {found!r} after the page's PUT"


def main() -> int:
    url = sys.argv[1].rstrip("/")
    key, value = "from-the-page", "sent by Swagger UI"
    with tempfile.TemporaryDirectory(prefix="spindrift-chromium-", ignore_cleanup_errors=True) as profile:
        driver = browser(profile)
        try:
            send_put_from_the_page(Page(driver), url, key, value)
            read_back(url, key, value)
            console = [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
            assert not console, "the browser's console has: " + "; ".join(entry["message"] for entry in console)
            # Everything on the page comes from the server itself: it works where the internet is out of reach.
            names = "return performance.getEntriesByType('resource').map(entry => entry.name)"
            foreign = [
                name for name in driver.execute_script(names) if not name.startswith((f"{url}/", "data:", "blob:"))
            ]
            assert not foreign, f"the page loads {foreign}"
        except AssertionError as failure:
            print(f"the Swagger page failed: {failure}", file=sys.stderr)
            return 1
        finally:
            driver.quit()
    print("the Swagger page opens, sends PUT /put and shows the 200; its console is clean")
    return 0


if __name__ == "__main__":
    sys.exit(main())
