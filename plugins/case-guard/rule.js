// Decides about one event: settings and situation in, verdicts out. Nothing here knows WebAssembly, a clock or a file, so that `node --test` can run it.

const NS_PER_S = 1_000_000_000n;
/** An hour is the most, and a time that passes through JavaScript's numbers is exact to 256 ns. */
const CLIP_MAX_NS = 3599n * NS_PER_S;
const CLIP_MIN_NS = NS_PER_S;
/** Bytes of a case number and of the name of a redaction profile, as the contract has them. */
const WORD_BYTES_MAX = 64;

const words = (text) => text.split(/[\s,;]+/).filter((word) => word !== "");

/**
 * Whether a case number has a form: `#` is a digit, `*` any characters, anything else itself. Goes through both once and back to the last `*` only, so
 * that no form makes it slow.
 */
export function fits(form, number) {
  if (form === "") return number !== "";
  const one = (sign, character) => (sign === "#" ? character >= "0" && character <= "9" : sign === character);
  let [at, place, star, resume] = [0, 0, -1, 0];
  while (place < number.length) {
    if (form[at] === "*") {
      [star, resume] = [at, place];
      at += 1;
    } else if (at < form.length && one(form[at], number[place])) {
      at += 1;
      place += 1;
    } else if (star >= 0) {
      resume += 1;
      [at, place] = [star + 1, resume];
    } else {
      return false;
    }
  }
  return [...form.slice(at)].every((sign) => sign === "*");
}

/** The settings, checked. Throws a sentence for the administrator. */
export function configured(json) {
  const chosen = JSON.parse(json);
  // Every character of a profile's name has at least one byte; the host counts them.
  if (chosen.redaction.length > WORD_BYTES_MAX) throw `redaction has more than ${WORD_BYTES_MAX} characters; name a profile of the station`;
  if (chosen.case_form.length > WORD_BYTES_MAX) throw `case_form has more than ${WORD_BYTES_MAX} characters; no case number is that long`;
  return {
    kinds: new Set(words(chosen.kinds)),
    scoreMin: chosen.score_min,
    caseForm: chosen.case_form,
    approvals: chosen.approvals,
    redaction: chosen.redaction,
    withoutCase: chosen.without_case,
    beforeNs: BigInt(chosen.before_s) * NS_PER_S,
    afterNs: BigInt(chosen.after_s) * NS_PER_S,
  };
}

function clip(settings, situation, caseNumber) {
  const { startUtcNs: start, endUtcNs } = situation.event.mark;
  const from = start > settings.beforeNs ? start - settings.beforeNs : 0n;
  const wanted = (endUtcNs ?? start) + settings.afterNs - from;
  const length = wanted < CLIP_MIN_NS ? CLIP_MIN_NS : wanted > CLIP_MAX_NS ? CLIP_MAX_NS : wanted;
  return {
    camera: situation.camera,
    fromUtcNs: from,
    toUtcNs: from + length,
    redaction: settings.redaction,
    caseNumber,
    approvals: settings.approvals,
  };
}

/** The verdicts for one event. */
export function evaluated(settings, situation) {
  const { mark } = situation.event;
  if (!settings.kinds.has(mark.kind) || mark.score < settings.scoreMin) return [];
  const caseNumber = situation.cases.find((number) => fits(settings.caseForm, number));
  if (caseNumber !== undefined) {
    const reason = `${mark.kind} on a camera and at a time of case ${caseNumber}; ${settings.approvals} persons must approve`;
    return [{ what: { tag: "export-clip", val: clip(settings, situation, caseNumber) }, reason }];
  }
  const why = situation.cases.length === 0 ? "no open case" : `no open case with a number of the form ${settings.caseForm}`;
  const reason = `${mark.kind}, and ${why} for this camera and time`;
  switch (settings.withoutCase) {
    case "hold":
      return [{ what: { tag: "hold", val: clip(settings, situation, "") }, reason }];
    case "notify":
      return [{ what: { tag: "notify", val: `${situation.cameraName}: ${mark.kind}. ${why}: open one to keep the footage.` }, reason }];
    default:
      return [];
  }
}
