// The web page of the gateway in a real Chromium:
// node web_page.mjs CHROMIUM ADDRESS SCENARIO KEY FOLDER
// Prints what the scenario found, the requests to other hosts, and the errors of the page.
// Screenshots are in the folder.  The file "ready" in it asks the test to change the store.
import { writeFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { meetingScenarios } from "./web_page_meeting.mjs";

const [executablePath, address, scenario, key, folder] = process.argv.slice(2);
const { origin } = new URL(address);

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  ],
});
const foreign = [];
const errors = [];
const addresses = [];

async function open(options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1100, height: 800 },
    acceptDownloads: true,
    locale: "en-GB",
    timezoneId: "UTC",
    reducedMotion: "reduce",
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("request", (request) => {
    addresses.push(request.url());
    if (!request.url().startsWith(origin)) foreign.push(request.url());
  });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    // Chromium writes a line for each answer such as 401, which the page handles.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      errors.push(message.text());
    }
  });
  await page.goto(address);
  return page;
}

async function signIn(page, secret = key) {
  await page.getByLabel("Access key").fill(secret);
  await page.getByRole("button", { name: "Sign in" }).click();
}

async function openMeeting(page, id) {
  await signIn(page);
  await page.getByRole("link", { name: id, exact: true }).click();
  await page.getByRole("heading", { level: 1, name: id, exact: true }).waitFor();
}

const shot = (page, name, options = {}) =>
  page.screenshot({ path: `${folder}/${name}.png`, ...options });
const ready = () => writeFileSync(`${folder}/ready`, "");
const texts = (locator) => locator.evaluateAll((all) => all.map((each) => each.textContent));
// How much wider than the window the page is.
const overflow = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

