/** Opening a case for somebody: what for, which footage, who, until when. */

import { useState } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { go, link, route } from "../lib/router";
import { nowMs } from "../lib/session";
import { Icon } from "../ui/icon";
import { Note, Problem, Select, TextField } from "../ui/parts";
import { withSecondFactor } from "../ui/second-factor";
import { CaseFields } from "./case-fields";
import { type CaseForm, caseFromQuery, caseInput, caseProblem, PURPOSES, requestOf } from "./case-form";

export function CaseNew() {
  useTitle(t("cases.add"));
  const [form, setForm] = useState<CaseForm>(() => caseFromQuery(route.value.query, nowMs()));
  const request = requestOf(route.value.query);
  const change = (part: Partial<CaseForm>) => setForm((old) => ({ ...old, ...part }));
  const list = useLoaded(api.cases, "cases");
  const act = useAct();
  const problem = caseProblem(form, nowMs());
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await withSecondFactor(() => api.openCase(caseInput(form)));
      if (request !== null) await api.searchForRequest(request, form.case.trim());
      go(request === null ? link.cases : link.request(request));
    });
  };
  return (
    <div class="narrow">
      <div class="page-head">
        <a class="button quiet" href={link.cases}>
          <Icon name="back" /> {t("nav.cases")}
        </a>
        <h1>{t("cases.add")}</h1>
      </div>
      <p class="muted lead">{t("cases.what")}</p>
      {request !== null && <Note kind="info">{t("case.for_request", { id: request })}</Note>}
      <form class="panel" onSubmit={submit}>
        <div class="pair pair-even">
          <TextField label={t("case.number")} hint={t("case.number.hint")} value={form.case} change={(text) => change({ case: text })} required maxLength={64} focus />
          <Select label={t("case.purpose")} value={form.purpose} options={PURPOSES.map((value) => ({ value, text: t(`purpose.${value}`) }))} change={(purpose) => change({ purpose })} />
        </div>
        <CaseFields form={form} change={change} people={list.data?.investigators ?? []} />
        {problem !== null && form.case !== "" && <Note kind="info">{t(problem)}</Note>}
        <Problem problem={list.problem} retry={list.reload} />
        <Problem problem={act.problem} />
        <div class="row row-end">
          <a class="button" href={link.cases}>
            {t("cancel")}
          </a>
          <button type="submit" class="primary" disabled={act.busy || problem !== null}>
            {act.busy ? t("case.submitting") : t("case.submit")}
          </button>
        </div>
      </form>
    </div>
  );
}
