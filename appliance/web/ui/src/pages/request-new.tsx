/** Taking a request up: the number of its paper file, when it came, where and when to look. */

import { useState } from "preact/hooks";
import { api, type CasePerson } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { go, link } from "../lib/router";
import { cameras, nowMs } from "../lib/session";
import { dateTimeText, durationText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Note, Problem, Select, TextField } from "../ui/parts";
import { CameraChoice, TimeField } from "./hold-new";
import { emptyRequest, type RequestForm, requestInput, requestProblem } from "./request-form";

const DAY_MS = 86_400_000;

export function RequestNew() {
  useTitle(t("requests.add"));
  const [form, setForm] = useState<RequestForm>(() => emptyRequest(nowMs()));
  const change = (part: Partial<RequestForm>) => setForm((old) => ({ ...old, ...part }));
  const list = useLoaded(api.requests, "requests");
  const act = useAct();
  const problem = requestProblem(form, nowMs());
  const days = list.data?.answer_days ?? 0;
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      const made = await api.registerRequest(requestInput(form));
      go(link.request(made.request));
    });
  };
  return (
    <div class="narrow">
      <div class="page-head">
        <a class="button quiet" href={link.requests}>
          <Icon name="back" /> {t("nav.requests")}
        </a>
        <h1>{t("requests.add")}</h1>
      </div>
      <p class="muted lead">{t("requests.what")}</p>
      <form class="panel" onSubmit={submit}>
        <TextField label={t("request.reference")} hint={t("request.reference.hint")} value={form.reference} change={(reference) => change({ reference })} required maxLength={64} focus />
        <TimeField label={t("request.received.label")} ms={form.received} change={(received) => change({ received })} />
        {days > 0 && <p class="hint">{t("request.due.will", { at: dateTimeText(form.received + days * DAY_MS), days })}</p>}
        <RequestFields form={form} change={change} people={list.data?.investigators ?? []} />
        {problem !== null && form.reference !== "" && <Note kind="info">{t(problem)}</Note>}
        <Problem problem={list.problem} retry={list.reload} />
        <Problem problem={act.problem} />
        <div class="row row-end">
          <a class="button" href={link.requests}>
            {t("cancel")}
          </a>
          <button type="submit" class="primary" disabled={act.busy || problem !== null}>
            {t("request.submit")}
          </button>
        </div>
      </form>
    </div>
  );
}

/** The fields that taking one up and changing one have in common. */
export function RequestFields({ form, change, people }: { form: RequestForm; change: (part: Partial<RequestForm>) => void; people: readonly CasePerson[] }) {
  const name = (person: CasePerson) => person.account_name ?? `#${person.account}`;
  const options = [{ value: "", text: t("request.handler.later") }, ...people.map((person) => ({ value: String(person.account), text: name(person) }))];
  return (
    <>
      <TextField label={t("request.place.label")} hint={t("request.place.hint")} value={form.place} change={(place) => change({ place })} required maxLength={170} />
      <CameraChoice list={cameras.value} chosen={form.cameras} change={(chosen) => change({ cameras: chosen })} />
      <div class="pair pair-even">
        <TimeField label={t("request.from")} ms={form.from} change={(from) => change({ from })} />
        <TimeField label={t("request.to")} ms={form.to} change={(to) => change({ to })} />
      </div>
      {form.to > form.from && <p class="hint num under">{durationText(form.to - form.from)}</p>}
      <Select label={t("request.handler.label")} value={form.handler === null ? "" : String(form.handler)} options={options} change={(value) => change({ handler: value === "" ? null : Number(value) })} />
    </>
  );
}
