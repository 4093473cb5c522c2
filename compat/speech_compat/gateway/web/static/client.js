// Requests to the gateway with the access key of the user.
//
// The key is in the session storage of this tab only: it ends with the tab, is never a part of
// an address, and no other site can read it.

const NAME = "speech-compat.access-key";

export const session = {
  get key() {
    return sessionStorage.getItem(NAME);
  },
  open(key) {
    sessionStorage.setItem(NAME, key);
  },
  close() {
    sessionStorage.removeItem(NAME);
  },
};

// The status is 0 if there was no answer.
export class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Returns the JSON document of the answer; null for an answer without one.
export async function request(method, path, query = {}, { key = session.key, signal } = {}) {
  const present = Object.entries(query).filter(([, value]) => value != null);
  let response;
  try {
    response = await fetch(`web/v1/${path}?${new URLSearchParams(present)}`, {
      method,
      signal,
      headers: { "Ocp-Apim-Subscription-Key": key ?? "" },
      cache: "no-store",
      credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // A key with letters that no header can hold is a wrong key.
    if (/[^\x20-\x7e]/.test(key ?? "")) throw new RequestError(401, "The access key is wrong.");
    throw new RequestError(0, "The gateway cannot be reached.");
  }
  if (response.status === 204) return null;
  const document = await response.json().catch(() => null);
  if (!response.ok) throw new RequestError(response.status, messageOf(document, response.status));
  return document;
}

function messageOf(document, status) {
  const message = document?.error?.message;
  return typeof message === "string" && message ? message : `The gateway answered ${status}.`;
}
