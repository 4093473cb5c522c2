// A page of a comparison, opened from the disk in a real Chromium:
// node comparison_page.mjs CHROMIUM PAGE FOLDER
// Prints what the page shows, the requests that it makes, and its errors.  Screenshots are in the
// folder.
import { openDiskPage, texts } from "./disk_page.mjs";

const [executablePath, file, folder] = process.argv.slice(2);
const { browser, page, errors, foreign } = await openDiskPage(executablePath, file, {
  width: 1200,
  height: 900,
});

const shot = (name) => page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
const visibleRows = () =>
  page.locator(".rows tbody tr").evaluateAll((all) => all.filter((row) => row.offsetHeight).length);
const overflow = () =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

const result = { overflow: [] };
result.rows = await visibleRows();
result.struck = await texts(page.locator(".rows del"));
result.struck_rows = await page
  .locator(".rows del")
  .evaluateAll((all) => all.map((each) => each.closest("tr").rowIndex));
result.inserted = await texts(page.locator(".rows ins"));
result.names = await texts(page.getByRole("heading", { level: 2 }));
result.overflow.push(await overflow());
await shot("light");

// With the keyboard alone.
await page.getByRole("checkbox", { name: "Only rows with differences" }).focus();
await page.keyboard.press("Space");
result.rows_with_differences = await visibleRows();
await shot("only");
await page.keyboard.press("Space");

await page.emulateMedia({ colorScheme: "dark" });
await shot("dark");
result.contrast = await page.locator(".rows del").first().evaluate((node) => {
  const light = (color) => {
    const parts = color.match(/[\d.]+/g).slice(0, 3).map((part) => Number(part) / 255);
    const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(node);
  const [one, other] = [light(style.color), light(style.backgroundColor)].sort((a, b) => b - a);
  return (one + 0.05) / (other + 0.05);
});
await page.setViewportSize({ width: 390, height: 800 });
result.overflow.push(await overflow());
await shot("phone");
await browser.close();
console.log(JSON.stringify({ ...result, errors, foreign }));
