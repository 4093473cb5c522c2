// Repeats a request while its view is shown.

const BUSY_MILLISECONDS = 2_000;
const IDLE_MILLISECONDS = 15_000;

// Calls `load` now and again until `signal` is aborted: soon if it returns true, which means
// that something is being processed, otherwise seldom; never if it returns null.
// A hidden page waits until it is shown.
export async function repeat(signal, load) {
  while (!signal.aborted) {
    const busy = await load();
    if (busy === null) return;
    await pause(signal, busy ? BUSY_MILLISECONDS : IDLE_MILLISECONDS);
  }
}

async function pause(signal, milliseconds) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  while (document.hidden && !signal.aborted) {
    await new Promise((resolve) =>
      document.addEventListener("visibilitychange", resolve, { once: true }),
    );
  }
}
