// Scenarios of web_page.mjs that concern the page of one meeting.
import { readFileSync } from "node:fs";

const seekedTo = (page, seconds) =>
  page.waitForFunction((at) => Math.abs(document.querySelector("audio").currentTime - at) < 1, seconds);

export function meetingScenarios(tools) {
  const { addresses, key, open, openMeeting, ready, shot, signIn, tabTo, texts } = tools;
  return {
    async meeting() {
      const page = await open();
      await openMeeting(page, "Weekly planning");
      const items = page.locator(".transcript li");
      await items.first().waitFor();
      await page.waitForFunction(() => document.querySelector("audio")?.readyState > 0);
      await shot(page, "meeting");
      await shot(page, "meeting-whole", { fullPage: true });
      return {
        title: await page.title(),
        lines: await items.count(),
        first: await items.first().innerText(),
        lanes: await texts(page.locator(".lane .speaker")),
        colors: await page
          .locator(".lane .speaker")
          .evaluateAll((all) => all.map((each) => getComputedStyle(each).color)),
        duration: await page.evaluate(() => document.querySelector("audio").duration),
        provenance: await page.locator(".provenance").innerText(),
      };
    },

    async seeking() {
      const page = await open();
      await openMeeting(page, "Weekly planning");
      await page.waitForFunction(() => document.querySelector("audio")?.readyState > 0);
      const found = {};
      const current = () => page.locator("[aria-current] p").innerText();
      // With the pointer, in the middle of a lane.
      const lane = page.locator(".lane svg").nth(1);
      const box = await lane.boundingBox();
      await lane.click({ position: { x: box.width / 2, y: 5 } });
      found.length = await page.evaluate(() => document.querySelector("audio").duration);
      await seekedTo(page, found.length / 2);
      found.middle = await page.evaluate(() => document.querySelector("audio").currentTime);
      found.middle_text = await current();
      // With the keyboard, in the timeline.
      const rects = page.locator(".lane rect[tabindex='0']");
      found.stops = await rects.count();
      await rects.focus();
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Home");
      found.part = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
      await shot(page, "timeline-focus");
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => document.querySelector("audio").currentTime < 20);
      found.lane_text = await current();
      // With the keyboard, in the transcript.
      await page.locator(".transcript button[tabindex='0']").focus();
      await page.keyboard.press("Home");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      found.transcript_text = await current();
      // The audio plays on, and the page follows.
      await page.evaluate(() => {
        const audio = document.querySelector("audio");
        audio.muted = true;
        audio.playbackRate = 4;
        return audio.play();
      });
      const played = await page.waitForFunction((text) => {
        const now = document.querySelector("[aria-current] p").innerText;
        return now !== text && now;
      }, found.transcript_text);
      found.played_text = await played.jsonValue();
      found.follows = [await page.getByLabel("Follow").isChecked()];
      await page.mouse.wheel(0, 1);
      await page.waitForFunction(() => !document.querySelector("#follow").checked);
      found.follows.push(await page.getByLabel("Follow").isChecked());
      await page.evaluate(() => document.querySelector("audio").pause());
      found.visible = await page
        .locator("[aria-current]")
        .evaluate((node) => node.getBoundingClientRect().bottom <= innerHeight);
      await shot(page, "meeting-current");
      return found;
    },

    // The address of the audio expires; the player gets another one and goes on.
    async expired_audio() {
      const page = await open();
      await signIn(page);
      await page.getByRole("link", { name: "Weekly planning" }).waitFor();
      await page.evaluate(() => {
        const now = Date.now;
        Date.now = () => now() + (window.ahead ?? 0);
      });
      await page.getByRole("link", { name: "Weekly planning" }).click();
      await page.waitForFunction(() => document.querySelector("audio")?.readyState > 0);
      const requests = () => addresses.filter((each) => each.includes("/meeting/links")).length;
      const before = requests();
      await page.evaluate(() => {
        const audio = document.querySelector("audio");
        window.ahead = 3_600_000;
        // As if the gateway refused the address from now on.
        audio.src = audio.src.replace("signature=", "signature=0");
      });
      await page.waitForFunction(
        () => document.querySelector("audio").readyState > 0 && !document.querySelector("audio").error,
      );
      return { requests: requests() - before };
    },

    async downloads() {
      const page = await open();
      await openMeeting(page, "Weekly planning");
      const found = {};
      for (const label of ["Text", "JSON", "WebVTT", "SubRip", "RTTM", "HTML", "Audio"]) {
        const downloading = page.waitForEvent("download");
        await page.getByRole("button", { name: label, exact: true }).click();
        const download = await downloading;
        const content = readFileSync(await download.path());
        found[label] = [download.suggestedFilename(), content.length, content.toString("latin1", 0, 60)];
      }
      return { found, key_in_address: addresses.some((each) => each.includes(key)) };
    },

    async deleting_by_keyboard() {
      const page = await open();
      await page.keyboard.type(key);
      await page.keyboard.press("Enter");
      await page.getByRole("table").waitFor();
      await tabTo(page, "Weekly planning");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { level: 1, name: "Weekly planning" }).waitFor();
      await tabTo(page, "Delete…");
      await page.keyboard.press("Enter");
      const dialog = page.getByRole("dialog", { name: "Delete this meeting?" });
      await dialog.waitFor();
      const first = await page.evaluate(() => document.activeElement.textContent);
      await shot(page, "dialog");
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      const back = await page.evaluate(() => document.activeElement.textContent);
      await page.keyboard.press("Enter");
      await dialog.waitFor();
      await tabTo(page, "Delete meeting");
      await page.keyboard.press("Enter");
      await page.getByText("No meetings yet").waitFor();
      return {
        first,
        back,
        announced: await page.getByRole("status").textContent(),
        focused: await page.evaluate(() => document.activeElement.textContent),
      };
    },

    async skipping() {
      const page = await open();
      await signIn(page);
      await page.getByRole("table").waitFor();
      const arrived = await page.evaluate(() => document.activeElement.tagName);
      await page.reload();
      await page.getByRole("table").waitFor();
      await page.keyboard.press("Tab");
      const first = await page.evaluate(() => document.activeElement.textContent);
      const shown = await page.locator(".skip").evaluate((node) => node.getBoundingClientRect().top >= 0);
      await page.keyboard.press("Enter");
      return {
        arrived,
        first,
        shown,
        focused: await page.evaluate(() => document.activeElement.id),
        landmarks: [await page.getByRole("main").count(), await page.getByRole("banner").count()],
      };
    },

    async failing() {
      const page = await open();
      await openMeeting(page, "budget-2027");
      const alert = page.locator(".failed");
      await alert.waitFor();
      await shot(page, "failed");
      const text = await alert.innerText();
      await page.getByRole("button", { name: "Retry" }).click();
      await page.locator(".state", { hasText: "Processing" }).waitFor();
      await shot(page, "processing");
      return { text, announced: await page.getByRole("status").textContent() };
    },

    // The meeting completes while the page shows its progress.
    async completing() {
      const page = await open();
      await openMeeting(page, "changing");
      await page.getByText("42 % · Recognizing speech").waitFor();
      const button = page.getByRole("button", { name: "Delete…" });
      await button.focus();
      ready();
      await page.locator(".transcript li").first().waitFor();
      return {
        announced: await page.getByRole("status").textContent(),
        focused: await page.evaluate(() => document.activeElement.textContent),
      };
    },
  };
}
