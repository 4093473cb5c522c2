"use strict";
// The list is in the page already; this adds the search.  No text is parsed as HTML.

const TYPING_MS = 120;
const rows = [...document.querySelectorAll(".rows tbody tr")].map((node) => ({
  node,
  state: node.dataset.state,
  text: node.textContent.toLowerCase(),
}));
const form = document.querySelector("#search");
const query = document.querySelector("#query");
const state = document.querySelector("#state");
const found = document.querySelector("#found");

function filter() {
  const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    const shown =
      (!state.value || row.state === state.value) && words.every((word) => row.text.includes(word));
    row.node.hidden = !shown;
    count += shown;
  }
  found.textContent = words.length || state.value ? `${count} of ${rows.length}` : "";
}

let typing = 0;
query.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(filter, TYPING_MS);
});
state.addEventListener("change", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
