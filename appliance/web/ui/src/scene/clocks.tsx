/** The cameras' clocks: how far each is from the recorder's, and a correction for pictures that come late. */

import { useEffect, useState } from "preact/hooks";
import { api, type Camera, type ClockReading } from "../api";
import { t } from "../i18n";
import { durationText } from "../lib/time";

/** Readings of one camera that are asked for: one an hour for a month. */
const READINGS_MAX = 500;
/** A correction is at most so large: more is not the way of a picture but a clock. */
export const CORRECTION_MAX_MS = 5_000;
const STORED = "watchbook.scene.correction.";

/** With its sign, as in `+120 ms`. */
export function offsetText(ms: number): string {
  return `${ms < 0 ? "−" : "+"}${durationText(Math.abs(ms))}`;
}

/** The reading that holds at `ms`: the last before it, or the first of all. Newest first, as the recorder lists them. */
export function readingAt(readings: readonly ClockReading[], ms: number): ClockReading | null {
  return readings.find((each) => each.at_utc_ms <= ms) ?? readings.at(-1) ?? null;
}

/** How far the clocks of `cameras` were from the recorder's around `moment`. */
export function useOffsets(cameras: readonly Camera[], moment: number | null): ReadonlyMap<number, number> {
  const [readings, setReadings] = useState<ReadonlyMap<number, readonly ClockReading[]>>(new Map());
  const key = cameras.map((camera) => camera.id).join(",");
  useEffect(() => {
    let current = true;
    for (const { id } of cameras) {
      if (readings.has(id)) continue;
      api.cameraClock(id, READINGS_MAX).then(
        (list) => current && setReadings((old) => new Map(old).set(id, list)),
        // Without them the present one is shown.
        () => undefined,
      );
    }
    return () => void (current = false);
  }, [key]);
  const out = new Map<number, number>();
  for (const { id, state } of cameras) {
    const then = moment === null ? null : readingAt(readings.get(id) ?? [], moment);
    const offset = then?.offset_ms ?? state.main.media_utc_offset_ms;
    if (offset !== null && offset !== undefined) out.set(id, offset);
  }
  return out;
}

/** Corrections that this browser remembers. */
export function useCorrections(): [(camera: number) => number, (camera: number, ms: number) => void] {
  const [held, setHeld] = useState<ReadonlyMap<number, number>>(new Map());
  const of = (camera: number) => held.get(camera) ?? bounded(Number(localStorage.getItem(`${STORED}${camera}`) ?? 0));
  const change = (camera: number, ms: number) => {
    localStorage.setItem(`${STORED}${camera}`, String(bounded(ms)));
    setHeld((old) => new Map(old).set(camera, bounded(ms)));
  };
  return [of, change];
}

export function bounded(ms: number): number {
  return Number.isFinite(ms) ? Math.round(Math.min(CORRECTION_MAX_MS, Math.max(-CORRECTION_MAX_MS, ms))) : 0;
}

interface Props {
  cameras: readonly Camera[];
  offsets: ReadonlyMap<number, number>;
  correction: (camera: number) => number;
  correct: (camera: number, ms: number) => void;
}

export function Clocks({ cameras, offsets, correction, correct }: Props) {
  return (
    <details class="panel scene-clocks">
      <summary>{t("scene.clocks")}</summary>
      <p class="hint">{t("scene.clocks.what")}</p>
      <ul>
        {cameras.map((camera) => (
          <li key={camera.id} class="row">
            <span class="scene-clock-name">{camera.name}</span>
            <span class="num">{offsets.has(camera.id) ? t("scene.clock.is", { offset: offsetText(offsets.get(camera.id) ?? 0) }) : t("scene.clock.none")}</span>
            <label>
              {t("scene.clock.correction")}{" "}
              <input
                type="number"
                step="10"
                min={-CORRECTION_MAX_MS}
                max={CORRECTION_MAX_MS}
                value={correction(camera.id)}
                aria-label={t("scene.clock.correction_of", { name: camera.name })}
                onChange={(event) => correct(camera.id, Number(event.currentTarget.value))}
              />{" "}
              ms
            </label>
          </li>
        ))}
      </ul>
    </details>
  );
}
