// The page: sign-in, and one view at a time, chosen by the fragment of the address.
//
//   #/                 the newest meetings
//   #/before/CURSOR    a later page of the list
//   #/meeting/ID       one meeting
//
// A fragment is not sent to any server.

import { RequestError, request, session } from "./client.js";
import { announce, element } from "./dom.js";
import { showList } from "./list.js";
import { showMeeting } from "./meeting.js";

const main = document.getElementById("main");
const signOut = document.getElementById("sign-out");
let view = null;

function route() {
  const first = view === null;
  view?.abort();
  view = new AbortController();
  signOut.hidden = !session.key;
  if (!session.key) return showSignIn();
  const [, kind, rest = ""] = location.hash.match(/^#\/(\w+)\/(.*)$/s) ?? [];
  const page = { main, signal: view.signal, failed };
  if (kind === "meeting") showMeeting(page, decode(rest));
  else showList(page, kind === "before" ? decode(rest) : null);
  // A screen reader continues at the heading of the new view.  When the page itself has just
  // been loaded, the first stop of the tabulator is the skip link.
  if (!first) main.querySelector("h1").focus();
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // an address that was typed
  }
}

// Handles the error of a request of a view; returns whether the view has to show it.
function failed(error) {
  if (error.name === "AbortError") return false;
  if (!(error instanceof RequestError)) throw error;
  if (error.status !== 401) return true;
  session.close();
  route();
  return false;
}

function showSignIn() {
  document.title = "Sign in · Meetings";
  const error = element("p", { id: "key-error", class: "error", role: "alert" });
  const key = element("input", {
    type: "password",
    id: "key",
    // Browsers offer to keep a password; this page keeps the key in this tab only.
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": "key-hint key-error",
  });
  const button = element("button", { class: "primary" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    error.textContent = "";
    button.disabled = true;
    try {
      await request("GET", "meetings", { limit: 1 }, { key: key.value.trim() });
    } catch (reason) {
      button.disabled = false;
      error.textContent =
        reason.status === 401 ? "The gateway did not accept this key." : reason.message;
      key.setAttribute("aria-invalid", "true");
      key.select();
      return;
    }
    session.open(key.value.trim());
    announce("Signed in.");
    route();
  };
  main.replaceChildren(
    element(
      "form",
      { class: "card sign-in", submit },
      element("h1", {}, "Sign in"),
      element("label", { for: "key" }, "Access key"),
      key,
      element(
        "p",
        { id: "key-hint", class: "hint" },
        "The key that your programs send. It stays in this tab until you sign out or close it.",
      ),
      error,
      button,
    ),
  );
  key.focus();
}

signOut.addEventListener("click", () => {
  session.close();
  // The address may hold the id of a meeting.
  history.replaceState(null, "", "#/");
  announce("Signed out.");
  route();
});
// Not a link to a fragment: those select the view.
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", route);
route();
