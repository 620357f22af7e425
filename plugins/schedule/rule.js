// Decides about one event: settings and situation in, verdicts out. Nothing here knows WebAssembly, a clock or a file, so that `node --test` can run it.

const NS_PER_S = 1_000_000_000n;
/** An hour is the most, and a time that passes through JavaScript's numbers is exact to 256 ns. */
const CLIP_MAX_NS = 3599n * NS_PER_S;
const CLIP_MIN_NS = NS_PER_S;
const DAYS = ["mo", "tu", "we", "th", "fr", "sa", "su"];

const words = (text) => text.split(/[\s,;]+/).filter((word) => word !== "");

/** Minutes of the day of a time such as 08:30; throws a sentence for the administrator. */
function minutes(name, text) {
  const found = /^([01]?\d|2[0-4]):([0-5]\d)$/.exec(text.trim());
  const value = found ? Number(found[1]) * 60 + Number(found[2]) : NaN;
  if (!(value <= 24 * 60)) throw `${name} is "${text}"; a time such as 08:30 is expected`;
  return value;
}

/** Whether a date such as 2027-02-29 is in the calendar. */
function isDate(text) {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!found) return false;
  const [year, month, day] = found.slice(1).map(Number);
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const length = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
  return length !== undefined && day >= 1 && day <= length;
}

/** The settings, checked. Throws a sentence for the administrator. */
export function configured(json) {
  const chosen = JSON.parse(json);
  const days = words(chosen.open_days.toLowerCase()).map((word) => word.slice(0, 2));
  const wrong = days.find((day) => !DAYS.includes(day));
  if (wrong !== undefined) throw `open_days names "${wrong}"; only mo tu we th fr sa su are expected`;
  const closed = words(chosen.closed_dates);
  const noDate = closed.find((date) => !isDate(date));
  if (noDate !== undefined) throw `closed_dates names "${noDate}"; dates such as 2027-04-14 are expected`;
  return {
    from: minutes("open_from", chosen.open_from),
    to: minutes("open_to", chosen.open_to),
    days: new Set(days.map((day) => DAYS.indexOf(day))),
    closed: new Set(closed),
    kinds: new Set(words(chosen.kinds)),
    scoreMin: chosen.score_min,
    propose: chosen.propose,
    beforeNs: BigInt(chosen.before_s) * NS_PER_S,
    afterNs: BigInt(chosen.after_s) * NS_PER_S,
    pauseNs: BigInt(chosen.pause_s) * NS_PER_S,
  };
}

const two = (number) => String(number).padStart(2, "0");

/** A day as this module counts: its date and its place in the week. `back` days before the given one. */
function day({ year, month, day: number, weekday }, back) {
  if (back === 0) return { date: `${year}-${two(month)}-${two(number)}`, weekday };
  // Noon of a day in UTC, one day back: no zone, no clock change.
  const before = new Date(Date.UTC(year, month - 1, number, 12) - 86_400_000);
  const date = `${before.getUTCFullYear()}-${two(before.getUTCMonth() + 1)}-${two(before.getUTCDate())}`;
  return { date, weekday: (weekday + 6) % 7 };
}

/** Whether the place is open at a local time. The end does not belong to the hours. */
export function isOpen(settings, local) {
  const now = local.hour * 60 + local.minute;
  const opensOn = ({ date, weekday }) => settings.days.has(weekday) && !settings.closed.has(date);
  const { from, to } = settings;
  if (from < to) return now >= from && now < to && opensOn(day(local, 0));
  if (from === to) return false;
  // Over midnight: the hours before `to` belong to the day before.
  return now >= from ? opensOn(day(local, 0)) : now < to && opensOn(day(local, 1));
}

/** A local time some seconds earlier, by the same distance from UTC. Exact but for the hour in which clocks change. */
function earlier(local, seconds) {
  const at = new Date(
    Date.UTC(local.year, local.month - 1, local.day, local.hour, local.minute, local.second) - seconds * 1000,
  );
  return {
    year: at.getUTCFullYear(),
    month: at.getUTCMonth() + 1,
    day: at.getUTCDate(),
    hour: at.getUTCHours(),
    minute: at.getUTCMinutes(),
    second: at.getUTCSeconds(),
    weekday: (at.getUTCDay() + 6) % 7,
  };
}

function matters(settings, mark, local) {
  const wanted = settings.kinds.size === 0 || settings.kinds.has(mark.kind);
  return wanted && mark.score >= settings.scoreMin && !isOpen(settings, local);
}

/**
 * Whether the pause since the last proposal is over. A rule remembers nothing, so the earlier events are gone through again, the oldest first: each that
 * came after the pause had its own proposal, the others had none.
 */
function isDue(settings, situation) {
  const { mark } = situation.event;
  let proposed = null;
  for (const { mark: before } of situation.recent.toReversed()) {
    const seconds = Number((mark.startUtcNs - before.startUtcNs) / NS_PER_S);
    if (before.kind !== mark.kind || !matters(settings, before, earlier(situation.local, seconds))) continue;
    if (proposed === null || before.startUtcNs - proposed >= settings.pauseNs) proposed = before.startUtcNs;
  }
  return proposed === null || mark.startUtcNs - proposed >= settings.pauseNs;
}

function clip(settings, situation) {
  const { startUtcNs: start, endUtcNs } = situation.event.mark;
  const from = start > settings.beforeNs ? start - settings.beforeNs : 0n;
  const wanted = (endUtcNs ?? start) + settings.afterNs - from;
  const length = wanted < CLIP_MIN_NS ? CLIP_MIN_NS : wanted > CLIP_MAX_NS ? CLIP_MAX_NS : wanted;
  return {
    camera: situation.camera,
    fromUtcNs: from,
    toUtcNs: from + length,
    redaction: "",
    caseNumber: situation.cases[0] ?? "",
    approvals: 0,
  };
}

/** The verdicts for one event. */
export function evaluated(settings, situation) {
  const { mark } = situation.event;
  const { local } = situation;
  if (!matters(settings, mark, local) || !isDue(settings, situation)) return [];
  const at = `${local.year}-${two(local.month)}-${two(local.day)} ${two(local.hour)}:${two(local.minute)}`;
  const reason = `${mark.kind} at ${at} (${local.zone}), outside the opening hours`;
  const what = {
    notify: () => ({ tag: "notify", val: `${situation.cameraName}: ${mark.kind} at ${two(local.hour)}:${two(local.minute)}, while closed` }),
    tag: () => ({ tag: "tag", val: "after-hours" }),
    hold: () => ({ tag: "hold", val: clip(settings, situation) }),
    "export-clip": () => ({ tag: "export-clip", val: clip(settings, situation) }),
  }[settings.propose]();
  return [{ what, reason }];
}
