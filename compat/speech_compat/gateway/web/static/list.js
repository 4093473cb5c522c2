// The list of meetings, newest first.

import { request } from "./client.js";
import { clock, date, element, isFinal, progressBar, seconds, setText, stateMark } from "./dom.js";
import { repeat } from "./refresh.js";

const COLUMNS = ["Meeting", "State", "Started", "Duration", "Speakers"];

export function showList(page, before) {
  document.title = "Meetings";
  const heading = element("h1", { tabindex: "-1" }, "Meetings");
  const problem = element("p", { class: "error", role: "alert", hidden: true });
  const body = element("tbody", { role: "rowgroup" });
  const table = listTable(body);
  const paging = element("nav", { class: "paging", "aria-label": "Pages" });
  const content = element("div", { "aria-busy": "true" }, element("p", { class: "hint" }, "Loading…"));
  const rows = new Map();
  page.main.replaceChildren(heading, problem, content);

  repeat(page.signal, async () => {
    try {
      const found = await request("GET", "meetings", { before }, { signal: page.signal });
      problem.hidden = true;
      update(found);
      return found.meetings.some((meeting) => !isFinal(meeting.state));
    } catch (error) {
      if (page.failed(error)) {
        setText(problem, error.message);
        problem.hidden = false;
      }
      return false;
    }
  });

  function update(found) {
    content.removeAttribute("aria-busy");
    reconcile(body, rows, found.meetings);
    const shown = found.meetings.length ? [table, paging] : [before ? noMore() : emptyState()];
    // Replaced only if it differs: a refresh must not take the focus away.
    if (content.firstChild !== shown[0]) {
      content.replaceChildren(...shown);
    }
    updatePaging(paging, before, found.before);
  }
}

function listTable(body) {
  // The roles are repeated because the narrow layout makes the table a list of blocks, which
  // would no longer be read as a table.
  const headers = COLUMNS.map((name) =>
    element("th", { role: "columnheader", scope: "col" }, name),
  );
  return element(
    "table",
    { class: "card meetings", role: "table", "aria-label": "Meetings" },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...headers)),
    body,
  );
}

// Makes the rows those of the meetings.  Rows that stay are the same elements as before, so
// that the focus stays too.
function reconcile(body, rows, meetings) {
  const ids = new Set(meetings.map((meeting) => meeting.id));
  for (const [id, row] of rows) {
    if (!ids.has(id)) {
      row.node.remove();
      rows.delete(id);
    }
  }
  meetings.forEach((meeting, index) => {
    if (!rows.has(meeting.id)) rows.set(meeting.id, meetingRow(meeting));
    const row = rows.get(meeting.id);
    row.update(meeting);
    if (body.children[index] !== row.node) body.insertBefore(row.node, body.children[index]);
  });
}

function meetingRow(meeting) {
  const mark = stateMark();
  const progress = progressBar(meeting.id);
  const [started, duration, speakers] = [element("span"), element("span"), element("span")];
  const link = element("a", { href: `#/meeting/${encodeURIComponent(meeting.id)}` }, meeting.id);
  const cells = [
    link,
    element("div", { class: "state-cell" }, mark.node, progress.node),
    started,
    duration,
    speakers,
  ];
  let created = null;
  return {
    node: element(
      "tr",
      { role: "row" },
      ...cells.map((content, index) =>
        element("td", { role: "cell", "data-label": COLUMNS[index] }, content),
      ),
    ),
    update(present) {
      mark.update(present.state);
      progress.update(present);
      // The same id, recorded once more, has another start.
      if (created !== present.created) started.replaceChildren(date(present.created));
      created = present.created;
      setText(duration, present.duration == null ? "–" : clock(seconds(present.duration)));
      setText(speakers, present.speakers == null ? "–" : String(present.speakers));
    },
  };
}

function updatePaging(paging, before, next) {
  const links = [];
  if (before != null) links.push(["#/", "← Newest meetings"]);
  if (next != null) links.push([`#/before/${encodeURIComponent(next)}`, "Older meetings →"]);
  const present = [...paging.children].map((link) => link.getAttribute("href"));
  if (present.join() === links.map(([href]) => href).join()) return;
  paging.replaceChildren(...links.map(([href, text]) => element("a", { href }, text)));
}

function noMore() {
  return element(
    "div",
    { class: "card empty" },
    element("p", {}, "There are no older meetings."),
    element("a", { href: "#/" }, "← Newest meetings"),
  );
}

function emptyState() {
  // Relative to the page: a proxy may serve the gateway below a path.
  const address = new URL("speech/recognition/multiaudio", document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return element(
    "div",
    { class: "card empty" },
    element("h2", {}, "No meetings yet"),
    element("p", {}, "A meeting appears here as soon as a program starts to send one:"),
    element(
      "ol",
      {},
      element("li", {}, "Set the endpoint of the program to ", element("code", {}, address.href), "."),
      element("li", {}, "Use the access key that you have signed in with as subscription key."),
      element(
        "li",
        {},
        "Set the service property ",
        element("code", {}, "transcriptionMode"),
        " to ",
        element("code", {}, "async"),
        " or ",
        element("code", {}, "RealTimeAndAsync"),
        ". Meetings without it are only transcribed live, and not kept.",
      ),
    ),
  );
}
