/** Hides how times and devices are said in words. */
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "5 minutes ago", "in 6 days"; within a minute "just now". */
export function when(iso: string, now = Date.now()): string {
  const seconds = (Date.parse(iso) - now) / 1000;
  for (const [unit, size] of STEPS) if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  return "just now";
}

/** How long until then: "about 20 seconds", "about 3 minutes"; empty once it is past. */
export function until(iso: string, now = Date.now()): string {
  const seconds = (Date.parse(iso) - now) / 1000;
  if (seconds <= 0) return "";
  const [unit, size] = STEPS.find(([, least]) => seconds >= 1.5 * least) ?? ["second", 1];
  const count = unit === "second" && seconds >= 10 ? 5 * Math.round(seconds / 5) : Math.max(1, Math.round(seconds / size));
  return `about ${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** What became of running a job again. */
export function compared(found: { identical: boolean; max_difference: number | null }): string {
  if (found.identical) return "Run again, it made the same file, byte by byte.";
  if (found.max_difference === null) return "Run again, it made a picture of another size.";
  return `Run again, it made another picture: up to ${found.max_difference} of 255 apart.`;
}

/** A length of time: "0.4 s", "48 s", "12 min", "3.5 h". */
export function seconds(count: number): string {
  if (count < 9.95) return `${Math.round(count * 10) / 10} s`;
  if (count < 119.5) return `${Math.round(count)} s`;
  if (count < 119.5 * 60) return `${Math.round(count / 60)} min`;
  return `${Math.round(count / 360) / 10} h`;
}

const BROWSERS: readonly [RegExp, string][] = [
  [/Edg\//, "Edge"],
  [/OPR\//, "Opera"],
  [/Firefox\//, "Firefox"],
  [/Chrom(?:e|ium)\//, "Chrome"],
  [/Safari\//, "Safari"],
];
const SYSTEMS: readonly [RegExp, string][] = [
  [/iPhone|iPad/, "iOS"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/Linux/, "Linux"],
];

/** "Firefox on Linux", from a User-Agent. */
export function device(agent: string): string {
  const find = (names: readonly [RegExp, string][]) => names.find(([sign]) => sign.test(agent))?.[1];
  const [browser, system] = [find(BROWSERS), find(SYSTEMS)];
  if (browser === undefined) return agent.split("/")[0] || "A browser";
  return system === undefined ? browser : `${browser} on ${system}`;
}
