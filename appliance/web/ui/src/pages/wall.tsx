/** Every camera, live. */

import { useRef, useState } from "preact/hooks";
import type { Camera } from "../api";
import { t } from "../i18n";
import { useRemembered, useTitle, useVisible } from "../lib/hooks";
import { has } from "../lib/roles";
import { link } from "../lib/router";
import { found } from "../lib/search";
import { cameras, camerasProblem, loadCameras, session } from "../lib/session";
import { LiveVideo } from "../live/live-video";
import { Icon } from "../ui/icon";
import { Empty, Loading, Problem } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";

const SIZES = ["small", "medium", "large"] as const;

export function Wall() {
  useTitle(t("nav.wall"));
  const [size, setSize] = useRemembered("wall-size", SIZES, "medium");
  const [search, setSearch] = useState("");
  const list = cameras.value;
  const shown = (list ?? []).filter((camera) => found(search, camera.name));
  return (
    <>
      <div class="page-head">
        <h1>{t("wall.title")}</h1>
        {list !== null && <p class="muted">{summary(list)}</p>}
        {list !== null && list.length > 0 && <Search label={t("cameras.search")} value={search} change={setSearch} />}
        <div class="segmented" role="group" aria-label={t("wall.size")}>
          {SIZES.map((each) => (
            <button type="button" key={each} aria-pressed={size === each} onClick={() => setSize(each)}>
              {t(`wall.size.${each}`)}
            </button>
          ))}
        </div>
      </div>
      <Problem problem={camerasProblem.value} retry={() => void loadCameras()} />
      {list === null && camerasProblem.value === null && <Loading />}
      {list?.length === 0 && <NoCameras />}
      {list !== null && list.length > 0 && shown.length === 0 && <NothingFound title={t("cameras.no_match")} showAll={() => setSearch("")} />}
      <ul class={`wall wall-${size}`}>
        {shown.map((camera) => <Tile key={camera.id} camera={camera} />)}
      </ul>
    </>
  );
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
        <a class="button primary" href={link.cameraNew}>
          <Icon name="plus" /> {t("cameras.add_first")}
        </a>
      ) : (
        <p>{t("cameras.empty.ask_admin")}</p>
      )}
    </Empty>
  );
}

function Tile({ camera }: { camera: Camera }) {
  const tile = useRef<HTMLLIElement>(null);
  const visible = useVisible(tile);
  const useSub = camera.sub !== null && camera.state.sub?.status !== "lost";
  const state = useSub ? (camera.state.sub ?? camera.state.main) : camera.state.main;
  return (
    <li ref={tile} class="tile" data-camera={camera.id} data-status={camera.state.main.status}>
      <a class="tile-open" href={link.live(camera.id)} aria-label={t("wall.open", { name: camera.name })}>
        <LiveVideo
          camera={camera.id}
          role={useSub ? "sub_video" : "main_video"}
          active={visible && camera.enabled}
          known={state}
          label={t("live.of", { name: camera.name })}
        />
      </a>
      <div class="tile-foot">
        <span class={`dot dot-${camera.state.main.status}`} role="img" aria-label={t(`status.${camera.state.main.status}`)} />
        <span class="tile-name">{camera.name}</span>
        {has(session.value, "investigator") && (
          <a href={link.timeline(camera.id)} class="tile-link" aria-label={t("wall.recorded", { name: camera.name })}>
            <Icon name="clock" /> {t("nav.timeline")}
          </a>
        )}
      </div>
    </li>
  );
}
