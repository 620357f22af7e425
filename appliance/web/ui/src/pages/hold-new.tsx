/** Placing a hold: case, cameras, interval, and whether the vault has room for it. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { api, type ApiError, type Camera, type HoldEstimate } from "../api";
import { t } from "../i18n";
import { useAct, useTitle } from "../lib/hooks";
import { go, link, route } from "../lib/router";
import { found } from "../lib/search";
import { asApiError, cameras, nowMs } from "../lib/session";
import { durationText, fromInput, sizeText, toInput, zoneText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Check, Loading, Note, Problem, TextField } from "../ui/parts";
import { Search } from "../ui/search";
import { type HoldForm, holdFromQuery, holdInput, holdProblem } from "./hold-form";

/** The figures are asked for once typing rests this long. */
const REST_MS = 400;

export function HoldNew() {
  useTitle(t("holds.add"));
  const [form, setForm] = useState<HoldForm>(() => holdFromQuery(route.value.query, nowMs()));
  const change = (part: Partial<HoldForm>) => setForm((old) => ({ ...old, ...part }));
  const act = useAct();
  const problem = holdProblem(form, nowMs());
  const estimate = useEstimate(form);
  const short = estimate.data !== null && estimate.data.needed_bytes > estimate.data.free_bytes;
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.placeHold(holdInput(form));
      go(link.holds);
    });
  };
  return (
    <div class="narrow">
      <div class="page-head">
        <a class="button quiet" href={link.holds}>
          <Icon name="back" /> {t("nav.holds")}
        </a>
        <h1>{t("holds.add")}</h1>
      </div>
      <p class="muted lead">{t("holds.add.what")}</p>
      <form class="panel" onSubmit={submit}>
        <TextField label={t("holds.case_number")} hint={t("holds.case_number.hint")} value={form.case} change={(text) => change({ case: text })} required maxLength={42} focus />
        <CameraChoice list={cameras.value} chosen={form.cameras} change={(chosen) => change({ cameras: chosen })} />
        <div class="pair pair-even">
          <TimeField label={t("export.from")} ms={form.from} change={(from) => change({ from })} />
          <TimeField label={t("export.to")} ms={form.to} change={(to) => change({ to })} />
        </div>
        {form.to > form.from && (
          <p class="hint num under">
            {durationText(form.to - form.from)}
            {form.to > nowMs() && ` · ${t("holds.ahead")}`}
          </p>
        )}
        <TextField label={t("holds.note")} hint={t("holds.note.hint")} value={form.note} change={(note) => change({ note })} maxLength={340} />
        <Estimate data={estimate.data} problem={estimate.problem} />
        {problem !== null && form.case !== "" && <Note kind="info">{t(problem)}</Note>}
        <Problem problem={act.problem} />
        <div class="row row-end">
          <a class="button" href={link.holds}>
            {t("cancel")}
          </a>
          <button type="submit" class="primary" disabled={act.busy || problem !== null || short}>
            {act.busy ? t("holds.placing") : t("holds.place")}
          </button>
        </div>
      </form>
    </div>
  );
}

export function CameraChoice({ list, chosen, change }: { list: Camera[] | null; chosen: readonly number[]; change: (chosen: number[]) => void }) {
  const [search, setSearch] = useState("");
  if (list === null) return <Loading />;
  const shown = list.filter((camera) => found(search, camera.name));
  const flip = (id: number, on: boolean) => change(on ? [...chosen, id] : chosen.filter((each) => each !== id));
  const some = (on: boolean) => {
    const ids = shown.map((camera) => camera.id);
    const rest = chosen.filter((each) => !ids.includes(each));
    change(on ? [...rest, ...ids] : rest);
  };
  return (
    <fieldset>
      <legend>{t("nav.cameras")}</legend>
      <div class="row choice-head">
        <Search label={t("cameras.search")} value={search} change={setSearch} />
        <button type="button" class="small" onClick={() => some(true)}>
          {t("holds.cameras.all")}
        </button>
        <button type="button" class="small quiet" disabled={chosen.length === 0} onClick={() => some(false)}>
          {t("holds.cameras.none")}
        </button>
        <span class="hint num" role="status">
          {t("holds.cameras.count", { count: chosen.length })}
        </span>
      </div>
      {shown.length === 0 && <p class="muted">{list.length === 0 ? t("cameras.empty") : t("cameras.no_match")}</p>}
      <div class="choice-list">
        {shown.map((camera) => (
          <Check key={camera.id} label={camera.name} checked={chosen.includes(camera.id)} change={(on) => flip(camera.id, on)} />
        ))}
      </div>
    </fieldset>
  );
}

export function TimeField({ label, ms, change }: { label: string; ms: number; change: (ms: number) => void }) {
  return (
    <label class="field time-input">
      <span>
        {label} <span class="muted">{zoneText(ms)}</span>
      </span>
      <input
        type="datetime-local"
        step="1"
        required
        value={toInput(ms)}
        onChange={(event) => {
          const next = fromInput(event.currentTarget.value);
          if (next !== null) change(next);
        }}
      />
    </label>
  );
}

/** What the hold would need, asked for once the form rests. */
function useEstimate(form: HoldForm): { data: HoldEstimate | null; problem: ApiError | null } {
  const [state, setState] = useState<{ data: HoldEstimate | null; problem: ApiError | null }>({ data: null, problem: null });
  const key = useMemo(() => JSON.stringify([form.cameras, form.from, form.to]), [form.cameras, form.from, form.to]);
  useEffect(() => {
    setState({ data: null, problem: null });
    if (form.cameras.length === 0 || form.to <= form.from) return;
    let current = true;
    const timer = setTimeout(() => {
      api.estimateHold(form.cameras, { from: form.from, to: form.to }).then(
        (data) => current && setState({ data, problem: null }),
        (error: unknown) => current && setState({ data: null, problem: asApiError(error) }),
      );
    }, REST_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [key]);
  return state;
}

function Estimate({ data, problem }: { data: HoldEstimate | null; problem: ApiError | null }) {
  if (problem !== null) return <Problem problem={problem} />;
  if (data === null) return null;
  const figures = { needed: sizeText(data.needed_bytes), free: sizeText(data.free_bytes), quota: sizeText(data.quota_bytes) };
  if (data.quota_bytes === 0) {
    return (
      <Note kind="bad">
        <p>{t("vault.none")}</p>
        <p class="note-next">{t("vault.none.next")}</p>
      </Note>
    );
  }
  if (data.needed_bytes > data.free_bytes) {
    return (
      <Note kind="bad">
        <p data-estimate="short">{t("holds.too_large", figures)}</p>
        <p class="note-next">{t("holds.too_large.next")}</p>
      </Note>
    );
  }
  if (data.needed_bytes === 0) return <Note kind="warn">{t("holds.nothing")}</Note>;
  return (
    <Note kind="info">
      <span data-estimate="fits">{t("holds.estimate", figures)}</span>
    </Note>
  );
}