const scenarios = {
  ...meetingScenarios({ addresses, key, open, openMeeting, ready, shot, signIn, tabTo, texts }),

  async signing_in() {
    const page = await open();
    await shot(page, "sign-in");
    await signIn(page, "wrong");
    const refused = await page.getByRole("alert").textContent();
    await signIn(page, "kéy\u{1f511}");
    await page.getByText("did not accept").waitFor();
    await shot(page, "sign-in-refused");
    await signIn(page);
    await page.getByRole("table").waitFor();
    const stored = await page.evaluate(() => [
      Object.values(sessionStorage),
      localStorage.length,
      document.cookie,
    ]);
    await page.reload();
    await page.getByRole("table").waitFor();
    // The key is withdrawn while the page is open.
    await page.evaluate(() => sessionStorage.setItem(Object.keys(sessionStorage)[0], "old"));
    await page.reload();
    await signIn(page);
    await page.getByRole("table").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Access key").waitFor();
    return {
      refused,
      stored,
      after: await page.evaluate(() => sessionStorage.length),
      key_in_address: addresses.some((each) => each.includes(key)),
    };
  },

  async listing() {
    const page = await open();
    await signIn(page);
    const rows = page.getByRole("row");
    await rows.nth(1).waitFor();
    await shot(page, "list");
    return {
      headers: await texts(page.getByRole("columnheader")),
      rows: await page
        .locator("tbody tr")
        .evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.innerText))),
      progress: await page.getByRole("progressbar").evaluateAll((all) => all.map((bar) => bar.value)),
    };
  },

  async refreshing() {
    const page = await open();
    await signIn(page);
    const link = page.getByRole("link", { name: "changing" });
    await link.focus();
    await link.evaluate((node) => (node.marked = true));
    ready();
    await page.locator("tr", { hasText: "Completed" }).waitFor();
    return {
      focused: await page.evaluate(() => document.activeElement.textContent),
      same_element: await link.evaluate((node) => node.marked === true),
      rows: await texts(page.locator("tbody a")),
    };
  },

  async losing_the_connection() {
    const page = await open();
    await signIn(page);
    await page.getByRole("table").waitFor();
    await page.context().setOffline(true);
    const problem = await page.getByRole("alert").textContent();
    await shot(page, "offline");
    return { problem, rows: await texts(page.locator("tbody a")) };
  },

  async paging() {
    const page = await open();
    await signIn(page);
    await page.locator("tbody a").first().waitFor();
    const newest = await texts(page.locator("tbody a"));
    await page.getByRole("link", { name: "Older meetings" }).click();
    await page.getByRole("link", { name: "Newest meetings" }).waitFor();
    await page.locator("tbody a").first().waitFor();
    const older = await texts(page.locator("tbody a"));
    await page.goBack();
    await page.getByRole("link", { name: "Older meetings" }).waitFor();
    return { newest, older, back: await texts(page.locator("tbody a")) };
  },

  async empty() {
    const page = await open();
    await signIn(page);
    await page.getByText("No meetings yet").waitFor();
    await shot(page, "empty");
    return { text: await page.locator("main").innerText() };
  },

  async hostile() {
    const page = await open();
    await signIn(page);
    const link = page.locator("tbody a");
    await link.waitFor();
    const listed = await link.textContent();
    await shot(page, "hostile-list");
    await link.click();
    await page.locator(".transcript li").first().waitFor();
    await shot(page, "hostile-meeting");
    const heading = await page.getByRole("heading", { level: 1 }).textContent();
    const line = await page.locator(".transcript p").first().textContent();
    await page.getByRole("button", { name: "Delete…" }).click();
    const dialog = await page.locator("dialog strong").textContent();
    await page.getByRole("button", { name: "Cancel" }).click();
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: "Text", exact: true }).click();
    const file = (await downloading).suggestedFilename();
    // The policy holds even if a script of the page made a mistake.
    const mistake = await page.evaluate(() => {
      try {
        document.body.innerHTML = "<b>x</b>";
        return "parsed";
      } catch (error) {
        return error.name;
      }
    });
    return {
      listed,
      heading,
      line,
      dialog,
      file,
      mistake,
      images: await page.locator("main img").count(),
      broken: await page.evaluate(() => window.broken ?? null),
    };
  },

  async dark() {
    const page = await open({ colorScheme: "dark" });
    await shot(page, "dark-sign-in");
    await signIn(page);
    await page.getByRole("table").waitFor();
    const colors = await page.evaluate(() => {
      const style = getComputedStyle(document.body);
      return [style.backgroundColor, style.color];
    });
    await shot(page, "dark-list");
    await page.getByRole("link", { name: "Weekly planning" }).click();
    await page.waitForFunction(() => document.querySelector("audio")?.readyState > 0);
    await shot(page, "dark-meeting");
    await page.getByRole("button", { name: "Delete…" }).click();
    await shot(page, "dark-dialog");
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.goto(`${address}#/meeting/budget-2027`);
    await page.locator(".failed").waitFor();
    await shot(page, "dark-failed");
    return { colors };
  },

  async narrow() {
    const page = await open({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
    await shot(page, "narrow-sign-in");
    await signIn(page);
    await page.getByRole("table").waitFor();
    const found = { list: await overflow(page) };
    await shot(page, "narrow-list", { fullPage: true });
    await page.getByRole("link", { name: "Weekly planning" }).click();
    await page.waitForFunction(() => document.querySelector("audio")?.readyState > 0);
    found.meeting = await overflow(page);
    await shot(page, "narrow-meeting", { fullPage: true });
    await page.getByRole("button", { name: "Delete…" }).click();
    await shot(page, "narrow-dialog");
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.goto(`${address}#/meeting/budget-2027`);
    await page.locator(".failed").waitFor();
    found.failed = await overflow(page);
    await shot(page, "narrow-failed");
    return found;
  },

  async another_owner() {
    const page = await open();
    await signIn(page);
    await page.getByText("No meetings yet").waitFor();
    await page.goto(`${address}#/meeting/${encodeURIComponent("Weekly planning")}`);
    await page.getByRole("heading", { level: 1, name: "Meeting not found" }).waitFor();
    await shot(page, "unknown");
    return { text: await page.locator("main").innerText() };
  },

  async large() {
    const page = await open();
    await openMeeting(page, "long");
    await page.locator(".transcript li").first().waitFor();
    const lines = await page.locator(".transcript li").count();
    const rects = await page.locator(".lane rect:not(.head)").count();
    // The time of a task that scrolls to the end, lays out and paints; for people, not asserted.
    const milliseconds = await page.evaluate(async () => {
      const begin = performance.now();
      document.querySelector(".transcript li:last-child").scrollIntoView();
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      return performance.now() - begin;
    });
    await shot(page, "large-end");
    await page.evaluate(() => scrollTo(0, 0));
    await shot(page, "large");
    const navigation = await page.evaluate(() =>
      performance.getEntriesByType("longtask").map((entry) => entry.duration),
    );
    // Only what is near the window is laid out.
    const laid_out = await page.evaluate(
      () =>
        [...document.querySelectorAll(".transcript li p")].filter((node) =>
          node.checkVisibility({ contentVisibilityAuto: true }),
        ).length,
    );
    return { lines, rects, milliseconds, navigation, laid_out };
  },
};

async function tabTo(page, text) {
  for (let step = 0; step < 60; step += 1) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate(() => document.activeElement.textContent)) === text) return;
  }
  throw new Error(`The tabulator does not reach ${text}`);
}

try {
  const found = await scenarios[scenario]();
  console.log(JSON.stringify({ ...found, foreign, errors }));
} catch (error) {
  console.error(errors.join("\n"));
  throw error;
} finally {
  await browser.close();
}
