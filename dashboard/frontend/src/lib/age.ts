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
