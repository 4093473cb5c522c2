// A transcript exported as a page, opened from the disk in a real Chromium:
// node exported_page.mjs CHROMIUM PAGE RECORDING FOLDER
// RECORDING is a file that the reader opens; empty if the page has its recording.  Prints what
// the page shows, the requests that it makes, and its errors.  Screenshots are in the folder.
import { openDiskPage, texts } from "./disk_page.mjs";

const [executablePath, file, recording, folder] = process.argv.slice(2);
const { browser, page, errors, foreign } = await openDiskPage(
  executablePath,
  file,
  { width: 1100, height: 800 },
  (address) => address.startsWith("blob:"),
);

const shot = (name) => page.screenshot({ path: `${folder}/${name}.png` });
const current = async () => (await texts(page.locator("[aria-current] p")))[0] ?? null;
const found = page.locator("#found");
const position = () => page.locator("audio").evaluate((audio) => audio.currentTime);

async function searchFor(text, result) {
  await page.getByRole("searchbox", { name: "Search" }).fill(text);
  await found.getByText(result).waitFor();
  return texts(page.locator("mark"));
}

const result = {};
result.marks = await searchFor("MORNING.", "1 of 21 utterances");
result.shown = await texts(page.locator(".transcript li:not([hidden]) .speaker"));
await shot("search");
result.by_speaker = await searchFor("katie@", "4 of 21 utterances");
await searchFor("(no such", "0 of 21 utterances");
await page.getByRole("searchbox").fill("");
await page.waitForFunction(() => !document.querySelector("li[hidden]"));
result.marks_after = await page.locator("mark").count();

// The keyboard: from the timeline into the transcript.
await page.locator(".lane rect[tabindex='0']").focus();
await page.keyboard.press("ArrowRight");
await page.keyboard.press("ArrowDown");
await page.keyboard.press("Enter");
result.from_timeline = await current();
await page.locator(".time[tabindex='0']").focus();
await page.keyboard.press("ArrowDown");
await page.keyboard.press("Enter");
result.from_transcript = await current();

if (recording) {
  result.hidden_before = await page.locator("audio").isHidden();
  const choosing = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Open the recording…" }).click();
  await (await choosing).setFiles(recording);
}
await page.waitForFunction(() => document.querySelector("audio").readyState > 0);
result.wanted = await position(); // the place that was chosen before there was audio
await page.getByRole("button", { name: "0:33", exact: true }).click();
await page.waitForFunction(() => Math.abs(document.querySelector("audio").currentTime - 33) < 1);
result.current = await current();
await page.locator("audio").evaluate((audio) => {
  audio.muted = true;
  audio.currentTime = 0;
  return audio.play();
});
await page.getByText("Good morning, everybody").and(page.locator("[aria-current] p")).waitFor();
await shot("player");
await browser.close();
console.log(JSON.stringify({ ...result, errors, foreign }));
