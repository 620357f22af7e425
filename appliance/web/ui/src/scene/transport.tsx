/** Play, backwards, single pictures and speed for all cameras of a scene, and the moment they show. */

import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { clockText, dateText, fromInput, toInput, utcText, zoneText } from "../lib/time";
import { DAY, HOUR, MINUTE, pan, SECOND, span, type View, viewAround, zoom } from "../timeline/scale";
import { Icon } from "../ui/icon";
import { KEY_ROWS, RATES, rateText } from "./keys";

interface TransportProps {
  playing: Signal<boolean>;
  /** Below 0: backwards. */
  rate: Signal<number>;
  disabled: boolean;
  toggle: () => void;
  reverse: () => void;
  picture: (direction: 1 | -1) => void;
  setRate: (rate: number) => void;
}

export function SceneTransport({ playing, rate, disabled, toggle, reverse, picture, setRate }: TransportProps) {
  const backwards = playing.value && rate.value < 0;
  const forwards = playing.value && rate.value > 0;
  const button = (label: string, act: () => void, content: ComponentChildren, more: { pressed?: boolean; primary?: boolean } = {}) => (
    <button type="button" class={more.primary === true ? "primary play" : ""} aria-label={label} title={label} aria-pressed={more.pressed} disabled={disabled} onClick={act}>
      {content}
    </button>
  );
  return (
    <div class="row transport">
      {button(t("scene.reverse"), reverse, <Icon name={backwards ? "pause" : "reverse"} />, { pressed: backwards })}
      {button(`−1 ${t("scene.picture.back")}`, () => picture(-1), "−1")}
      {button(forwards ? t("transport.pause") : t("transport.play"), toggle, <Icon name={forwards ? "pause" : "play"} />, { primary: true })}
      {button(`+1 ${t("scene.picture.on")}`, () => picture(1), "+1")}
      <label class="speed">
        <span class="visually-hidden">{t("transport.speed")}</span>
        <select value={String(Math.abs(rate.value))} disabled={disabled} onChange={(event) => setRate(Number(event.currentTarget.value))}>
          {RATES.map((each) => (
            <option key={each} value={String(each)}>
              {rateText(each)}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

/** The moment of all pictures; typing another one goes there. */
export function SceneNow({ moment, waiting, spread, goTo }: { moment: Signal<number | null>; waiting: Signal<boolean>; spread: Signal<number | null>; goTo: (utcMs: number) => void }) {
  const ms = moment.value;
  if (ms === null) return <div class="now" />;
  return (
    <div class="now">
      <time class="now-time num" dateTime={new Date(ms).toISOString()} title={utcText(ms)} data-utc-ms={Math.round(ms)}>
        {clockText(ms, "millisecond")}
      </time>
      <span class="muted num">
        {dateText(ms)} · {zoneText(ms)}
      </span>
      <label class="go-to">
        <span class="visually-hidden">{t("transport.go_to")}</span>
        <input
          type="datetime-local"
          step="1"
          title={t("transport.go_to")}
          value={toInput(ms)}
          onChange={(event) => {
            const to = fromInput(event.currentTarget.value);
            if (to !== null) goTo(to);
          }}
        />
      </label>
      <span class="hint num scene-step">
        {waiting.value ? t("scene.waiting") : spread.value !== null ? t("scene.in_step", { ms: Math.round(spread.value) }) : ""}
      </span>
    </div>
  );
}

const LENGTHS = [
  { text: "1 s", ms: SECOND },
  { text: "10 s", ms: 10 * SECOND },
  { text: "1 min", ms: MINUTE },
  { text: "1 h", ms: HOUR },
  { text: "24 h", ms: DAY },
  { text: "7 d", ms: 7 * DAY },
  { text: "30 d", ms: 30 * DAY },
] as const;

export function SceneView({ view, setView, moment }: { view: View; setView: (view: View) => void; moment: () => number | null }) {
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
        {LENGTHS.map((each) => (
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

/** Every key and what it does. */
export function KeyHelp({ open, flip }: { open: boolean; flip: () => void }) {
  const section = useRef<HTMLElement>(null);
  // A key opened it: it may lie below the screen.
  useEffect(() => {
    if (open) section.current?.scrollIntoView({ block: "nearest" });
  }, [open]);
  return (
    <section ref={section} class="panel key-help">
      <button type="button" class="quiet" aria-expanded={open} aria-controls="scene-keys" onClick={flip}>
        <Icon name="info" /> {t("scene.keys")} <kbd>?</kbd>
      </button>
      <div id="scene-keys" hidden={!open}>
        <p class="hint">{t("scene.keys.where")}</p>
        <dl>
          {KEY_ROWS.map((row) => (
            <div key={row.what}>
              <dt>
                {row.keys.map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </dt>
              <dd>{t(row.what)}</dd>
            </div>
          ))}
        </dl>
      </div>
    </section>
  );
}
