// Stands in the page itself: asks for the page again when one of its files could not be loaded, because the network changed
// or the control plane is restarting. Nothing is on screen then that could be lost.
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
