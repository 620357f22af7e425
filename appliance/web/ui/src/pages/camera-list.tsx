/** Cameras to set up: found by word, with their state. */

import { useState } from "preact/hooks";
import type { Camera } from "../api";
import { t, word } from "../i18n";
import { useTitle } from "../lib/hooks";
import { link } from "../lib/router";
import { found } from "../lib/search";
import { cameras, camerasProblem, loadCameras } from "../lib/session";
import { rateText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Loading, Moment, Problem } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";
import { NoCameras } from "./wall";

export function CameraList() {
  useTitle(t("nav.cameras"));
  const [search, setSearch] = useState("");
  const list = cameras.value;
  const shown = (list ?? []).filter((camera) => found(search, camera.name, camera.main.url));
  return (
    <>
      <div class="page-head">
        <h1>{t("nav.cameras")}</h1>
        <div class="row row-end">
          <Search label={t("cameras.search")} value={search} change={setSearch} />
          <a class="button" href={link.firstRun}>
            <Icon name="search" /> {t("first.many")}
          </a>
          <a class="button primary" href={link.cameraNew}>
            <Icon name="plus" /> {t("cameras.add")}
          </a>
        </div>
      </div>
      <Problem problem={camerasProblem.value} retry={() => void loadCameras()} />
      {list === null && camerasProblem.value === null && <Loading />}
      {list?.length === 0 && <NoCameras />}
      {list !== null && list.length > 0 && shown.length === 0 && <NothingFound title={t("cameras.no_match")} showAll={() => setSearch("")} />}
      {shown.length > 0 && (
        <ul class="cards">
          {shown.map((camera) => (
            <Row key={camera.id} camera={camera} />
          ))}
        </ul>
      )}
    </>
  );
}

function Row({ camera }: { camera: Camera }) {
  const { main } = camera.state;
  return (
    <li class="card" data-camera={camera.id}>
      <div class="card-main">
        <span class={`dot dot-${main.status}`} role="img" aria-label={t(`status.${main.status}`)} />
        <a class="card-title" href={link.cameraEdit(camera.id)}>
          {camera.name}
        </a>
        <span class="muted address">{camera.main.url}</span>
      </div>
      <StateLine camera={camera} />
    </li>
  );
}

export function StateLine({ camera }: { camera: Camera }) {
  const { main } = camera.state;
  const picture = main.codec === null ? null : `${main.codec} · ${main.width} × ${main.height}${main.bitrate_bps === null ? "" : ` · ${rateText(main.bitrate_bps)}`}`;
  return (
    <div class="card-state">
      <p>
        <strong>{t(`status.${main.status}`)}</strong>{" "}
        <span class="muted">
          {t("live.since")} <Moment ms={main.since_utc_ms} />
        </span>
      </p>
      {main.status === "live" && picture !== null && <p class="muted">{picture}</p>}
      {main.status === "lost" && main.reason !== null && <p class="bad">{word("reason", main.reason)}</p>}
      {main.status !== "live" && main.detail !== null && <p>{main.detail}</p>}
      {main.status !== "live" && main.next_step !== null && <p class="note-next">{main.next_step}</p>}
    </div>
  );
}
