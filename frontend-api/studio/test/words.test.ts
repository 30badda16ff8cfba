import { describe, expect, it } from "vitest";
import { compared, device, seconds, until, when } from "../src/app/words";

const NOW = Date.parse("2026-03-01T12:00:00Z");

describe("when", () => {
  it.each([
    ["2026-03-01T11:59:30Z", "just now"],
    ["2026-03-01T12:00:59Z", "just now"],
    ["2026-03-01T11:55:00Z", "5 minutes ago"],
    ["2026-03-01T09:00:00Z", "3 hours ago"],
    ["2026-02-28T12:00:00Z", "yesterday"],
    ["2026-03-08T12:00:00Z", "in 7 days"],
  ])("says %s as %s", (iso, words) => expect(when(iso, NOW)).toBe(words));
});

describe("until", () => {
  it.each([
    ["2026-03-01T11:59:59Z", ""],
    ["2026-03-01T12:00:00.400Z", "about 1 second"],
    ["2026-03-01T12:00:07Z", "about 7 seconds"],
    ["2026-03-01T12:00:22Z", "about 20 seconds"],
    ["2026-03-01T12:01:20Z", "about 80 seconds"],
    ["2026-03-01T12:03:10Z", "about 3 minutes"],
    ["2026-03-01T14:00:00Z", "about 2 hours"],
  ])("says %s as %s", (iso, words) => expect(until(iso, NOW)).toBe(words));
});

describe("compared", () => {
  it.each([
    [{ identical: true, max_difference: 0 }, "Run again, it made the same file, byte by byte."],
    [{ identical: false, max_difference: 3 }, "Run again, it made another picture: up to 3 of 255 apart."],
    [{ identical: false, max_difference: null }, "Run again, it made a picture of another size."],
  ])("says %o", (found, words) => expect(compared(found)).toBe(words));
});

describe("seconds", () => {
  it.each([
    [0, "0 s"],
    [0.04, "0 s"],
    [0.449, "0.4 s"],
    [9.96, "10 s"],
    [119, "119 s"],
    [119.6, "2 min"],
    [3600, "60 min"],
    [12_600, "3.5 h"],
  ])("says %s as %s", (count, words) => expect(seconds(count)).toBe(words));
});

describe("device", () => {
  it.each([
    ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"],
    ["Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0", "Edge on Windows"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/604.1", "Safari on iOS"],
    ["curl/8.5.0", "curl"],
    ["", "A browser"],
  ])("names %s", (agent, name) => expect(device(agent)).toBe(name));
});
