/**
 * Draws regions on the picture of the timeline. Mouse and finger: draw, move, pull at the corner; of an outline each corner is a click. Keyboard: arrows move, with Shift they resize, Delete
 * removes.
 */

import { useEffect, useRef } from "preact/hooks";
import type { Point } from "../api";
import { t } from "../i18n";
import { closeTo, pathOf, point, POINTS_MAX, usable } from "../polygon/shape";
import type { Head } from "../timeline/head";
import { ARROWS, Outline } from "./outline";
import { type Box, box, boxAt, cornerTo, counts, isOutline, movedBy, outlineBy, type Region, resizedBy } from "./regions";

interface Props {
  head: Head;
  /** The moment on the screen. */
  at: number;
  regions: readonly Region[];
  chosen: number | null;
  choose: (index: number | null) => void;
  add: (of: Box) => void;
  put: (index: number, to: Box) => void;
  putOutline: (index: number, to: Point[]) => void;
  /** Corners of the outline that is being drawn; `null`: none is. */
  draft: readonly Point[] | null;
  setDraft: (draft: Point[] | null) => void;
  /** The draft is all of it. */
  close: () => void;
  remove: (index: number) => void;
  everythingBut: boolean;
}

/** Fraction of the picture that counts as hitting the first corner. */
const REACH = 0.025;
/** Shorter strokes are a click. */
const STROKE_MIN = 0.01;

interface Held {
  how: "draw" | "move" | "resize";
  index: number;
  x: number;
  y: number;
  from: Box;
  /** Of an outline: how it was, and which of its corners is held. */
  outline?: readonly Point[];
  corner?: number | null;
}

