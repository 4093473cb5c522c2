// One meeting: its state, and with a transcript also timeline, player and files.

import { request } from "./client.js";
import {
  announce,
  clock,
  date,
  element,
  isFinal,
  progressBar,
  seconds,
  setText,
  stateMark,
} from "./dom.js";
import { fileSource } from "./files.js";
import { confirmDeletion } from "./deletion.js";
import { playback } from "./playback.js";
import { repeat } from "./refresh.js";

const FORMATS = [
  ["text", "Text"],
  ["json", "JSON"],
  ["vtt", "WebVTT"],
  ["srt", "SubRip"],
  ["rttm", "RTTM"],
  ["html", "HTML"],
];

export function showMeeting(page, id) {
  document.title = `${id} · Meetings`;
  const head = meetingHead(page, id);
  const problem = element("p", { class: "error", role: "alert", hidden: true });
  const content = element("div", { class: "meeting-content" });
  page.main.replaceChildren(
    element("nav", { class: "back", "aria-label": "Path" }, element("a", { href: "#/" }, "← All meetings")),
    head.node,
    problem,
    content,
  );
  let shown = null;
  load();

  function load() {
    repeat(page.signal, async () => {
      try {
        const meeting = await request("GET", "meeting", { id }, { signal: page.signal });
        problem.hidden = true;
        update(meeting);
        return isFinal(meeting.state) ? null : true;
      } catch (error) {
        if (!page.failed(error)) return null;
        setText(problem, error.message);
        problem.hidden = false;
        if (error.status !== 404) return false;
        head.missing();
        content.replaceChildren();
        return null;
      }
    });
  }

  function update(meeting) {
    head.update(meeting);
    // A state is built once, then updated: a refresh must not take the focus away.
    if (shown !== meeting.state) {
      if (shown) announce(`The meeting is now ${meeting.state.toLowerCase()}.`);
      shown = meeting.state;
      content.replaceChildren(...build(meeting));
    }
  }

  function build(meeting) {
    if (meeting.state === "Failed") return [failure(meeting)];
    if (meeting.transcript) {
      head.showFiles(meeting);
      return playback(page, id, meeting);
    }
    return [element("p", { class: "card hint" }, "The transcript appears here when it is complete.")];
  }

  function failure(meeting) {
    const button = element("button", { type: "button", class: "primary" }, "Retry");
    const refusal = element("p", { class: "error", role: "alert" });
    button.addEventListener("click", async () => {
      button.disabled = true;
      refusal.textContent = "";
      try {
        await request("POST", "meeting/retry", { id }, { signal: page.signal });
        announce("The meeting is processed again.");
        load();
      } catch (error) {
        if (page.failed(error)) refusal.textContent = error.message;
      }
      button.disabled = false;
    });
    return element(
      "section",
      { class: "card notice failed", "aria-labelledby": "failure" },
      element("h2", { id: "failure" }, "This meeting could not be transcribed"),
      element("p", { class: "reason" }, meeting.reason || "No reason is known."),
      refusal,
      button,
    );
  }
}

function meetingHead(page, id) {
  const heading = element("h1", { tabindex: "-1", dir: "auto" }, id);
  const mark = stateMark();
  const progress = progressBar(id);
  const facts = element("ul", { class: "facts", "aria-label": "About the meeting" });
  const files = element("div", { class: "files", role: "group", "aria-label": "Download" });
  const source = fileSource(page, id);
  const remove = element(
    "button",
    { type: "button", class: "danger", click: () => confirmDeletion(page, id) },
    "Delete…",
  );
  const actions = element("div", { class: "actions" }, files, remove);
  return {
    node: element("div", { class: "meeting-head" }, heading, facts, progress.node, actions),
    missing() {
      setText(heading, "Meeting not found");
      facts.replaceChildren();
      actions.hidden = progress.node.hidden = true;
    },
    update(meeting) {
      mark.update(meeting.state);
      progress.update(meeting);
      const parts = [mark.node, date(meeting.created)];
      if (meeting.duration != null) parts.push(clock(seconds(meeting.duration)));
      if (meeting.speakers != null) {
        parts.push(`${meeting.speakers} speaker${meeting.speakers === 1 ? "" : "s"}`);
      }
      facts.replaceChildren(...parts.map((part) => element("li", {}, part)));
    },
    showFiles(meeting) {
      const kinds = meeting.has_audio ? [...FORMATS, ["audio", "Audio"]] : FORMATS;
      files.replaceChildren(
        element("span", { class: "hint", "aria-hidden": "true" }, "Download"),
        ...kinds.map(([name, label]) =>
          element("button", { type: "button", class: "small", click: () => source.download(name) }, label),
        ),
      );
    },
  };
}
