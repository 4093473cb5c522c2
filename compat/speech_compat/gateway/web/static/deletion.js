// The dialog that asks before a meeting is deleted.

import { request } from "./client.js";
import { announce, element } from "./dom.js";

export function confirmDeletion(page, id) {
  const problem = element("p", { class: "error", role: "alert" });
  const cancel = element("button", { type: "button", autofocus: true }, "Cancel");
  const confirm = element("button", { type: "button", class: "danger solid" }, "Delete meeting");
  const dialog = element(
    "dialog",
    { "aria-labelledby": "deletion", "aria-describedby": "deletion-text" },
    element("h2", { id: "deletion" }, "Delete this meeting?"),
    element(
      "p",
      { id: "deletion-text" },
      "Audio and transcript of ",
      element("strong", {}, id),
      " are deleted for ever, here and at the service that transcribed them.",
    ),
    problem,
    element("div", { class: "buttons" }, cancel, confirm),
  );
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  page.signal.addEventListener("abort", () => dialog.close());
  confirm.addEventListener("click", async () => {
    confirm.disabled = true;
    problem.textContent = "";
    try {
      await request("DELETE", "meeting", { id }, { signal: page.signal });
    } catch (error) {
      confirm.disabled = false;
      if (page.failed(error)) problem.textContent = error.message;
      return;
    }
    announce("The meeting was deleted.");
    // Without an entry in the history: there is no meeting to go back to.
    location.replace("#/");
  });
  page.main.append(dialog);
  dialog.showModal();
}
