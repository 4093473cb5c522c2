// Signed addresses of the files of a meeting, for the player and for downloads, which send no
// headers.  They are valid for a few minutes, so they are requested when they are needed.

import { request } from "./client.js";
import { announce, element } from "./dom.js";

export function fileSource(page, id) {
  let links = null;
  let expires = 0;

  async function address(name) {
    // A margin, so that none ends on its way.
    if (Date.now() > expires - 30_000) {
      const asked = Date.now();
      links = await request("GET", "meeting/links", { id }, { signal: page.signal });
      expires = asked + links.seconds * 1000;
    }
    return links.files[name];
  }

  return {
    address,
    expired: () => Date.now() > expires,
    async download(name) {
      try {
        const href = await address(name);
        if (href) element("a", { href, download: true }).click();
        else announce("There is no such file.");
      } catch (error) {
        if (page.failed(error)) announce(error.message);
      }
    },
  };
}
