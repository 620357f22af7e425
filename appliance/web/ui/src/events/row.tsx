/** One event: its picture where a case lets it be seen, what it was, and what can be done with it. */

import { useRef, useState } from "preact/hooks";
import type { Case, WatchEvent } from "../api";
import { t, word } from "../i18n";
import { windowOf } from "../lib/case";
import { useVisible } from "../lib/hooks";
import { mayOpen } from "../lib/roles";
import { link } from "../lib/router";
import { cameraName, session } from "../lib/session";
import { durationText } from "../lib/time";
import { useThumb } from "../scene/thumb";
import { ThumbPicture } from "../scene/thumb-picture";
import { Icon } from "../ui/icon";
import { Moment } from "../ui/parts";
import { around } from "./filter";

/** Playback begins a little before it, so that the beginning is seen. */
const LEAD_MS = 2_000;
/** What is marked, kept or asked for has so much before and after it. */
const MARGIN_MS = 10_000;

/** `found`: the case in which somebody works. `isNew`: it came while the page was open. */
export function EventRow({ event, found, isNew }: { event: WatchEvent; found: Case | null; isNew: boolean }) {
  const item = useRef<HTMLLIElement>(null);
  const [open, setOpen] = useState(false);
  const near = useVisible(item);
  const { camera, start_utc_ms: at } = event;
  const window = windowOf(found, camera);
  const isInside = window !== null && at >= window.start && at < window.end;
  const thumb = useThumb(isInside && near && found !== null ? { camera, case: found.case, at } : null);
  const length = event.end_utc_ms === null ? null : durationText(event.end_utc_ms - at);
  const by = ["camera", "recorder"].includes(event.source.plugin) ? t(`finder.by.${event.source.plugin as "camera" | "recorder"}`) : event.source.plugin;
  return (
    <li ref={item} class="event-line" data-event={event.id} data-new={isNew}>
      <a class="event-main" href={link.timeline(camera, at - LEAD_MS)}>
        <span class="event-picture" data-state={thumb.picture !== null ? "shown" : isInside ? "waiting" : "shut"}>
          {thumb.picture !== null ? <ThumbPicture picture={thumb.picture} camera={camera} /> : <span>{pictureText(isInside, thumb.problem?.status ?? null)}</span>}
        </span>
        <span class="event-said">
          <strong>{word("event", event.kind)}</strong>
          <span>{cameraName(camera)}</span>
          <span class="num">
            <Moment ms={at} />
            {length !== null && ` · ${length}`}
          </span>
          <span class="muted">{[event.zone, by, event.note].filter((part) => part !== null && part !== "").join(" · ")}</span>
        </span>
      </a>
      <button type="button" class="small" aria-expanded={open} onClick={() => setOpen(!open)}>
        {t("finder.more")}
        <span class="visually-hidden">
          : {word("event", event.kind)}, {cameraName(camera)}
        </span>
      </button>
      {open && <Acts event={event} isInside={isInside} />}
    </li>
  );
}

function pictureText(isInside: boolean, status: number | null): string {
  if (!isInside) return t("finder.picture.shut");
  if (status === null) return t("loading");
  return status === 404 ? t("finder.picture.none") : t("finder.picture.failed");
}

function Acts({ event, isInside }: { event: WatchEvent; isInside: boolean }) {
  const range = around(event, MARGIN_MS);
  const { camera } = event;
  return (
    <div class="event-acts">
      <div class="row">
        <a class="button small" href={link.timeline(camera, event.start_utc_ms - LEAD_MS)}>
          <Icon name="play" /> {t("finder.play")}
        </a>
        <a class="button small" href={link.scene([camera], event.start_utc_ms - LEAD_MS)}>
          <Icon name="camera" /> {t("finder.scene")}
        </a>
        <a class="button small" href={link.marked(camera, range)}>
          <Icon name="download" /> {t("finder.export")}
        </a>
        <a class="button small" href={link.holdNew([camera], range)}>
          <Icon name="lock" /> {t("finder.hold")}
        </a>
        {mayOpen(session.value, "case_new") && (
          <a class="button small" href={link.caseAbout([camera], range)}>
            <Icon name="plus" /> {t("finder.case")}
          </a>
        )}
      </div>
      {!isInside && <p class="hint">{t(mayOpen(session.value, "case_new") ? "finder.shut.approver" : session.value?.one_person_station === true ? "finder.shut.alone" : "finder.shut.ask")}</p>}
    </div>
  );
}
