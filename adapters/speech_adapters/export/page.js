"use strict";
// The transcript and the timeline are in the page already; this adds search, positions and the
// player.  No text is parsed as HTML.

// A player that was sent to a position may report the start of the block of samples around it.
const EARLY_SECONDS = 0.15;
const TYPING_MS = 120;

const one = (selector) => document.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const startOf = (node) => Number(node.dataset.start);

const rows = all(".transcript li").map((node) => ({
  node,
  button: node.querySelector("button"),
  paragraph: node.querySelector("p"),
  label: node.querySelector(".speaker").textContent,
  text: node.querySelector("p").textContent,
  start: startOf(node),
}));
const lanes = all(".lane svg").map((node) => ({
  parts: all("rect[data-start]", node),
  head: node.querySelector(".head"),
}));
const list = one(".transcript");
const card = one(".timeline");
const duration = card ? Number(card.dataset.duration) : 1;
const audio = one("audio");
const follow = one("#follow");

// Positions: a click in timeline or transcript, or the time of the player.

let current = -1;
let wanted = null;

function indexAt(time) {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].start <= time + EARLY_SECONDS) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function show(time, reveal) {
  for (const { head } of lanes) {
    head.removeAttribute("display");
    head.setAttribute("x", (time / duration) * 1000 - 1);
  }
  const index = indexAt(time);
  if (index !== current) {
    rows[current]?.node.classList.remove("current");
    rows[current]?.node.removeAttribute("aria-current");
    current = index;
    rows[index]?.node.classList.add("current");
    rows[index]?.node.setAttribute("aria-current", "true");
    // The tabulator goes on from here, unless it is in the transcript already.
    const reachable = index >= 0 && !rows[index].node.hidden;
    if (reachable && !list.contains(document.activeElement)) moveStop(index);
  } else if (!reveal) return;
  if (reveal) rows[index]?.node.scrollIntoView({ block: "center" });
}

function goTo(time, reveal) {
  show(time, reveal);
  if (audio.readyState) audio.currentTime = time;
  else wanted = time;
}

// The transcript: the tabulator reaches one of its buttons, arrow keys the others.

let stop = 0;

function moveStop(index) {
  rows[stop].button.tabIndex = -1;
  stop = index;
  rows[stop].button.tabIndex = 0;
}

if (list) {
  moveStop(0);
  list.addEventListener("click", (event) => {
    const index = rows.findIndex((row) => row.button === event.target);
    // A click in a text selects it; only the time is a button.
    if (index < 0) return;
    moveStop(index);
    goTo(rows[index].start, false);
  });
  list.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (!step || !event.target.closest("button") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const shown = rows.map((row, index) => index).filter((index) => !rows[index].node.hidden);
    const position = Math.min(Math.max(shown.indexOf(stop) + step, 0), shown.length - 1);
    moveStop(shown[position]);
    rows[stop].button.focus();
  });
}

// The timeline: the same with arrow keys in two directions.

const cursor = { lane: 0, part: 0 };
const part = () => lanes[cursor.lane].parts[cursor.part];
const clamp = (value, length) => Math.min(Math.max(value, 0), length - 1);

function moveCursor(lane, index) {
  part().setAttribute("tabindex", "-1");
  cursor.lane = clamp(lane, lanes.length);
  cursor.part = clamp(index, lanes[cursor.lane].parts.length);
  part().setAttribute("tabindex", "0");
}

function moveToLane(lane, time) {
  const { parts } = lanes[clamp(lane, lanes.length)];
  const distances = parts.map((each) => Math.abs(startOf(each) - time));
  moveCursor(lane, distances.indexOf(Math.min(...distances)));
}

card?.addEventListener("click", (event) => {
  const drawing = event.target.closest("svg");
  if (!drawing) return;
  // A screen reader clicks without a pointer: at the start of the part.
  if (event.detail === 0 && event.target.dataset.start) {
    goTo(startOf(event.target), true);
    return;
  }
  const box = drawing.getBoundingClientRect();
  const share = (event.clientX - box.left) / box.width;
  goTo(Math.min(Math.max(share, 0), 1) * duration, true);
});

