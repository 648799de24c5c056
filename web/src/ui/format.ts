/** Numbers and times as people read them. Pure: the present comes in as a parameter. */
import type { Usage } from "../api/types";

/** `12s`, `4m 05s`, `2h 07m`, `3d 4h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${String(seconds % 60).padStart(2, "0")}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${String(minutes % 60).padStart(2, "0")}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** A duration that may be shorter than a second: `240 ms`. */
export function shortDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)}s`;
  return duration(ms);
}

/** `just now`, `4 min ago`, `2 h ago`, `3 days ago`. */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, Math.floor((now - at) / 1000));
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ago`;
  const days = Math.floor(hours / 24);
  return days === 1 ? "1 day ago" : `${days} days ago`;
}

/** `14:03:21`, with the day when it is another one. */
export function clock(at: number, now: number): string {
  const date = new Date(at);
  const time = date.toLocaleTimeString(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  if (new Date(now).toDateString() === date.toDateString()) return time;
  return `${date.toLocaleDateString(undefined, { month: "short", day: "numeric" })}, ${time}`;
}

/** The moment for machines; empty for what is no moment. */
export function isoTime(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

/** The whole moment, for tooltips. */
export function fullTime(at: number): string {
  if (isoTime(at) === "") return "unknown";
  return new Date(at).toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
}

/** `842`, `12.4k`, `3.1M`. */
export function count(n: number): string {
  if (n < 1000) return String(n);
  if (n < 100_000) return `${(n / 1000).toFixed(1).replace(/\.0$/, "")}k`;
  if (n < 1_000_000) return `${Math.round(n / 1000)}k`;
  return `${(n / 1_000_000).toFixed(1).replace(/\.0$/, "")}M`;
}

/** `512 B`, `48 KiB`, `1.2 GiB`. */
export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = n;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? ""}`;
}

/** Dollars from millionths; undefined when no price is known. */
export function cost(usage: Usage): string | undefined {
  if (usage.cost_microusd === 0) return undefined;
  const dollars = usage.cost_microusd / 1_000_000;
  if (dollars < 0.001) return "<$0.001";
  if (dollars < 0.1) return `$${dollars.toFixed(3)}`;
  return `$${dollars.toFixed(2)}`;
}

/** Every token that went through the model. */
export function totalTokens(usage: Usage): number {
  return usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
}

export interface Deadline {
  text: string;
  tone: "overdue" | "soon" | "later";
}

/** A day, seen from today. Days are compared as the person's own calendar has them. */
export function deadline(day: string, now: number): Deadline | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (!match) return undefined;
  const due = Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]));
  const today = new Date(now);
  const days = Math.round(
    (due - Date.UTC(today.getFullYear(), today.getMonth(), today.getDate())) / 86_400_000,
  );
  if (days < 0) return { text: days === -1 ? "1 day overdue" : `${-days} days overdue`, tone: "overdue" };
  if (days === 0) return { text: "due today", tone: "soon" };
  if (days === 1) return { text: "due tomorrow", tone: "soon" };
  if (days < 7) return { text: `due in ${days} days`, tone: days <= 2 ? "soon" : "later" };
  const text = new Date(due).toLocaleDateString(undefined, {
    month: "short",
    day: "numeric",
    timeZone: "UTC",
    ...(Number(match[1]) === today.getFullYear() ? {} : { year: "numeric" }),
  });
  return { text: `due ${text}`, tone: "later" };
}

/** The first line, for titles. */
export function firstLine(text: string): string {
  const line = text.trim().split("\n", 1)[0] ?? "";
  return line === "" ? "(no text)" : line;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** A model's name without its vendor's date stamp. */
export function modelName(model: string): string {
  return model.replace(/-20\d{6}$/, "");
}

export function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** `failed`, `timed out`: a word of the wire in words. */
export function words(word: string): string {
  return word.replaceAll("_", " ");
}
