// Opens a page from the disk in a real Chromium, without a network.
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

// Returns the page, the errors that it logs, and the addresses that it requests besides its own;
// isOwn(address) may name more of its own.
export async function openDiskPage(executablePath, file, viewport, isOwn = () => false) {
  const address = pathToFileURL(file).href;
  const browser = await chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--autoplay-policy=no-user-gesture-required",
      "--host-resolver-rules=MAP * ~NOTFOUND",
    ],
  });
  const errors = [];
  const foreign = [];
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("request", (request) => {
    if (request.url() !== address && !isOwn(request.url())) foreign.push(request.url());
  });
  await page.goto(address);
  return { browser, page, errors, foreign };
}

// Returns the text of each element.
export const texts = (locator) =>
  locator.evaluateAll((all) => all.map((each) => each.textContent));
