// Stands in the page itself, before its files are here.

// The live connection is asked for meanwhile: `lib/watch/socket.ts` takes it over.
(() => {
  const session = document.querySelector("meta[name=session]")?.content;
  if (session && JSON.parse(session).user) window.slipwaySocket = new WebSocket("/ws/watch");
})();

// Asks for the page again when one of its files could not be loaded, because the network changed or the control plane is
// restarting. Nothing is on screen then that could be lost.
(() => {
  const KEY = "slipway-boot";
  const tries = Number(sessionStorage.getItem(KEY) ?? 0);
  let failed = false;
  addEventListener(
    "error",
    ({ target }) => {
      if (failed || !(target instanceof HTMLElement) || document.getElementById("root")?.hasChildNodes()) return;
      failed = true;
      sessionStorage.setItem(KEY, tries + 1);
      setTimeout(() => location.reload(), Math.min(250 * 2 ** tries, 10_000));
    },
    true,
  );
  addEventListener("load", () => failed || sessionStorage.removeItem(KEY));
})();
