/** Where the API is to be found from outside the page. */

/**
 * The page's own address where that is the API's TLS listener; from the plain one, which only the host itself reaches, the
 * port that came with the page.
 */
export function apiServer(location: Pick<Location, "protocol" | "origin">, port: string): string {
  return location.protocol === "https:" || !port ? location.origin : `https://127.0.0.1:${port}`;
}

/** Empty where the instance serves no TLS. */
export function apiPort(): string {
  return document.querySelector<HTMLMetaElement>("meta[name=api-port]")?.content ?? "";
}
