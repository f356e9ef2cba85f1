/** Where the keyboard's focus goes when what had it is gone. */
import { useEffect, useRef } from "react";

const HEADING = "#content h1";
/** Menus and dialogs that close move the focus themselves, a moment later. */
const SETTLED_MS = 20;

/** To the heading of the page, which tells a screen reader where it is; from there Tab goes into the page. */
export function focusPage(): void {
  const place = document.querySelector<HTMLElement>(HEADING) ?? document.getElementById("content");
  place?.focus({ preventScroll: true });
}

/** To `opener`; to the button of its menu, if it was an entry of one that has closed; else to the page. */
export function comeBackTo(opener: Element | null): void {
  const menu = opener?.closest("[role=menu]")?.getAttribute("aria-labelledby");
  const wanted = (menu && document.getElementById(menu)) || opener;
  setTimeout(() => {
    if (!isLost()) return;
    if (wanted instanceof HTMLElement && wanted.isConnected && wanted !== document.body)
      wanted.focus({ preventScroll: true });
    if (isLost()) focusPage();
  }, SETTLED_MS);
}

function isLost(): boolean {
  const { activeElement } = document;
  return !activeElement || activeElement === document.body;
}

/** Where the browser's own buttons have led: there it knows how far one had scrolled. */
let returnedTo = "";
window.addEventListener("popstate", () => {
  returnedTo = window.location.pathname;
});

/** Another page than before: it begins at its top, with the focus on its heading. */
export function usePageFocus(address: string): void {
  const last = useRef(address);
  useEffect(() => {
    if (last.current === address) return;
    last.current = address;
    if (returnedTo !== window.location.pathname) window.scrollTo(0, 0);
    returnedTo = "";
    return whenHeaded(focusPage);
  }, [address]);
}

/** Pages are loaded when they are first shown: their heading comes a little later. */
function whenHeaded(act: () => void): () => void {
  const content = document.getElementById("content");
  if (!content || content.querySelector("h1")) {
    const timer = setTimeout(act, SETTLED_MS);
    return () => clearTimeout(timer);
  }
  const observer = new MutationObserver(() => {
    if (!content.querySelector("h1")) return;
    observer.disconnect();
    act();
  });
  observer.observe(content, { childList: true, subtree: true });
  return () => observer.disconnect();
}
