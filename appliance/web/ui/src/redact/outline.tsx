/** An outline on the board: its surface, and a handle for each corner while it is chosen. Keyboard: arrows move the outline or a corner, Insert adds a corner behind one, Delete removes. */

import { t } from "../i18n";
import { pathOf } from "../polygon/shape";
import { cornerTo, outlineBy, type Region, split, STEP, unsplit } from "./regions";

export const ARROWS: Record<string, [number, number]> = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

interface Props {
  region: Region;
  index: number;
  chosen: boolean;
  counts: boolean;
  choose: () => void;
  put: (outline: Region["outline"]) => void;
  remove: () => void;
  /** Something is taken hold of: the whole, or a corner. */
  hold: (event: PointerEvent, corner: number | null) => void;
}

export function Outline({ region, index, chosen, counts, choose, put, remove, hold }: Props) {
  const { outline } = region;
  const take = (event: KeyboardEvent, done: boolean) => {
    if (!done) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const onWhole = (event: KeyboardEvent) => {
    const arrow = ARROWS[event.key];
    const gone = event.key === "Delete" || event.key === "Backspace";
    if (arrow !== undefined) put(outlineBy(outline, arrow[0], arrow[1]));
    if (gone) remove();
    take(event, gone || arrow !== undefined);
  };
  const onCorner = (event: KeyboardEvent, corner: number) => {
    const arrow = ARROWS[event.key];
    const from = outline[corner];
    const gone = event.key === "Delete" || event.key === "Backspace";
    if (arrow !== undefined && from !== undefined) put(cornerTo(outline, corner, { x: from.x + arrow[0], y: from.y + arrow[1] }));
    if (event.key === "Insert" || event.key === "+") put(split(outline, corner));
    if (gone) put(unsplit(outline, corner));
    take(event, gone || arrow !== undefined || event.key === "Insert" || event.key === "+");
  };
  return (
    <>
      <svg class={counts ? "redact-outline" : "redact-outline redact-off"} viewBox="0 0 1000 1000" preserveAspectRatio="none">
        <polygon
          points={pathOf(outline)}
          vector-effect="non-scaling-stroke"
          tabIndex={0}
          role="button"
          aria-pressed={chosen}
          aria-label={t("redact.region", { number: index + 1 })}
          aria-description={t("redact.outline.keys")}
          data-region={index}
          onFocus={choose}
          onKeyDown={onWhole}
          onPointerDown={(event) => hold(event, null)}
        />
      </svg>
      {chosen &&
        outline.map((each, corner) => (
          <button
            type="button"
            key={corner}
            class="handle"
            style={{ left: `${each.x * 100}%`, top: `${each.y * 100}%` }}
            aria-label={t("polygon.point", { shape: t("redact.region", { number: index + 1 }), point: corner + 1 })}
            aria-description={t("redact.corner.keys")}
            onKeyDown={(event) => onCorner(event, corner)}
            onPointerDown={(event) => hold(event, corner)}
          />
        ))}
    </>
  );
}
