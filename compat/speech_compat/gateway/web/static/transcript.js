// The utterances of a transcript, of which one is current.

import { clock, element } from "./dom.js";

// A player that was sent to a position may report the start of the block of samples around it,
// which must not make the utterance before it the current one.
const EARLY_SECONDS = 0.15;

export function transcriptList(utterances, voices, onSeek) {
  const items = utterances.map((utterance, index) =>
    line(utterance, voices[utterance.speaker], utterances[index - 1]),
  );
  const list = element("ol", { class: "transcript" }, ...items);
  const button = (index) => items[index].firstChild;
  let current = -1;
  let stop = 0; // the one button of the list that the tabulator reaches

  function moveStop(index) {
    button(stop).tabIndex = -1;
    stop = index;
    button(stop).tabIndex = 0;
  }

  if (items.length) moveStop(0);
  // One listener for all: a long transcript has thousands of utterances.
  list.addEventListener("click", (event) => {
    const index = items.indexOf(event.target.closest("li"));
    // A click in a text selects it; only the time is a button.
    if (index < 0 || !event.target.closest("button")) return;
    moveStop(index);
    onSeek(utterances[index].start);
  });
  list.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (!step || !event.target.closest("button") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moveStop(Math.min(Math.max(stop + step, 0), items.length - 1));
    button(stop).focus();
  });

  return {
    node: element(
      "section",
      { "aria-labelledby": "transcript" },
      element("h2", { id: "transcript" }, "Transcript"),
      items.length ? list : element("p", { class: "card hint" }, "No speech was recognized."),
    ),
    // Makes the utterance at a time the current one; `reveal` scrolls to it.
    select(time, { reveal }) {
      const index = indexAt(utterances, time);
      if (index === current) return;
      items[current]?.classList.remove("current");
      items[current]?.removeAttribute("aria-current");
      current = index;
      if (index < 0) return;
      items[index].classList.add("current");
      items[index].setAttribute("aria-current", "true");
      if (!list.contains(document.activeElement)) moveStop(index);
      if (reveal) items[index].scrollIntoView({ block: "center", behavior: "auto" });
    },
  };
}

function line(utterance, voice, previous) {
  const time = clock(utterance.start);
  const same = previous?.speaker === utterance.speaker;
  return element(
    "li",
    { class: `${voice.class}${same ? " same" : ""}` },
    element("button", { type: "button", class: "time", tabindex: "-1" }, time),
    // The name of who continues to speak is there for screen readers only.
    element("span", { class: `speaker${same ? " unseen" : ""}`, dir: "auto" }, voice.label),
    element("p", { dir: "auto" }, utterance.text),
  );
}

// Returns the last utterance that has begun at a time; -1 before the first.
export function indexAt(utterances, time) {
  let [low, high] = [0, utterances.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (utterances[middle].start <= time + EARLY_SECONDS) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
