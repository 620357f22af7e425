/** The timeline as a thing to touch: scrub, select, zoom and pan by mouse, finger, wheel and keyboard. */

import { useEffect, useRef, useState } from "preact/hooks";
import { t, word } from "../i18n";
import { useWidth } from "../lib/hooks";
import { useThumb } from "../scene/thumb";
import { ThumbPicture } from "../scene/thumb-picture";
import { clockText, dateText, dateTimeText, durationText, utcText, zoneText } from "../lib/time";
import { draw, EVENTS, FOOTAGE, HEIGHT, readPalette, RULER, type Scene } from "./draw";
import { keyAct } from "./keys";
import { impairedText } from "./impaired";
import { intervalAt, ordered, type Range, spanAt } from "./ranges";
import { clampToNow, pan, span, timeAt, type View, xOf, zoom } from "./scale";

interface Props {
  scene: Omit<Scene, "hover">;
  /** Whose pictures are shown under the pointer, in which case and of when; `null`: no case lets them be seen. */
  pictures: { camera: number; case: string; window: Range } | null;
  setView: (view: View) => void;
  /** The finger moves over the footage: show this moment. */
  seek: (utcMs: number) => void;
  select: (range: Range | null) => void;
  mark: (end: "in" | "out") => void;
  toggle: () => void;
}

type Drag = { kind: "seek" } | { kind: "select"; anchor: number } | { kind: "pinch"; distance: number } | null;

export function TimelineCanvas({ scene, pictures, setView, seek, select, mark, toggle }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const [hover, setHover] = useState<number | null>(null);
  const drag = useRef<Drag>(null);
  const touches = useRef(new Map<number, number>());
  const dark = useScheme();

  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context || width === 0) return;
    const ratio = devicePixelRatio;
    element.width = Math.round(width * ratio);
    element.height = Math.round(HEIGHT * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw(context, width, { ...scene, hover }, readPalette(element));
  }, [width, scene, hover, dark]);

  useWheel(box, scene, width, setView);

  const at = (event: PointerEvent) => timeAt(scene.view, width, event.clientX - (box.current?.getBoundingClientRect().left ?? 0));

  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    box.current?.focus();
    box.current?.setPointerCapture(event.pointerId);
    touches.current.set(event.pointerId, event.clientX);
    if (touches.current.size === 2) {
      drag.current = { kind: "pinch", distance: fingerDistance(touches.current) };
      return;
    }
    const top = event.clientY - (box.current?.getBoundingClientRect().top ?? 0);
    const moment = at(event);
    if (top < RULER.top + RULER.height) {
      drag.current = { kind: "select", anchor: nearHandle(scene, width, moment) ?? moment };
    } else {
      drag.current = { kind: "seek" };
      seek(Math.min(moment, scene.now));
    }
  };

  const move = (event: PointerEvent) => {
    const moment = at(event);
    if (event.pointerType === "mouse") setHover(moment);
    if (touches.current.has(event.pointerId)) touches.current.set(event.pointerId, event.clientX);
    const doing = drag.current;
    if (doing?.kind === "seek") seek(Math.min(moment, scene.now));
    if (doing?.kind === "select") select(ordered(doing.anchor, Math.min(moment, scene.now)));
    if (doing?.kind === "pinch") {
      const distance = fingerDistance(touches.current);
      setView(clampToNow(zoom(scene.view, doing.distance / Math.max(10, distance), moment), scene.now));
      drag.current = { kind: "pinch", distance };
    }
  };

  const up = (event: PointerEvent) => {
    touches.current.delete(event.pointerId);
    const doing = drag.current;
    drag.current = null;
    // A click on the ruler, without a drag, takes the selection away.
    if (doing?.kind === "select" && Math.abs(at(event) - doing.anchor) < span(scene.view) / 200) select(null);
  };

  const key = (event: KeyboardEvent) => {
    const act = keyAct(event, scene.view, scene.position ?? scene.now);
    if (act === null) return;
    event.preventDefault();
    if (act.kind === "seek") seek(Math.min(act.to, scene.now));
    if (act.kind === "view") setView(clampToNow(act.view, scene.now));
    if (act.kind === "mark") mark(act.end);
    if (act.kind === "toggle") toggle();
    if (act.kind === "clear") select(null);
  };

  const position = scene.position;
  return (
    <div class="timeline-box">
      <div
        ref={box}
        class="timeline"
        role="slider"
        tabIndex={0}
        aria-label={t("timeline.label")}
        aria-describedby="timeline-keys"
        aria-valuemin={Math.round(scene.view.start / 1000)}
        aria-valuemax={Math.round(scene.view.end / 1000)}
        aria-valuenow={Math.round((position ?? scene.now) / 1000)}
        aria-valuetext={position === null ? t("timeline.nothing") : describe(scene, position)}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={up}
        onPointerLeave={() => setHover(null)}
        onKeyDown={key}
      >
        <canvas ref={canvas} aria-hidden="true" />
        {hover !== null && drag.current?.kind !== "select" && <Tip scene={scene} pictures={pictures} hover={hover} width={width} />}
      </div>
      <p id="timeline-keys" class="visually-hidden">
        {t("timeline.keys")}
      </p>
    </div>
  );
}

