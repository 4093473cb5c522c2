// The timeline: a lane for each speaker, with the times at which the speaker speaks.

import { clock, element, inWords, svg } from "./dom.js";

// Width of the drawing in its own units; it is stretched to the width of the page.
const WIDTH = 1000;
const NARROWEST = 1.5;
const MARKS = 4;

export function timeline(utterances, voices, duration, onSeek) {
  const scale = WIDTH / duration;
  const lanes = voices.map((voice, speaker) => lane(voice, speaker, utterances, scale));
  const node = element(
    "section",
    { class: "timeline card", "aria-labelledby": "timeline" },
    element("h2", { id: "timeline" }, "Speakers"),
    element("p", { class: "unseen" }, "Arrow keys move between utterances, Enter goes there."),
    ...lanes.map((each) => each.node),
    axis(duration),
  );
  const cursor = { lane: 0, part: 0 }; // the one part that the tabulator reaches

  const part = () => lanes[cursor.lane].parts[cursor.part];

  function moveCursor(laneIndex, partIndex) {
    part().node.setAttribute("tabindex", "-1");
    cursor.lane = Math.min(Math.max(laneIndex, 0), lanes.length - 1);
    cursor.part = Math.min(Math.max(partIndex, 0), lanes[cursor.lane].parts.length - 1);
    part().node.setAttribute("tabindex", "0");
  }

  if (lanes.length) moveCursor(0, 0);
  node.addEventListener("click", (event) => {
    const drawing = event.target.closest("svg");
    if (!drawing) return;
    const box = drawing.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    // A screen reader clicks without a pointer: at the start of the part.
    const chosen = event.detail === 0 ? startOf(event.target) : null;
    onSeek(chosen ?? Math.min(Math.max(share, 0), 1) * duration);
  });
  node.addEventListener("keydown", (event) => {
    if (!event.target.closest("rect")) return;
    const { start } = part();
    if (event.key === "Enter" || event.key === " ") onSeek(start);
    else if (event.key === "ArrowRight") moveCursor(cursor.lane, cursor.part + 1);
    else if (event.key === "ArrowLeft") moveCursor(cursor.lane, cursor.part - 1);
    else if (event.key === "ArrowDown") moveToLane(cursor.lane + 1, start);
    else if (event.key === "ArrowUp") moveToLane(cursor.lane - 1, start);
    else if (event.key === "Home") moveCursor(cursor.lane, 0);
    else if (event.key === "End") moveCursor(cursor.lane, Infinity);
    else return;
    event.preventDefault();
    part().node.focus();
  });

  function moveToLane(index, time) {
    const { parts } = lanes[Math.min(Math.max(index, 0), lanes.length - 1)];
    const nearest = parts.reduce(
      (best, each, at) => (Math.abs(each.start - time) < Math.abs(parts[best].start - time) ? at : best),
      0,
    );
    moveCursor(index, nearest);
  }

  function startOf(target) {
    for (const { parts } of lanes) {
      const found = parts.find((each) => each.node === target);
      if (found) return found.start;
    }
    return null;
  }

  return {
    node,
    moveTo(time) {
      for (const { head } of lanes) {
        head.removeAttribute("display");
        head.setAttribute("x", time * scale - 1);
      }
    },
  };
}

function lane(voice, speaker, utterances, scale) {
  const own = utterances.filter((utterance) => utterance.speaker === speaker);
  const spoken = own.reduce((sum, utterance) => sum + utterance.end - utterance.start, 0);
  const parts = merge(own, NARROWEST / scale).map((part) => ({
    start: part.start,
    node: svg("rect", {
      x: part.start * scale,
      y: 0,
      width: Math.max((part.end - part.start) * scale, NARROWEST),
      height: 10,
      role: "button",
      tabindex: "-1",
      "aria-label": `${voice.label} at ${clock(part.start)}, ${inWords(part.end - part.start)}`,
    }),
  }));
  const head = svg("rect", { class: "head", y: 0, width: 2, height: 10, display: "none" });
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} 10`, preserveAspectRatio: "none", role: "group", "aria-label": voice.label },
    ...parts.map((part) => part.node),
    head,
  );
  const name = element("span", { class: "speaker", dir: "auto" }, voice.label);
  const total = element("span", { class: "spoken", title: inWords(spoken) }, clock(spoken));
  return {
    parts,
    head,
    node: element("div", { class: `lane ${voice.class}` }, name, total, drawing),
  };
}

// Joins utterances with a gap that is too narrow to be seen: a meeting of a day has thousands.
function merge(utterances, gap) {
  const parts = [];
  for (const { start, end } of utterances) {
    const last = parts.at(-1);
    if (last && start - last.end < gap) last.end = Math.max(last.end, end);
    else parts.push({ start, end });
  }
  return parts;
}

function axis(duration) {
  const marks = Array.from({ length: MARKS + 1 }, (_, index) =>
    element("span", {}, clock((duration * index) / MARKS)),
  );
  return element("div", { class: "axis", "aria-hidden": "true" }, ...marks);
}
