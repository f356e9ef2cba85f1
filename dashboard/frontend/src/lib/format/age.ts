/** `35s`, `4m`, `3h12m`, `5d`: as kubectl prints ages. */
export function formatAge(since: string | undefined, now: number): string {
  const begun = since ? Date.parse(since) : Number.NaN;
  if (Number.isNaN(begun)) return "";
  const seconds = Math.max(0, Math.floor((now - begun) / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return `${hours}h${minutes % 60 ? `${minutes % 60}m` : ""}`;
  if (hours < 48) return `${hours}h`;
  return `${Math.floor(hours / 24)}d`;
}

/** `24 Nov 2026, 13:20:51 UTC+1`: for tooltips and tables of events. */
export function formatTime(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  return date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long" });
}

const DAY_MS = 24 * 3600 * 1000;

/** `13:20:51` of the last day, `24 Nov, 13:20` before: as short as an age, for lists. */
export function formatMoment(time: string | undefined, now: number): string {
  const date = new Date(time ?? "");
  if (Number.isNaN(date.getTime())) return "";
  if (Math.abs(now - date.getTime()) < DAY_MS) return date.toLocaleTimeString("en-GB");
  const year = date.getFullYear() === new Date(now).getFullYear() ? {} : { year: "numeric" as const };
  return date.toLocaleString("en-GB", {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    ...year,
  });
}
