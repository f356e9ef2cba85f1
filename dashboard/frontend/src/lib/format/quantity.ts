/** Kubernetes quantities: `250m`, `1.5`, `64Mi`, `2G`. */

const SUFFIXES: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/** The number a quantity stands for; 0 when it is absent or no quantity. */
export function parseQuantity(text: string | undefined): number {
  const match = /^([0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]{0,2})$/.exec(text ?? "");
  const factor = match ? SUFFIXES[match[2] ?? ""] : undefined;
  return match && factor !== undefined ? Number(match[1]) * factor : 0;
}

export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/** `2`, `0.25`; small ones in thousandths, `3m`, as they are requested. */
export function formatCores(cores: number): string {
  if (cores > 0 && cores < 0.0995) return `${Math.max(1, Math.round(cores * 1000))}m`;
  return cores < 10 ? cores.toFixed(2).replace(/\.?0+$/, "") : cores.toFixed(0);
}
