/** The camera wall: cameras live, as many at once and in such places as this browser remembers. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Camera } from "../api";
import { t } from "../i18n";
import { useRemembered, useTitle } from "../lib/hooks";
import { has } from "../lib/roles";
import { link } from "../lib/router";
import { found } from "../lib/search";
import { cameras, camerasProblem, loadCameras, session } from "../lib/session";
import { arranged, LAYOUTS, type Layout, pageOf, readOrder, swapped, type WallPage } from "../live/layout";
import { Tile } from "../live/tile";
import { Icon } from "../ui/icon";
import { Empty, Loading, Problem } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";

const ORDER = "watchbook.wall-order";

export function Wall() {
  useTitle(t("nav.wall"));
  const [layout, setLayout] = useRemembered("wall-layout", LAYOUTS, "fit");
  const [placed, setPlaced] = useState(() => readOrder(localStorage.getItem(ORDER)));
  const [page, setPage] = useState(0);
  const [arranging, setArranging] = useState(false);
  const [search, setSearch] = useState("");
  const wall = useRef<HTMLDivElement>(null);
  const full = useFullScreen(wall);
  const list = cameras.value;
  const order = arranged(placed, (list ?? []).map((camera) => camera.id));
  const byId = new Map((list ?? []).map((camera) => [camera.id, camera]));
  const matching = order.filter((id) => found(search, byId.get(id)?.name));
  const view = pageOf(layout, matching, page);
  const swap = (a: number, b: number) => {
    const next = swapped(order, a, b);
    localStorage.setItem(ORDER, JSON.stringify(next));
    setPlaced(next);
  };
  const choose = (next: Layout) => {
    setLayout(next);
    setPage(0);
  };
  return (
    <>
      <div class="page-head">
        <h1>{t("wall.title")}</h1>
        {list !== null && <p class="muted">{summary(list)}</p>}
        {list !== null && list.length > 0 && (
          <>
            <Search
              label={t("cameras.search")}
              value={search}
              change={(typed) => {
                setSearch(typed);
                setPage(0);
              }}
            />
            <LayoutChoice layout={layout} choose={choose} />
            <div class="row">
              <button type="button" aria-pressed={arranging} onClick={() => setArranging(!arranging)}>
                <Icon name="edit" /> {arranging ? t("wall.arrange.done") : t("wall.arrange")}
              </button>
              {full.possible && (
                <button type="button" onClick={full.enter}>
                  <Icon name="full" /> {t("wall.full")}
                </button>
              )}
            </div>
          </>
        )}
      </div>
      <Problem problem={camerasProblem.value} retry={() => void loadCameras()} />
      {list === null && camerasProblem.value === null && <Loading />}
      {list?.length === 0 && <NoCameras />}
      {list !== null && list.length > 0 && matching.length === 0 && <NothingFound title={t("cameras.no_match")} showAll={() => setSearch("")} />}
      {arranging && <p class="hint wall-hint">{t("wall.arrange.how")}</p>}
      {matching.length > 0 && (
        <div ref={wall} class="wall-frame" data-full={full.on}>
          <ul class={`wall wall-${layout}`} style={`--columns: ${view.columns}; --rows: ${view.rows}`} data-page={view.page} aria-label={t("wall.cameras")}>
            {view.tiles.map((id, at) => (
              <Tile
                // Another role is another stream: the tile begins anew.
                key={`${id}-${view.large && at === 0}`}
                camera={byId.get(id) as Camera}
                large={view.large && at === 0}
                view={view}
                arranging={arranging}
                choices={order.map((each) => byId.get(each) as Camera)}
                swap={swap}
                enlarge={layout === "focus" && at > 0 ? () => swap(id, view.tiles[0] as number) : null}
              />
            ))}
          </ul>
          <Pages view={view} turn={setPage} leave={full.on ? full.leave : null} />
        </div>
      )}
    </>
  );
}

function LayoutChoice({ layout, choose }: { layout: Layout; choose: (layout: Layout) => void }) {
  return (
    <div class="segmented" role="group" aria-label={t("wall.layout")}>
      {LAYOUTS.map((each) => (
        <button type="button" key={each} aria-pressed={layout === each} aria-label={`${t(`wall.layout.${each}`)}: ${t(`wall.layout.${each}.what`)}`} title={t(`wall.layout.${each}.what`)} onClick={() => choose(each)}>
          {t(`wall.layout.${each}`)}
        </button>
      ))}
    </div>
  );
}

/** Turning over, and the way out of full screen, which a touch screen has no key for. */
function Pages({ view, turn, leave }: { view: WallPage; turn: (page: number) => void; leave: (() => void) | null }) {
  if (view.pages === 1 && leave === null) return null;
  return (
    <div class="wall-pages" role="group" aria-label={t("wall.pages")}>
      {view.pages > 1 && (
        <>
          <button type="button" disabled={view.page === 0} aria-label={t("wall.page.previous")} onClick={() => turn(view.page - 1)}>
            <Icon name="back" />
          </button>
          <span role="status">{t("wall.page", { page: view.page + 1, count: view.pages })}</span>
          <button type="button" disabled={view.page === view.pages - 1} aria-label={t("wall.page.next")} onClick={() => turn(view.page + 1)}>
            <Icon name="forward" />
          </button>
        </>
      )}
      {leave !== null && (
        <button type="button" onClick={leave}>
          <Icon name="close" /> {t("wall.full.leave")}
        </button>
      )}
    </div>
  );
}

/** The element alone on the screen. Not possible on some phones. */
function useFullScreen(element: { current: HTMLElement | null }) {
  const [on, setOn] = useState(false);
  useEffect(() => {
    const follow = () => setOn(document.fullscreenElement !== null && document.fullscreenElement === element.current);
    document.addEventListener("fullscreenchange", follow);
    return () => document.removeEventListener("fullscreenchange", follow);
  }, [element]);
  // A browser that refuses leaves everything as it is.
  const enter = useCallback(() => void element.current?.requestFullscreen().catch(() => undefined), [element]);
  const leave = useCallback(() => void document.exitFullscreen().catch(() => undefined), []);
  return { on, possible: document.fullscreenEnabled === true, enter, leave };
}

function summary(list: Camera[]): string {
  const live = list.filter((camera) => camera.state.main.status === "live").length;
  const off = list.filter((camera) => camera.state.main.status === "disabled").length;
  return t("wall.summary", { live, count: list.length - off });
}

export function NoCameras() {
  const admin = has(session.value, "admin");
  return (
    <Empty title={t("cameras.empty")}>
      {admin ? (
        <div class="row">
          <a class="button primary" href={link.firstRun}>
            <Icon name="forward" /> {t("first.open")}
          </a>
          <a class="button" href={link.cameraNew}>
            <Icon name="plus" /> {t("cameras.add_first")}
          </a>
        </div>
      ) : (
        <p>{t("cameras.empty.ask_admin")}</p>
      )}
    </Empty>
  );
}
