// The transcript of a meeting with its timeline and, where the audio is kept, a player.

import { element, seconds } from "./dom.js";
import { fileSource } from "./files.js";
import { timeline } from "./timeline.js";
import { transcriptList } from "./transcript.js";

// Colors of speakers in the style sheet.
const VOICES = 8;

export function playback(page, id, meeting) {
  const utterances = meeting.transcript.utterances.map((utterance) => ({
    speaker: utterance.speaker,
    start: seconds(utterance.offset),
    end: seconds(utterance.offset + utterance.duration),
    text: utterance.text,
  }));
  const voices = meeting.transcript.speakers.map((label, index) => ({
    label,
    class: `voice voice-${index % VOICES}`,
  }));
  const last = utterances.length ? Math.max(...utterances.slice(-50).map((u) => u.end)) : 0;
  const duration = Math.max(seconds(meeting.transcript.duration), last, 1);
  const player = meeting.has_audio ? audioPlayer(page, id) : null;
  const lines = transcriptList(utterances, voices, (start) => goTo(start, true));
  const lanes = timeline(utterances, voices, duration, (start) => goTo(start, false));

  // Without audio the position only selects an utterance.
  function goTo(time, fromTranscript) {
    lanes.moveTo(time);
    lines.select(time, { reveal: !fromTranscript });
    player?.seek(time);
  }

  player?.onTime((time, playing) => {
    lanes.moveTo(time);
    lines.select(time, { reveal: playing && player.follows() });
  });
  return [
    utterances.length ? lanes.node : null,
    player?.node,
    lines.node,
    provenance(meeting.transcript.provenance),
  ].filter(Boolean);
}

function audioPlayer(page, id) {
  const files = fileSource(page, id);
  const audio = element("audio", { controls: true, preload: "metadata", "aria-label": "Audio" });
  const follow = element("input", { type: "checkbox", id: "follow", checked: true });
  const problem = element("p", { class: "error", role: "alert" });
  let wanted = null;

  async function load() {
    try {
      audio.src = await files.address("audio");
    } catch (error) {
      if (page.failed(error)) problem.textContent = error.message;
    }
  }

  audio.addEventListener("error", () => {
    // The address has expired while the player was paused, or in the middle of a long meeting.
    if (!files.expired()) {
      problem.textContent = "The audio cannot be played.";
      return;
    }
    const [position, paused] = [audio.currentTime, audio.paused];
    load().then(() => {
      audio.currentTime = position;
      if (!paused) audio.play();
    });
  });
  // Before the header is read the player ignores a position.
  audio.addEventListener("loadedmetadata", () => {
    if (wanted != null) audio.currentTime = wanted;
    wanted = null;
  });
  // Who scrolls while the audio plays reads elsewhere.
  for (const name of ["wheel", "touchmove"]) {
    addEventListener(name, () => audio.paused || (follow.checked = false), {
      signal: page.signal,
      passive: true,
    });
  }
  page.signal.addEventListener("abort", () => audio.pause());
  load();
  return {
    node: element(
      "section",
      { class: "player card", "aria-label": "Player" },
      audio,
      element("label", { for: "follow" }, follow, " Follow the audio"),
      problem,
    ),
    follows: () => follow.checked,
    onTime(listener) {
      for (const name of ["timeupdate", "seeked"]) {
        audio.addEventListener(name, () => listener(audio.currentTime, !audio.paused));
      }
    },
    seek(time) {
      if (audio.readyState) audio.currentTime = time;
      else wanted = time;
    },
  };
}

function provenance(origin) {
  const remarks = [...origin.notes, ...origin.emulated];
  return element(
    "section",
    { class: "provenance", "aria-labelledby": "provenance" },
    element("h2", { id: "provenance" }, "About this transcript"),
    element("p", {}, `Transcribed by ${[origin.backend, origin.version].filter(Boolean).join(" ")}.`),
    remarks.length ? element("ul", {}, ...remarks.map((text) => element("li", {}, text))) : null,
  );
}

