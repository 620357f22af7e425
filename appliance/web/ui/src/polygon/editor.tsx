/** Draws outlines on a camera's picture. Mouse and finger: click points, click the first one again to close. Keyboard: add a box, move its points. */

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import type { Camera, Point } from "../api";
import { t } from "../i18n";
import { has } from "../lib/roles";
import { session } from "../lib/session";
import { LiveVideo } from "../live/live-video";
import { Icon } from "../ui/icon";
import { closeTo, middle, moved, pathOf, point, POINTS_MAX, SHAPES_MAX, usable } from "./shape";

interface Props {
  camera: Camera;
  shapes: readonly Point[][];
  change: (shapes: Point[][]) => void;
  /** `mask` hides, `zone` marks: only the colour differs. */
  kind: "mask" | "zone";
  /** What stands beside each shape in the list, such as a field for its name. */
  beside?: (index: number) => ComponentChildren;
  nameOf: (index: number) => string;
}

/** Fraction of the picture that counts as hitting a point. */
const REACH = 0.025;
const KEY_STEP = 0.01;

export function PolygonEditor({ camera, shapes, change, kind, beside, nameOf }: Props) {
  const board = useRef<SVGSVGElement>(null);
  const [draft, setDraft] = useState<Point[] | null>(null);
  const held = useRef<{ shape: number; point: number } | null>(null);

  const at = (event: PointerEvent): Point => {
    const frame = board.current?.getBoundingClientRect();
    if (frame === undefined) return point(0, 0);
    return point((event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height);
  };
  const close = () => {
    if (draft !== null && usable(draft)) change([...shapes.map((each) => [...each]), draft]);
    setDraft(null);
  };
  const down = (event: PointerEvent) => {
    if (draft === null) return;
    const here = at(event);
    const [first] = draft;
    if (first !== undefined && draft.length >= 3 && closeTo(first, here, REACH)) close();
    else if (draft.length < POINTS_MAX) setDraft([...draft, here]);
  };
  const put = (shape: number, index: number, to: Point) => change(shapes.map((each, place) => (place === shape ? moved(each, index, to) : [...each])));
  const move = (event: PointerEvent) => {
    if (held.current !== null) put(held.current.shape, held.current.point, at(event));
  };
  const nudge = (event: KeyboardEvent, shape: number, index: number) => {
    const steps: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    const from = shapes[shape]?.[index];
    if (step === undefined || from === undefined) return;
    event.preventDefault();
    put(shape, index, { x: from.x + step[0] * KEY_STEP, y: from.y + step[1] * KEY_STEP });
  };

  return (
    <div class={`polygon polygon-${kind}`}>
      <div class={draft === null ? "stage" : "stage drawing"}>
        {has(session.value, "viewer") ? (
          <LiveVideo
            camera={camera.id}
            role={camera.sub === null ? "main_video" : "sub_video"}
            active={camera.enabled}
            known={camera.state.main}
            label={t("live.of", { name: camera.name })}
          />
        ) : (
          <div class="picture">
            <div class="cover">
              <p>{t("polygon.no_picture")}</p>
            </div>
          </div>
        )}
        <svg
          ref={board}
          class="board"
          viewBox="0 0 1000 1000"
          preserveAspectRatio="none"
          role="group"
          aria-label={t("polygon.board")}
          onPointerDown={down}
          onPointerMove={move}
          onPointerUp={() => (held.current = null)}
          onPointerLeave={() => (held.current = null)}
        >
          {shapes.map((outline, index) => (
            <polygon key={index} points={pathOf(outline)} vector-effect="non-scaling-stroke" />
          ))}
          {draft !== null && <polyline points={pathOf(draft)} vector-effect="non-scaling-stroke" />}
        </svg>
        {draft === null &&
          shapes.map((outline, shape) =>
            outline.map((each, index) => (
              <button
                type="button"
                key={`${shape}-${index}`}
                class="handle"
                style={{ left: `${each.x * 100}%`, top: `${each.y * 100}%` }}
                aria-label={t("polygon.point", { shape: nameOf(shape), point: index + 1 })}
                onKeyDown={(event) => nudge(event, shape, index)}
                onPointerDown={() => (held.current = { shape, point: index })}
                onPointerMove={move}
                onPointerUp={() => (held.current = null)}
              />
            )),
          )}
        {draft?.map((each, index) => (
          <span key={index} class="handle" style={{ left: `${each.x * 100}%`, top: `${each.y * 100}%` }} />
        ))}
      </div>
      <div class="row">
        {draft === null ? (
          <>
            <button type="button" disabled={shapes.length >= SHAPES_MAX} onClick={() => setDraft([])}>
              <Icon name="edit" /> {t("polygon.draw")}
            </button>
            <button type="button" disabled={shapes.length >= SHAPES_MAX} onClick={() => change([...shapes.map((each) => [...each]), middle()])}>
              <Icon name="plus" /> {t("polygon.box")}
            </button>
          </>
        ) : (
          <>
            <button type="button" class="primary" disabled={!usable(draft)} onClick={close}>
              {t("polygon.close")}
            </button>
            <button type="button" onClick={() => setDraft(null)}>
              {t("cancel")}
            </button>
            <span class="hint" role="status">
              {t("polygon.how", { count: draft.length })}
            </span>
          </>
        )}
      </div>
      <ul class="shape-list">
        {shapes.map((_, index) => (
          <li key={index}>
            {beside?.(index) ?? <span>{nameOf(index)}</span>}
            <button type="button" class="small" onClick={() => change(shapes.filter((__, place) => place !== index).map((each) => [...each]))}>
              {t("polygon.remove", { name: nameOf(index) })}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