card?.addEventListener("keydown", (event) => {
  if (!event.target.closest("rect")) return;
  const start = startOf(part());
  if (event.key === "Enter" || event.key === " ") goTo(start, true);
  else if (event.key === "ArrowRight") moveCursor(cursor.lane, cursor.part + 1);
  else if (event.key === "ArrowLeft") moveCursor(cursor.lane, cursor.part - 1);
  else if (event.key === "ArrowDown") moveToLane(cursor.lane + 1, start);
  else if (event.key === "ArrowUp") moveToLane(cursor.lane - 1, start);
  else if (event.key === "Home") moveCursor(cursor.lane, 0);
  else if (event.key === "End") moveCursor(cursor.lane, Infinity);
  else return;
  event.preventDefault();
  part().focus();
});

// The search: only the utterances stay that contain the text, or whose speaker does.

const field = one("#search");
const found = one("#found");
let typing = 0;

function mark(row, pattern) {
  const pieces = [];
  let end = 0;
  for (const match of pattern ? row.text.matchAll(pattern) : []) {
    const piece = document.createElement("mark");
    piece.textContent = match[0];
    pieces.push(row.text.slice(end, match.index), piece);
    end = match.index + match[0].length;
  }
  if (pieces.length || row.paragraph.childElementCount) {
    row.paragraph.replaceChildren(...pieces, row.text.slice(end));
  }
  return pieces.length > 0;
}

function search() {
  const query = field.value.trim();
  const escaped = query.replace(/[.*+?^${}()|[\]\\\/]/g, "\\$&");
  const pattern = query && new RegExp(escaped.replace(/\s+/g, "\\s+"), "giu");
  let count = 0;
  for (const row of rows) {
    const matches = mark(row, pattern) || !query || row.label.search(pattern) >= 0;
    row.node.hidden = !matches;
    count += matches;
  }
  list.classList.toggle("filtered", query !== "");
  found.textContent = query ? `${count} of ${rows.length} utterances` : "";
  if (rows[stop].node.hidden && count) moveStop(rows.findIndex((row) => !row.node.hidden));
}

if (list) {
  one(".search").hidden = false;
  field.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(search, TYPING_MS);
  });
}

// The player: the recording is in the page, or a file that the reader chooses.

const problem = one(".player .error");
const chooser = one("input[type=file]");
const embedded = one("#recording");

function play(blob) {
  if (audio.src) URL.revokeObjectURL(audio.src);
  problem.textContent = "";
  audio.src = URL.createObjectURL(blob);
  audio.hidden = false;
  one(".follow").hidden = false;
}

function decode(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

one(".player").hidden = false;
if (embedded) {
  one("#open").hidden = one("#player-hint").hidden = true;
  play(new Blob([decode(embedded.textContent)], { type: embedded.dataset.type }));
  embedded.remove();
}
one("#open").addEventListener("click", () => chooser.click());
chooser.addEventListener("change", () => chooser.files.length && play(chooser.files[0]));
audio.addEventListener("error", () => {
  problem.textContent = "The audio cannot be played.";
});
// Before the header is read the player ignores a position.
audio.addEventListener("loadedmetadata", () => {
  if (wanted != null) audio.currentTime = wanted;
  wanted = null;
});
for (const name of ["timeupdate", "seeked"]) {
  audio.addEventListener(name, () => {
    const moved = indexAt(audio.currentTime) !== current;
    show(audio.currentTime, moved && !audio.paused && follow.checked);
  });
}
// Who scrolls while the audio plays reads elsewhere.
for (const name of ["wheel", "touchmove"]) {
  addEventListener(name, () => audio.paused || (follow.checked = false), { passive: true });
}