/** Words for one moment: its time, and the gap or event there. */
function describe(scene: Omit<Scene, "hover">, ms: number): string {
  return [dateTimeText(ms), ...facts(scene, ms)].join(", ");
}

function facts({ spans, gaps, damaged, impaired, held, erased, first, events, view, now }: Omit<Scene, "hover">, ms: number): string[] {
  const out: string[] = [];
  const close = span(view) / 300;
  const near = <T extends { start_utc_ms: number; end_utc_ms: number }>(list: readonly T[]) =>
    intervalAt(list, ms) ?? list.find((each) => each.start_utc_ms - close < ms && ms < each.end_utc_ms + close);
  const gap = near(gaps);
  const erasure = intervalAt(erased, ms);
  const run = near(damaged);
  if (run !== undefined) out.push(word("damaged", run.kind));
  else if (gap !== undefined) out.push(`${word("reason", gap.reason)} (${durationText(Math.min(gap.end_utc_ms, now) - gap.start_utc_ms)})`);
  else if (ms > now) out.push(t("timeline.future"));
  else if (spanAt(spans, ms) === null) {
    if (erasure !== null) out.push(t("timeline.erased_at", { at: dateTimeText(erasure.erased_utc_ms) }));
    else out.push(t(first !== null && ms < first ? "timeline.before_first" : "timeline.no_footage"));
  }
  const wrong = near(impaired);
  if (wrong !== undefined) out.push(impairedText(wrong));
  for (const hold of held) {
    if (hold.start_utc_ms <= ms && ms < hold.end_utc_ms) out.push(t("timeline.held", { case: hold.case }));
  }
  for (const event of events) {
    if (event.start_utc_ms - close < ms && ms < (event.end_utc_ms ?? event.start_utc_ms) + close) out.push(word("event", event.kind));
    if (out.length >= 4) break;
  }
  return out;
}

/** One picture for each so many pixels: the pointer does not stand stiller than that. */
const PICTURE_EVERY_PX = 6;

function Tip({ scene, pictures, hover, width }: { scene: Omit<Scene, "hover">; pictures: Props["pictures"]; hover: number; width: number }) {
  const x = Math.min(width - 90, Math.max(90, xOf(scene.view, width, hover)));
  const grain = (span(scene.view) / Math.max(1, width)) * PICTURE_EVERY_PX;
  const at = Math.round(hover / grain) * grain;
  const isShown = pictures !== null && spanAt(scene.spans, at) !== null && at >= pictures.window.start && at < pictures.window.end;
  const { picture } = useThumb(isShown ? { camera: pictures.camera, case: pictures.case, at } : null);
  return (
    <div class={pictures === null ? "tip" : "tip tip-above"} style={{ left: `${x}px`, ...(pictures === null ? { top: `${FOOTAGE.top + FOOTAGE.height + EVENTS.top - 24}px` } : {}) }} title={utcText(hover)}>
      {picture !== null && pictures !== null && <ThumbPicture picture={picture} camera={pictures.camera} />}
      <strong>{clockText(hover)}</strong> {dateText(hover)} · {zoneText(hover)}
      {facts(scene, hover).map((fact) => (
        <div key={fact}>{fact}</div>
      ))}
    </div>
  );
}

function fingerDistance(touches: Map<number, number>): number {
  const [a = 0, b = 0] = [...touches.values()];
  return Math.abs(a - b);
}

/** When a drag starts at one end of the selection, the other end stays. */
function nearHandle(scene: Omit<Scene, "hover">, width: number, ms: number): number | null {
  const range = scene.selection;
  if (range === null) return null;
  const reach = (span(scene.view) / Math.max(1, width)) * 10;
  if (Math.abs(ms - range.start) < reach) return range.end;
  return Math.abs(ms - range.end) < reach ? range.start : null;
}

/** The wheel zooms about the pointer; sideways, or with shift, it pans. Not passive: the page must not scroll meanwhile. */
function useWheel(box: { current: HTMLDivElement | null }, scene: Omit<Scene, "hover">, width: number, setView: (view: View) => void): void {
  const latest = useRef({ scene, width, setView });
  latest.current = { scene, width, setView };
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const { scene, width, setView } = latest.current;
      const sideways = event.shiftKey ? event.deltaY : event.deltaX;
      const view =
        event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)
          ? pan(scene.view, (sideways / Math.max(1, width)) * span(scene.view))
          : zoom(scene.view, Math.exp(event.deltaY * 0.0015), timeAt(scene.view, width, event.clientX - element.getBoundingClientRect().left));
      setView(clampToNow(view, scene.now));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [box]);
}

/** Redraws when the system changes between light and dark. */
function useScheme(): boolean {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const change = () => setDark(media.matches);
    media.addEventListener("change", change);
    return () => media.removeEventListener("change", change);
  }, []);
  return dark;
}
