/** One camera on the wall: its picture or why there is none, its name, and how it gets to another place. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Camera } from "../api";
import { t } from "../i18n";
import { useModal, useVisible } from "../lib/hooks";
import { has } from "../lib/roles";
import { link } from "../lib/router";
import { found } from "../lib/search";
import { session } from "../lib/session";
import { Icon } from "../ui/icon";
import { NothingFound, Search } from "../ui/search";
import { neighbour, type WallPage } from "./layout";
import { LiveVideo } from "./live-video";

interface Props {
  camera: Camera;
  /** Shows the main stream. */
  large: boolean;
  view: WallPage;
  arranging: boolean;
  /** Every camera that may stand here. */
  choices: Camera[];
  swap: (a: number, b: number) => void;
  /** Makes this the large tile, where there is one and it is another. */
  enlarge: (() => void) | null;
}

export function Tile({ camera, large, view, arranging, choices, swap, enlarge }: Props) {
  const tile = useRef<HTMLLIElement>(null);
  const visible = useVisible(tile);
  const useSub = !large && camera.sub !== null && camera.state.sub?.status !== "lost";
  const state = useSub ? (camera.state.sub ?? camera.state.main) : camera.state.main;
  return (
    <li ref={tile} class={large ? "tile tile-large" : "tile"} data-camera={camera.id} data-status={camera.state.main.status} data-stream={useSub ? "sub" : "main"}>
      <div class="tile-picture">
        <LiveVideo
          camera={camera.id}
          role={useSub ? "sub_video" : "main_video"}
          active={visible && camera.enabled}
          known={state}
          label={t("live.of", { name: camera.name })}
          brief={!large}
        />
        <a class="tile-open" href={link.live(camera.id)} aria-label={t("wall.open", { name: camera.name })} />
      </div>
      {arranging ? (
        <Place camera={camera} view={view} choices={choices} swap={swap} />
      ) : (
        <div class="tile-foot">
          <span class={`dot dot-${camera.state.main.status}`} role="img" aria-label={t(`status.${camera.state.main.status}`)} />
          <span class="tile-name" title={camera.name}>
            {camera.name}
          </span>
          {enlarge !== null && (
            <button type="button" class="quiet small" aria-label={t("wall.enlarge", { name: camera.name })} title={t("wall.enlarge", { name: camera.name })} onClick={enlarge}>
              <Icon name="full" />
            </button>
          )}
          {has(session.value, "investigator") && (
            <a href={link.timeline(camera.id)} class="tile-link" aria-label={t("wall.recorded", { name: camera.name })} title={t("wall.recorded", { name: camera.name })}>
              <Icon name="clock" /> <span class="tile-link-text">{t("nav.timeline")}</span>
            </a>
          )}
        </div>
      )}
    </li>
  );
}

/** Takes the tile elsewhere: by dragging, by arrows, or by choosing which camera stands here. */
function Place({ camera, view, choices, swap }: Pick<Props, "camera" | "view" | "choices" | "swap">) {
  const [choosing, setChoosing] = useState(false);
  const moved = useRef(false);
  const handle = useRef<HTMLButtonElement>(null);
  // A tile that is moved loses the focus: it gets it again. At once: an effect that is still to come from an earlier drawing would run before the move.
  useLayoutEffect(() => {
    if (carried !== camera.id) return;
    carried = null;
    handle.current?.focus();
  });
  const move = (to: number | null) => {
    if (to === null) return;
    carried = camera.id;
    swap(camera.id, to);
  };
  const end = (event: PointerEvent) => {
    const under = tileAt(event);
    mark(null);
    const to = Number(under?.dataset["camera"]);
    if (moved.current && under !== null && to !== camera.id) swap(camera.id, to);
  };
  return (
    <div class="tile-foot tile-place">
      <button
        ref={handle}
        type="button"
        class="small tile-handle"
        aria-label={t("wall.move", { name: camera.name, place: view.tiles.indexOf(camera.id) + 1 })}
        onKeyDown={(event) => {
          const to = neighbour(view.tiles, view.columns, camera.id, event.key);
          if (event.key.startsWith("Arrow")) event.preventDefault();
          move(to);
        }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          moved.current = false;
        }}
        onPointerMove={(event) => {
          if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
          moved.current = true;
          mark(tileAt(event));
        }}
        onPointerUp={end}
        onPointerCancel={() => mark(null)}
      >
        <Icon name="move" />
      </button>
      <span class="tile-name" title={camera.name}>
        {camera.name}
      </span>
      <button type="button" class="small" aria-label={`${t("change")}: ${t("wall.choose", { name: camera.name })}`} onClick={() => setChoosing(true)}>
        {t("change")}
      </button>
      {choosing && <CameraChoice camera={camera} choices={choices} chosen={(id) => swap(camera.id, id)} close={() => setChoosing(false)} />}
    </div>
  );
}

/** The camera whose tile is being carried by arrows. */
let carried: number | null = null;

/** The tile under a finger or the mouse. */
function tileAt(event: PointerEvent): HTMLElement | null {
  return document.elementFromPoint(event.clientX, event.clientY)?.closest<HTMLElement>(".tile") ?? null;
}

/** Shows where a tile would go. */
function mark(target: HTMLElement | null): void {
  for (const each of document.querySelectorAll(".tile-target")) each.classList.remove("tile-target");
  target?.classList.add("tile-target");
}

interface ChoiceProps {
  camera: Camera;
  choices: Camera[];
  chosen: (id: number) => void;
  close: () => void;
}

/** Every camera of the station, found by word. */
function CameraChoice({ camera, choices, chosen, close }: ChoiceProps) {
  const dialog = useModal();
  const [search, setSearch] = useState("");
  const shown = choices.filter((each) => found(search, each.name));
  return (
    <dialog
      ref={dialog}
      aria-label={t("wall.choose.title", { name: camera.name })}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <h2>{t("wall.choose.title", { name: camera.name })}</h2>
      <Search label={t("cameras.search")} value={search} change={setSearch} />
      {shown.length === 0 && <NothingFound title={t("cameras.no_match")} showAll={() => setSearch("")} />}
      <ul class="wall-choices">
        {shown.map((each) => (
          <li key={each.id}>
            <button
              type="button"
              class="quiet wide"
              aria-pressed={each.id === camera.id}
              onClick={() => {
                chosen(each.id);
                close();
              }}
            >
              {each.name}
            </button>
          </li>
        ))}
      </ul>
      <div class="row row-end">
        <button type="button" onClick={close}>
          {t("cancel")}
        </button>
      </div>
    </dialog>
  );
}
