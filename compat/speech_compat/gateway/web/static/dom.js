// Elements and texts.  Nothing here or elsewhere parses a text as HTML: what clients of the
// gateway send is inserted as text only, and the page's policy forbids anything else.

const SVG = "http://www.w3.org/2000/svg";
const TICKS_PER_SECOND = 10_000_000;

// Returns an element.  Attributes that are false, null or undefined are left out, and functions
// listen to the event of that name.
export function element(name, attributes = {}, ...children) {
  return build(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, name), attributes, children);
}

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

// Writes only what differs, so that a screen reader and a selection notice no refresh.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function announce(text) {
  document.getElementById("announcement").textContent = text;
}

export function seconds(ticks) {
  return ticks / TICKS_PER_SECOND;
}

// Returns "4:05" or "1:04:05".
export function clock(value) {
  const whole = Math.max(Math.floor(value), 0);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

// Returns a length of time in words, for texts that are read aloud.
export function inWords(value) {
  const whole = Math.max(Math.round(value), 0);
  const parts = [
    [Math.floor(whole / 3600), "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const shown = parts.filter(([count]) => count).map(([count, unit]) => `${count} ${unit}`);
  return shown.join(" ") || "0 s";
}

const DATES = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export function date(text) {
  return element("time", { datetime: text }, DATES.format(new Date(text)));
}

const STATES = { Uploading: "Recording" };

// Returns a mark of the state of a meeting, with a function that changes it.
export function stateMark() {
  const label = element("span");
  const node = element("span", { class: "state" }, label);
  return {
    node,
    update(state) {
      node.dataset.state = state;
      setText(label, STATES[state] ?? state);
    },
  };
}

// Returns a progress bar with the present step, with a function that changes them.
export function progressBar(name) {
  const bar = element("progress", { max: "1", "aria-label": `Progress of ${name}` });
  const text = element("span", { class: "step" });
  const node = element("div", { class: "progress" }, bar, text);
  return {
    node,
    update(meeting) {
      node.hidden = meeting.state !== "Processing";
      // Without a value the bar is indeterminate.
      if (meeting.progress == null) bar.removeAttribute("value");
      else bar.value = meeting.progress;
      const share = meeting.progress == null ? "" : `${Math.floor(meeting.progress * 100)} %`;
      setText(text, [share, meeting.step].filter(Boolean).join(" · "));
    },
  };
}

export function isFinal(state) {
  return state === "Completed" || state === "Failed" || state === "Deleted";
}
