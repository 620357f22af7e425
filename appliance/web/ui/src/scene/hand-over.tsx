/** What is looked at, handed on: kept for the case, asked for as evidence, or put into a new case. One click opens it, one does it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { has } from "../lib/roles";
import { link } from "../lib/router";
import { cameraName, session } from "../lib/session";
import { durationText, sizeText } from "../lib/time";
import { ExportAsk } from "../timeline/export-ask";
import type { Range } from "../timeline/ranges";
import { Icon } from "../ui/icon";
import { Moment, Note, Problem } from "../ui/parts";

/** Without a marked range: so much before and after the moment. */
export const AROUND_MS = 30_000;

export type Handing = "hold" | "export" | null;

interface Props {
  /** Number of the case. */
  case: string;
  cameras: readonly number[];
  range: Range;
  /** Somebody marked it. */
  marked: boolean;
  handing: Handing;
  hand: (what: Handing) => void;
  mark: (end: "in" | "out") => void;
  clear: () => void;
}

export function HandOver({ case: number, cameras, range, marked, handing, hand, mark, clear }: Props) {
  const flip = (what: "hold" | "export") => hand(handing === what ? null : what);
  const section = useRef<HTMLElement>(null);
  // A key opened it: it may lie below the screen.
  useEffect(() => {
    if (handing !== null) section.current?.scrollIntoView({ block: "nearest" });
  }, [handing]);
  return (
    <section ref={section} class="panel hand-over" aria-label={t("scene.hand")}>
      <div class="panel-head">
        <h2>{t("scene.hand")}</h2>
        <div class="row">
          <button type="button" class="small" onClick={() => mark("in")}>
            {t("export.mark_in")} <kbd>I</kbd>
          </button>
          <button type="button" class="small" onClick={() => mark("out")}>
            {t("export.mark_out")} <kbd>O</kbd>
          </button>
          {marked && (
            <button type="button" class="small quiet" onClick={clear}>
              {t("export.clear")}
            </button>
          )}
        </div>
      </div>
      <p class="num" data-start={Math.round(range.start)} data-end={Math.round(range.end)}>
        <Moment ms={range.start} /> – <Moment ms={range.end} /> · {durationText(range.end - range.start)}
      </p>
      <p class="hint">
        {marked ? t("scene.hand.marked") : t("scene.hand.around")} {cameras.map(cameraName).join(", ")}
      </p>
      <div class="row">
        <button type="button" aria-expanded={handing === "hold"} disabled={cameras.length === 0} onClick={() => flip("hold")}>
          <Icon name="lock" /> {t("scene.hand.hold")} <kbd>H</kbd>
        </button>
        <button type="button" aria-expanded={handing === "export"} disabled={cameras.length === 0} onClick={() => flip("export")}>
          <Icon name="download" /> {t("scene.hand.export")} <kbd>E</kbd>
        </button>
        {has(session.value, "approver") && (
          <a class="button" href={link.caseAbout(cameras, range)}>
            {t("scene.hand.case")}
          </a>
        )}
      </div>
      {handing === "hold" && <HoldAsk case={number} cameras={cameras} range={range} done={() => hand(null)} />}
      {handing === "export" && <ExportAsk cameras={cameras} range={range} />}
    </section>
  );
}

function HoldAsk({ case: number, cameras, range, done }: { case: string; cameras: readonly number[]; range: Range; done: () => void }) {
  const window = { from: Math.floor(range.start), to: Math.ceil(range.end) };
  const estimate = useLoaded(() => api.estimateHold(cameras, window), `${cameras.join(",")} ${window.from} ${window.to}`);
  const [placed, setPlaced] = useState<string | null>(null);
  const act = useAct();
  const { data } = estimate;
  const short = data !== null && data.needed_bytes > data.free_bytes;
  const place = () =>
    act.run(async () => {
      const made = await api.placeHold({ case: number, cameras: [...cameras], from_utc_ms: window.from, to_utc_ms: window.to, note: "" });
      setPlaced(made.id);
    });
  if (placed !== null) {
    return (
      <Note kind="good">
        <p data-placed={placed}>{t("scene.hold.placed", { case: number })}</p>
        <p class="row">
          <a href={link.holds}>{t("nav.holds")}</a>
          <button type="button" class="small quiet" onClick={done}>
            {t("scene.done")}
          </button>
        </p>
      </Note>
    );
  }
  return (
    <div class="inset">
      <p>{t("scene.hold.what", { case: number })}</p>
      {data !== null && <p class="hint num">{t("holds.estimate", { needed: sizeText(data.needed_bytes), free: sizeText(data.free_bytes), quota: sizeText(data.quota_bytes) })}</p>}
      {short && <Note kind="bad">{t("holds.too_large.next")}</Note>}
      <Problem problem={act.problem ?? estimate.problem} />
      <div class="row row-end">
        <button type="button" onClick={done}>
          {t("cancel")}
        </button>
        <button type="button" class="primary" disabled={act.busy || short || number === ""} onClick={place}>
          {act.busy ? t("holds.placing") : t("holds.place")}
        </button>
      </div>
    </div>
  );
}
