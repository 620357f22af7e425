/** The fields that opening a case and changing one have in common. */

import type { CasePerson } from "../api";
import { t } from "../i18n";
import { cameras, session } from "../lib/session";
import { durationText } from "../lib/time";
import { Check, Note } from "../ui/parts";
import type { CaseForm } from "./case-form";
import { CameraChoice, TimeField } from "./hold-new";

interface Props {
  form: CaseForm;
  change: (part: Partial<CaseForm>) => void;
  people: readonly CasePerson[];
}

export function CaseFields({ form, change, people }: Props) {
  const others = people.filter((person) => person.account !== session.value?.account.id);
  const flip = (id: number, on: boolean) => change({ people: on ? [...form.people, id] : form.people.filter((each) => each !== id) });
  return (
    <>
      <CameraChoice list={cameras.value} chosen={form.cameras} change={(chosen) => change({ cameras: chosen })} />
      <div class="pair pair-even">
        <TimeField label={t("case.from")} ms={form.from} change={(from) => change({ from })} />
        <TimeField label={t("case.to")} ms={form.to} change={(to) => change({ to })} />
      </div>
      {form.to > form.from && <p class="hint num under">{durationText(form.to - form.from)}</p>}
      <TimeField label={t("case.expires")} ms={form.expires} change={(expires) => change({ expires })} />
      <p class="hint">{t("case.expires.hint")}</p>
      <fieldset>
        <legend>{t("case.choose_people")}</legend>
        <p class="hint">{t("case.choose_people.hint")}</p>
        {others.length === 0 && <Note kind="warn">{t("case.nobody")}</Note>}
        {others.map((person) => (
          <Check
            key={person.account}
            label={person.account_name ?? `#${person.account}`}
            checked={form.people.includes(person.account)}
            change={(on) => flip(person.account, on)}
          />
        ))}
      </fieldset>
    </>
  );
}
