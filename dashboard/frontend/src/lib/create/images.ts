/** References of images that complete what is typed. Pure. */

export interface Known {
  /** Of the cluster's registry, as manifests name it; empty: there is none. */
  address: string;
  /** All its names. */
  aliases?: readonly string[];
  repositories: readonly { path: string; tags: readonly string[] }[];
  /** What nodes have. */
  present: readonly string[];
}

const MOST = 40;

/**
 * Repositories until one is chosen, then its tags; each whole, so that what is chosen can be run. Words of what is typed may be
 * anywhere in a reference.
 */
export function imageOffers(
  typed: string,
  { address, aliases = [], repositories, present }: Known,
): string[] {
  const own = address
    ? repositories.map(({ path, tags }) => ({
        reference: `${address}/${path}`,
        tags: tags.length > 0 ? tags : ["latest"],
      }))
    : [];
  const hosts = [address, ...aliases].filter(Boolean);
  const isOwn = (one: string) => hosts.some((host) => one.startsWith(`${host}/`));
  const chosen = own.find(({ reference }) => typed === reference || typed.startsWith(`${reference}:`));
  const references = chosen
    ? chosen.tags.map((tag) => `${chosen.reference}:${tag}`)
    : [
        ...own.map(({ reference, tags }) => `${reference}:${tags[0]}`),
        ...present.filter((one) => !one.includes("@") && !isOwn(one)),
      ];
  const wanted = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (one: string) => wanted.every((word) => one.toLowerCase().includes(word));
  return [...new Set(references)].filter((one) => chosen || fits(one)).slice(0, MOST);
}
