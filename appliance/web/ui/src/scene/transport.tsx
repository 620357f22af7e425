/** Play, backwards, single pictures and speed for all cameras of a scene, and the moment they show. */

import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { Moment } from "../timeline/transport";
import { Icon } from "../ui/icon";
import { KEY_ROWS, RATES, rateText, reachedText } from "./keys";
import type { SceneHead } from "./use-scene";

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
export function SceneNow({ head, count, goTo }: { head: SceneHead; count: number; goTo: (utcMs: number) => void }) {
  return (
    <Moment ms={head.moment.value} to="millisecond" goTo={goTo}>
      <span class="hint num scene-step">
        <Step head={head} />
      </span>
      <span role="status">
        <Slower head={head} count={count} />
      </span>
    </Moment>
  );
}

function Step({ head: { waiting, spread } }: { head: SceneHead }) {
  if (waiting.value) return <>{t("scene.waiting")}</>;
  return <>{spread.value === null ? "" : t("scene.in_step", { ms: Math.round(spread.value) })}</>;
}

/** What is played slower than was asked says so. */
function Slower({ head: { slower }, count }: { head: SceneHead; count: number }) {
  if (slower.value === null) return null;
  return (
    <span class="scene-slower num" data-slower={slower.value.toFixed(2)}>
      {t(count === 1 ? "scene.slower.one" : "scene.slower", { rate: reachedText(slower.value), count })}
    </span>
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
