// Slack's timestamps ("1700000000.000100", seconds) and its date tokens, in the reader's own language and zone.

const format = (options) => new Intl.DateTimeFormat(undefined, options);
// Logs and timelines count to 24; so does this page, whatever the reader's locale would choose.
const CLOCK = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const CLOCK_SECONDS = format({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const FULL = format({ dateStyle: "full", timeStyle: "medium" });
const DAY = format({ weekday: "long", day: "numeric", month: "long" });
const DAY_YEAR = format({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
const LONG = format({ day: "numeric", month: "long", year: "numeric" });
const SHORT = format({ day: "numeric", month: "short", year: "numeric" });
const NUMERIC = format({ day: "2-digit", month: "2-digit", year: "numeric" });

const at = (ts) => new Date(Number(ts) * 1000);

export const clock = (ts) => CLOCK.format(at(ts));
export const full = (ts) => FULL.format(at(ts));
export const dayKey = (ts) => at(ts).toDateString();

function near(date, otherwise) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86400000);
  return { "0": "Today", "1": "Yesterday", "-1": "Tomorrow" }[days] ?? otherwise.format(date);
}

export function dayLabel(ts) {
  const date = at(ts);
  return near(date, date.getFullYear() === new Date().getFullYear() ? DAY : DAY_YEAR);
}

export function ago(ts) {
  const seconds = Math.max(0, Date.now() / 1000 - Number(ts));
  const steps = [[86400, "day"], [3600, "hour"], [60, "minute"]];
  for (const [size, unit] of steps) {
    const count = Math.floor(seconds / size);
    if (count) return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
  }
  return "just now";
}

/** Slack's `<!date^unix^format^link|fallback>` format, e.g. "{date_short_pretty} at {time}". */
export function dateTokens(unix, text) {
  const date = at(unix);
  const tokens = {
    date_num: () => NUMERIC.format(date),
    date: () => LONG.format(date),
    date_slash: () => NUMERIC.format(date),
    date_short: () => SHORT.format(date),
    date_long: () => DAY_YEAR.format(date),
    date_pretty: () => near(date, LONG),
    date_short_pretty: () => near(date, SHORT),
    date_long_pretty: () => near(date, DAY_YEAR),
    time: () => CLOCK.format(date),
    time_secs: () => CLOCK_SECONDS.format(date),
    ago: () => ago(unix),
    day_divider_pretty: () => near(date, DAY_YEAR),
  };
  return text.replace(/\{(\w+)\}/g, (whole, name) => tokens[name]?.() ?? whole);
}
