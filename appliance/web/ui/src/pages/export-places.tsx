/** Where a released export can be written to besides the browser: a disk that is plugged in, a directory of the box. Choose, watch, done. */

import { useState } from "preact/hooks";
import { api, type Export, type ExportDelivery, type ExportSink } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { found } from "../lib/search";
import { durationText, sizeText } from "../lib/time";
import { Loading, Moment, Note, Problem } from "../ui/parts";
import { Progress } from "../ui/progress";
import { NothingFound, Search } from "../ui/search";

/** A disk that is plugged in is there within some seconds. */
const EVERY_MS = 3_000;
/** Fewer are seen at a glance. */
const SEARCHED_FROM = 6;

/** The button, and behind it the places that there are now. */
export function WriteTo({ item, reload }: { item: Export; reload: () => void }) {
  const [open, setOpen] = useState(false);
  return (
    <div class="inset">
      <div class="row row-end">
        <button type="button" class="small" aria-expanded={open} onClick={() => setOpen(!open)}>
          {t("exports.write")}
        </button>
      </div>
      {open && (
        <Places
          item={item}
          done={() => {
            setOpen(false);
            reload();
          }}
        />
      )}
    </div>
  );
}

function Places({ item, done }: { item: Export; done: () => void }) {
  const list = useLoaded(api.exportSinks, "sinks", EVERY_MS);
  const [search, setSearch] = useState("");
  const act = useAct();
  const all = list.data?.sinks ?? [];
  const shown = all.filter((each) => found(search, each.name, kindText(each)));
  const needed = item.made?.bytes ?? 0;
  const write = (sink: ExportSink) =>
    act.run(async () => {
      await api.deliverExport(item.id, item.made?.manifest_sha256 ?? "", sink.id);
      done();
    });
  return (
    <>
      <p class="muted">{t("exports.write.what")}</p>
      <Problem problem={list.problem} retry={list.reload} />
      <Problem problem={act.problem} />
      {list.data === null && list.problem === null && <Loading />}
      {list.data !== null && all.length === 0 && <Note kind="info">{list.data.usb ? t("exports.write.none") : t("exports.write.not_set_up")}</Note>}
      {all.length >= SEARCHED_FROM && <Search label={t("exports.write.search")} value={search} change={setSearch} />}
      {all.length > 0 && shown.length === 0 && <NothingFound title={t("exports.write.no_match")} showAll={() => setSearch("")} />}
      <ul class="plain-list" aria-label={t("exports.write.places")}>
        {shown.map((sink) => {
          const full = sink.free_bytes !== null && sink.free_bytes < needed;
          const most = sink.file_bytes_max;
          const long = most !== null && item.made?.files.some((file) => file.bytes > most) === true;
          return (
            <li key={sink.id} class="row" data-sink={sink.id}>
              <span>
                {kindText(sink)} <strong>{sink.name}</strong>
                {sink.free_bytes !== null && <span class="muted"> · {t("exports.write.free", { size: sizeText(sink.free_bytes) })}</span>}
                {sink.trouble !== null ? <span class="tag tag-bad">{sink.trouble}</span> : long ? <span class="tag tag-bad">{t("exports.write.long")}</span> : full && <span class="tag tag-bad">{t("exports.write.full", { size: sizeText(needed) })}</span>}
              </span>
              <span class="row-end">
                <button type="button" class="small primary" disabled={act.busy || sink.trouble !== null || long} onClick={() => write(sink)}>
                  {t("exports.write.here")}
                </button>
              </span>
            </li>
          );
        })}
      </ul>
    </>
  );
}

const kindText = ({ kind }: { kind: ExportSink["kind"] }) => t(`exports.sink.${kind}`);

/** What was written where, and how far it is. */
export function Deliveries({ item }: { item: Export }) {
  if (item.deliveries.length === 0) return null;
  return (
    <ul class="plain-list" aria-label={t("exports.written")}>
      {[...item.deliveries].reverse().map((each) => (
        <li key={each.number} data-delivery={each.state}>
          <Delivery each={each} />
        </li>
      ))}
    </ul>
  );
}

function Delivery({ each }: { each: ExportDelivery }) {
  const place = `${kindText(each)} ${each.name}`;
  const share = each.total_bytes > 0 ? each.done_bytes / each.total_bytes : 0;
  switch (each.state) {
    case "waiting":
      return <p>{t("exports.written.waiting", { place })}</p>;
    case "writing":
    case "checking":
      return (
        <>
          <Progress label={t(`exports.written.${each.state}`, { place })} share={share} />
          <p class="muted">
            {t("exports.making.of", { done: sizeText(each.done_bytes), total: sizeText(each.total_bytes) })}
            {each.seconds_left !== null && <> · {t("exports.left", { time: durationText(each.seconds_left * 1000) })}</>}
          </p>
          <p class="muted">{t("exports.written.leave")}</p>
        </>
      );
    case "done":
      return (
        <Note kind="good">
          <p>
            {t("exports.written.done", { place, folder: each.folder ?? "" })} <Moment ms={each.since_utc_ms} />
          </p>
          {each.kind === "usb" && <p class="note-next">{t("exports.written.unplug")}</p>}
        </Note>
      );
    case "failed":
      return (
        <Note kind="bad">
          <p>
            {t("exports.written.failed", { place })} <Moment ms={each.since_utc_ms} />
          </p>
          <p>{each.trouble}</p>
        </Note>
      );
  }
}
