/** Play, speed, live, the clock on the picture, and how much time the timeline shows. */

import type { ComponentChildren } from "preact";
import { t } from "../i18n";
import { useTick } from "../lib/hooks";
import { nowMs } from "../lib/session";
import { clockText, dateText, fromInput, toInput, utcText, zoneText } from "../lib/time";
import { Icon } from "../ui/icon";
import type { Head } from "./head";
import { DAY, HOUR, MINUTE, pan, SECOND, span, type View, viewAround, zoom } from "./scale";

export const RATES = [0.25, 0.5, 1, 2, 4, 8] as const;

interface TransportProps {
  head: Head;
  live: boolean;
  mayLive: boolean;
  toggle: () => void;
  goLive: () => void;
}

export function Transport({ head, live, mayLive, toggle, goLive }: TransportProps) {
  const playing = head.playing.value;
  const step = (ms: number) => head.seek((head.position.peek() ?? nowMs()) + ms);
  return (
    <div class="row transport">
      <button type="button" onClick={() => step(-10_000)} disabled={live} aria-label={`−10 s ${t("transport.back10")}`} title={t("transport.back10")}>
        −10 s
      </button>
      <button type="button" class="primary play" onClick={toggle} disabled={live} aria-label={playing ? t("transport.pause") : t("transport.play")}>
        <Icon name={playing ? "pause" : "play"} />
      </button>
      <button type="button" onClick={() => step(10_000)} disabled={live} aria-label={`+10 s ${t("transport.forward10")}`} title={t("transport.forward10")}>
        +10 s
      </button>
      <label class="speed">
        <span class="visually-hidden">{t("transport.speed")}</span>
        <select value={String(head.rate.value)} disabled={live} onChange={(event) => head.setRate(Number(event.currentTarget.value))}>
          {RATES.map((rate) => (
            <option key={rate} value={String(rate)}>
              {rate === 0.25 ? "¼" : rate === 0.5 ? "½" : rate}×
            </option>
          ))}
        </select>
      </label>
      {mayLive && (
        <button type="button" class={live ? "live-on" : ""} aria-pressed={live} onClick={goLive}>
          <Icon name="live" /> {t("transport.live")}
        </button>
      )}
    </div>
  );
}

/** The moment on the picture, live or recorded. */
export function Now({ head, live, goTo }: { head: Head; live: boolean; goTo: (utcMs: number) => void }) {
  useTick(1_000);
  return <Moment ms={live ? nowMs() : head.position.value} to="second" goTo={live ? null : goTo} />;
}

interface MomentProps {
  ms: number | null;
  to: "second" | "millisecond";
  /** Typing another one goes there; `null`: it cannot be chosen. */
  goTo: ((utcMs: number) => void) | null;
  children?: ComponentChildren;
}

export function Moment({ ms, to, goTo, children }: MomentProps) {
  if (ms === null) return <div class="now" />;
  return (
    <div class="now">
      <time class="now-time num" dateTime={new Date(ms).toISOString()} title={utcText(ms)} data-utc-ms={Math.round(ms)}>
        {clockText(ms, to)}
      </time>
      <span class="muted num">
        {dateText(ms)} · {zoneText(ms)}
      </span>
      {goTo !== null && (
        <label class="go-to">
          <span class="visually-hidden">{t("transport.go_to")}</span>
          <input
            type="datetime-local"
            step="1"
            title={t("transport.go_to")}
            value={toInput(ms)}
            onChange={(event) => {
              const typed = fromInput(event.currentTarget.value);
              if (typed !== null) goTo(typed);
            }}
          />
        </label>
      )}
      {children}
    </div>
  );
}

const LENGTHS = [
  { text: "1 s", ms: SECOND },
  { text: "10 s", ms: 10 * SECOND },
  { text: "1 min", ms: MINUTE },
  { text: "10 min", ms: 10 * MINUTE },
  { text: "1 h", ms: HOUR },
  { text: "24 h", ms: DAY },
  { text: "7 d", ms: 7 * DAY },
  { text: "30 d", ms: 30 * DAY },
] as const;

interface ViewButtonsProps {
  view: View;
  setView: (view: View) => void;
  /** What closer and wider keep in the middle; `null`: what is there. */
  moment: () => number | null;
  /** Lengths that have a button, in milliseconds. */
  lengths: readonly number[];
}

export function ViewButtons({ view, setView, moment, lengths }: ViewButtonsProps) {
  const length = span(view);
  const centre = () => moment() ?? view.start + length / 2;
  const button = (label: string, icon: "back" | "plus" | "minus" | "forward", next: () => View) => (
    <button type="button" aria-label={label} title={label} onClick={() => setView(next())}>
      <Icon name={icon} />
    </button>
  );
  return (
    <div class="row view-buttons">
      {button(t("view.earlier"), "back", () => pan(view, -length * 0.8))}
      <div class="segmented" role="group" aria-label={t("view.length")}>
        {LENGTHS.filter((each) => lengths.includes(each.ms)).map((each) => (
          <button type="button" key={each.ms} aria-pressed={Math.abs(length - each.ms) < each.ms * 0.02} onClick={() => setView(viewAround(centre(), each.ms))}>
            {each.text}
          </button>
        ))}
      </div>
      {button(t("view.closer"), "plus", () => zoom(view, 0.5, centre()))}
      {button(t("view.wider"), "minus", () => zoom(view, 2, centre()))}
      {button(t("view.later"), "forward", () => pan(view, length * 0.8))}
    </div>
  );
}
