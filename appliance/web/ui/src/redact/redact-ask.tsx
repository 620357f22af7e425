/** Asking for a redacted copy of what is marked on the timeline: what is black, when, and for whom. */

import { useState } from "preact/hooks";
import { api, type Export, type Point, type RecipientClass } from "../api";
import { t } from "../i18n";
import { chosenCase } from "../lib/case";
import { useAct, useLoaded } from "../lib/hooks";
import { nowMs } from "../lib/session";
import { durationText } from "../lib/time";
import { ExportAsked } from "../pages/exports";
import { usable } from "../polygon/shape";
import type { Head } from "../timeline/head";
import type { Range } from "../timeline/ranges";
import { Icon } from "../ui/icon";
import { Check, Moment, Note, Problem, Select, TextField } from "../ui/parts";
import { Board } from "./board";
import { type Box, box, fresh, inputOf, isOutline, MINUTES_MAX, moving, outlined, type Region, REGIONS_MAX, since, until, withBox } from "./regions";

const CLASSES: readonly RecipientClass[] = ["data_subject", "defence", "court", "prosecutor", "police", "other_authority"];
/** What somebody without a mouse begins with. */
const MIDDLE: Box = box(0.4, 0.4, 0.6, 0.6);

interface Props {
  camera: number;
  range: Range;
  head: Head;
}

export function RedactPanel(props: Props) {
  const [open, setOpen] = useState(false);
  return (
    <details class="panel" open={open} onToggle={(event) => setOpen(event.currentTarget.open)} data-redact>
      <summary>
        <h2>{t("redact.title")}</h2>
      </summary>
      <p class="muted">{t("redact.what")}</p>
      {open && <RedactForm {...props} />}
    </details>
  );
}

function RedactForm({ camera, range, head }: Props) {
  const [regions, setRegions] = useState<Region[]>([]);
  const [chosen, setChosen] = useState<number | null>(null);
  const [everythingBut, setEverythingBut] = useState(false);
  const [draft, setDraft] = useState<Point[] | null>(null);
  const at = Math.min(range.end, Math.max(range.start, head.position.value ?? range.start));
  const change = (index: number, to: (old: Region) => Region) => setRegions((old) => old.map((each, place) => (place === index ? to(each) : each)));
  const append = (region: Region) => {
    if (regions.length >= REGIONS_MAX) return;
    setRegions([...regions, region]);
    setChosen(regions.length);
  };
  const add = (of: Box) => append(fresh(at, of));
  const close = () => {
    if (draft !== null && usable(draft)) append(outlined(draft));
    setDraft(null);
  };
  const remove = (index: number) => {
    setRegions(regions.filter((_, place) => place !== index));
    setChosen(null);
  };
  const isLong = range.end - range.start > MINUTES_MAX * 60_000;
  const isEmpty = regions.length === 0 && !everythingBut;
  return (
    <>
      {isLong && <Note kind="warn">{t("redact.long", { count: MINUTES_MAX })}</Note>}
      <p>
        {t("redact.at")} <Moment ms={at} />. <span class="muted">{t("redact.at.how")}</span>
      </p>
      <Board
        head={head}
        at={at}
        regions={regions}
        chosen={chosen}
        choose={setChosen}
        add={add}
        put={(index, to) => change(index, (old) => withBox(old, at, to))}
        putOutline={(index, outline) => change(index, (old) => ({ ...old, outline }))}
        draft={draft}
        setDraft={setDraft}
        close={close}
        remove={remove}
        everythingBut={everythingBut}
      />
      <Tools full={regions.length >= REGIONS_MAX} draft={draft} setDraft={setDraft} close={close} addBox={() => add(MIDDLE)} addOutline={() => append(outlined())} />
      <Check label={t("redact.but")} hint={t("redact.but.hint")} checked={everythingBut} change={setEverythingBut} />
      <ul class="shape-list">
        {regions.map((region, index) => (
          <RegionRow key={index} {...{ region, index, at }} isChosen={index === chosen} change={(to) => change(index, to)} remove={() => remove(index)} />
        ))}
      </ul>
      <Ask camera={camera} range={range} ready={!isLong && !isEmpty} wish={{ everything_but: everythingBut, regions: regions.map(inputOf) }} />
    </>
  );
}

interface ToolsProps {
  full: boolean;
  draft: readonly Point[] | null;
  setDraft: (draft: Point[] | null) => void;
  close: () => void;
  addBox: () => void;
  addOutline: () => void;
}