export function Board({ head, at, regions, chosen, choose, add, put, putOutline, draft: corners, setDraft, close, remove, everythingBut }: Props) {
  const board = useRef<HTMLDivElement>(null);
  const picture = useRef<HTMLCanvasElement>(null);
  const held = useRef<Held | null>(null);
  const draft = useRef<HTMLDivElement>(null);

  useEffect(() => {
    let frame = 0;
    const paint = () => {
      frame = requestAnimationFrame(paint);
      const source = head.canvas.current?.hidden === false ? head.canvas.current : head.video.current;
      if (source !== null && picture.current !== null) drawn(picture.current, source);
    };
    paint();
    return () => cancelAnimationFrame(frame);
  }, []);

  const place = (event: PointerEvent) => {
    const frame = board.current?.getBoundingClientRect();
    return frame === undefined ? { x: 0, y: 0 } : { x: (event.clientX - frame.left) / frame.width, y: (event.clientY - frame.top) / frame.height };
  };
  const down = (event: PointerEvent, how: Held["how"], index: number, from: Box, more: Pick<Held, "outline" | "corner"> = {}) => {
    if (event.button !== 0) return;
    event.stopPropagation();
    if (corners !== null) {
      corner(event, corners);
      return;
    }
    board.current?.setPointerCapture(event.pointerId);
    held.current = { how, index, from, ...more, ...place(event) };
    if (index >= 0) choose(index);
  };
  const corner = (event: PointerEvent, drawn: readonly Point[]) => {
    const { x, y } = place(event);
    const [first] = drawn;
    if (first !== undefined && usable(drawn) && closeTo(first, point(x, y), REACH)) close();
    else if (drawn.length < POINTS_MAX) setDraft([...drawn, point(x, y)]);
  };
  const move = (event: PointerEvent) => {
    const own = held.current;
    if (own === null) return;
    const { x, y } = place(event);
    if (own.how === "draw") style(draft.current, box(own.x, own.y, x, y));
    else if (own.outline !== undefined) putOutline(own.index, pulled(own, own.outline, { x, y }));
    else put(own.index, (own.how === "move" ? movedBy : resizedBy)(own.from, x - own.x, y - own.y));
  };
  const up = (event: PointerEvent) => {
    const own = held.current;
    held.current = null;
    style(draft.current, null);
    if (own?.how !== "draw") return;
    const { x, y } = place(event);
    if (Math.hypot(x - own.x, y - own.y) >= STROKE_MIN) add(box(own.x, own.y, x, y));
    else choose(null);
  };
  const key = (event: KeyboardEvent, index: number, here: Box) => {
    const arrow = ARROWS[event.key];
    if (arrow !== undefined) put(index, (event.shiftKey ? resizedBy : movedBy)(here, arrow[0], arrow[1]));
    else if (event.key === "Delete" || event.key === "Backspace") remove(index);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const cancel = () => {
    held.current = null;
    style(draft.current, null);
  };
  const none = box(0, 0, 1, 1);
  return (
    <div class="polygon polygon-mask">
      <div class="stage">
        <canvas ref={picture} class="redact-picture" width={16} height={9} role="img" aria-label={t("redact.picture")} />
        <div
          ref={board}
          class={everythingBut ? "board redact-board redact-but" : "board redact-board"}
          role="group"
          aria-label={t("redact.board")}
          onPointerDown={(event) => down(event, "draw", -1, none)}
          onPointerMove={move}
          onPointerUp={up}
          onPointerCancel={cancel}
        >
          {regions.map((region, index) => {
            const here = boxAt(region, at);
            return isOutline(region) ? (
              <Outline
                key={index}
                region={region}
                index={index}
                chosen={index === chosen}
                counts={counts(region, at)}
                choose={() => choose(index)}
                put={(to) => putOutline(index, to)}
                remove={() => remove(index)}
                hold={(event, held) => down(event, "move", index, here, { outline: region.outline, corner: held })}
              />
            ) : (
              <div
                key={index}
                class={counts(region, at) ? "redact-box" : "redact-box redact-off"}
                tabIndex={0}
                role="button"
                aria-pressed={index === chosen}
                aria-label={t("redact.region", { number: index + 1 })}
                aria-description={t("redact.keys")}
                data-region={index}
                style={percent(here)}
                onFocus={() => choose(index)}
                onKeyDown={(event) => key(event, index, here)}
                onPointerDown={(event) => down(event, "move", index, here)}
              >
                <span>{index + 1}</span>
                <span class="redact-corner" aria-hidden="true" onPointerDown={(event) => down(event, "resize", index, here)} />
              </div>
            );
          })}
          <div ref={draft} class="redact-box" hidden />
          {corners !== null && (
            <svg class="redact-outline redact-draft" viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">
              <polyline points={pathOf(corners)} vector-effect="non-scaling-stroke" />
            </svg>
          )}
          {corners?.map((each, index) => (
            <span key={index} class="handle" style={{ left: `${each.x * 100}%`, top: `${each.y * 100}%` }} />
          ))}
        </div>
      </div>
    </div>
  );
}

/** The outline after what holds it was moved. */
function pulled({ x, y, corner }: Held, from: readonly Point[], to: Point): Point[] {
  if (corner === null || corner === undefined) return outlineBy(from, to.x - x, to.y - y);
  const was = from[corner];
  return was === undefined ? [...from] : cornerTo(from, corner, { x: was.x + to.x - x, y: was.y + to.y - y });
}

function percent({ left, top, right, bottom }: Box) {
  return { left: `${left * 100}%`, top: `${top * 100}%`, width: `${(right - left) * 100}%`, height: `${(bottom - top) * 100}%` };
}

function style(element: HTMLElement | null, to: Box | null): void {
  if (element === null) return;
  element.hidden = to === null;
  if (to !== null) Object.assign(element.style, percent(to));
}

/** Copies what the timeline shows. */
function drawn(to: HTMLCanvasElement, from: HTMLVideoElement | HTMLCanvasElement): void {
  const [width, height] = from instanceof HTMLVideoElement ? [from.videoWidth, from.videoHeight] : [from.width, from.height];
  if (width === 0 || height === 0) return;
  if (to.width !== width || to.height !== height) [to.width, to.height] = [width, height];
  to.getContext("2d")?.drawImage(from, 0, 0);
}
