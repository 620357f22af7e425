/** Draws regions on the picture of the timeline. Mouse and finger: draw, move, pull at the corner. Keyboard: arrows move, with Shift they resize, Delete removes. */

import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import type { Head } from "../timeline/head";
import { type Box, box, boxAt, counts, movedBy, type Region, resizedBy, STEP } from "./regions";

interface Props {
  head: Head;
  /** The moment on the screen. */
  at: number;
  regions: readonly Region[];
  chosen: number | null;
  choose: (index: number | null) => void;
  add: (of: Box) => void;
  put: (index: number, to: Box) => void;
  remove: (index: number) => void;
  everythingBut: boolean;
}

const ARROWS: Record<string, [number, number]> = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
/** Shorter strokes are a click. */
const STROKE_MIN = 0.01;

interface Held {
  how: "draw" | "move" | "resize";
  index: number;
  x: number;
  y: number;
  from: Box;
}

export function Board({ head, at, regions, chosen, choose, add, put, remove, everythingBut }: Props) {
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
  const down = (event: PointerEvent, how: Held["how"], index: number, from: Box) => {
    if (event.button !== 0) return;
    event.stopPropagation();
    board.current?.setPointerCapture(event.pointerId);
    held.current = { how, index, from, ...place(event) };
    if (index >= 0) choose(index);
  };
  const move = (event: PointerEvent) => {
    const own = held.current;
    if (own === null) return;
    const { x, y } = place(event);
    if (own.how === "draw") style(draft.current, box(own.x, own.y, x, y));
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
          onPointerCancel={() => (held.current = null)}
        >
          {regions.map((region, index) => {
            const here = boxAt(region, at);
            return (
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
        </div>
      </div>
    </div>
  );
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