function Tools({ full, draft, setDraft, close, addBox, addOutline }: ToolsProps) {
  if (draft !== null) {
    return (
      <div class="row">
        <button type="button" class="primary" disabled={!usable(draft)} onClick={close}>
          {t("polygon.close")}
        </button>
        <button type="button" disabled={draft.length === 0} onClick={() => setDraft(draft.slice(0, -1))}>
          {t("redact.outline.back")}
        </button>
        <button type="button" onClick={() => setDraft(null)}>
          {t("cancel")}
        </button>
        <span class="hint" role="status">
          {t("polygon.how", { count: draft.length })}
        </span>
      </div>
    );
  }
  return (
    <>
      <div class="row">
        <button type="button" disabled={full} onClick={addBox}>
          <Icon name="plus" /> {t("redact.add")}
        </button>
        <button type="button" disabled={full} onClick={() => setDraft([])}>
          <Icon name="edit" /> {t("redact.outline.draw")}
        </button>
        <button type="button" disabled={full} onClick={addOutline}>
          <Icon name="plus" /> {t("redact.outline.add")}
        </button>
      </div>
      <p class="hint">
        {t("redact.keys")} {t("redact.outline.keys")} {t("redact.corner.keys")}
      </p>
    </>
  );
}

interface RowProps {
  region: Region;
  index: number;
  at: number;
  isChosen: boolean;
  change: (to: (old: Region) => Region) => void;
  remove: () => void;
}

function RegionRow({ region, index, at, isChosen, change, remove }: RowProps) {
  const { from, to, moves, keys } = region;
  return (
    <li aria-current={isChosen}>
      <span>
        <strong>{t("redact.region", { number: index + 1 })}</strong>{" "}
        <span class="muted">
          {from === null ? t("redact.from.begin") : <>{t("redact.from.at")} <Moment ms={from} only="time" /></>}
          {" · "}
          {to === null ? t("redact.to.end") : <>{t("redact.to.at")} <Moment ms={to} only="time" /></>}
          {moves && ` · ${t("redact.places", { count: keys.length })}`}
        </span>
      </span>
      {!isOutline(region) && <Check label={t("redact.moves")} checked={moves} change={(next) => change((old) => moving(old, at, next))} />}
      <button type="button" class="small" onClick={() => change((old) => since(old, old.from === null ? at : null))}>
        {t(from === null ? "redact.from.here" : "redact.from.clear")}
      </button>
      <button type="button" class="small" onClick={() => change((old) => until(old, old.to === null ? at : null))}>
        {t(to === null ? "redact.to.here" : "redact.to.clear")}
      </button>
      <button type="button" class="small" onClick={remove}>
        {t("redact.remove", { number: index + 1 })}
      </button>
    </li>
  );
}

interface AskProps {
  camera: number;
  range: Range;
  /** What is to be black is known. */
  ready: boolean;
  wish: { everything_but: boolean; regions: ReturnType<typeof inputOf>[] };
}

/** An export whose master the copy can go with. */
const fits = (each: Export, number: string, camera: number, range: Range) =>
  each.redaction === null && each.made !== null && each.case === number && each.cameras.includes(camera) && each.start_utc_ms <= range.start && each.end_utc_ms >= range.end;

function Ask({ camera, range, ready, wish }: AskProps) {
  const [kind, setKind] = useState<RecipientClass>("data_subject");
  const [recipient, setRecipient] = useState("");
  const [master, setMaster] = useState("");
  const [asked, setAsked] = useState<string | null>(null);
  const act = useAct();
  const number = chosenCase.value;
  const window = { from: Math.floor(range.start), to: Math.min(Math.ceil(range.end), nowMs()) };
  const list = useLoaded(api.exports, "exports");
  const estimate = useLoaded(() => api.estimateExport([camera], window), `${camera} ${window.from} ${range.end}`);
  const masters = (list.data?.exports ?? []).filter((each) => fits(each, number, camera, { start: window.from, end: window.to }));
  const submit = (event: Event) => {
    event.preventDefault();
    setAsked(null);
    act.run(async () => {
      const of_export = masters.some((each) => each.id === master) ? master : null;
      const common = { case: number, camera, from_utc_ms: window.from, to_utc_ms: window.to, recipient_class: kind, recipient: recipient.trim() };
      const made = await api.askRedacted({ ...common, ...wish, of_export });
      setAsked(made.id);
    });
  };
  return (
    <form class="inset" aria-label={t("redact.ask")} onSubmit={submit}>
      {number === "" && <Note kind="info">{t("exports.ask.no_case")}</Note>}
      <Select label={t("exports.recipient_class")} value={kind} options={CLASSES.map((value) => ({ value, text: t(`recipient.${value}`) }))} change={setKind} />
      <TextField label={t("exports.recipient")} hint={t("redact.recipient.hint")} value={recipient} change={setRecipient} required maxLength={80} />
      {masters.length > 0 && (
        <Select
          label={t("redact.master")}
          value={master}
          options={[{ value: "", text: t("redact.master.none") }, ...masters.map(({ id }) => ({ value: id, text: t("exports.one", { id }) }))]}
          change={setMaster}
        />
      )}
      {estimate.data !== null && <p class="muted">{t("redact.ask.what", { time: durationText(estimate.data.redacted_seconds * 1000) })}</p>}
      {!ready && <p class="muted">{t("redact.nothing")}</p>}
      <Problem problem={act.problem} />
      {asked !== null && <ExportAsked id={asked} />}
      <div class="row row-end">
        <button type="submit" class="primary" disabled={act.busy || !ready || number === "" || recipient.trim() === ""}>
          <Icon name="lock" /> {t("redact.ask")}
        </button>
      </div>
    </form>
  );
}
