/** Asking for a range as evidence: it is made by the recorder, and a second person releases it. */

import { useState } from "preact/hooks";
import { api, type RecipientClass } from "../api";
import { t } from "../i18n";
import { chosenCase } from "../lib/case";
import { useAct, useLoaded } from "../lib/hooks";
import { durationText, sizeText } from "../lib/time";
import { ExportAsked } from "../pages/exports";
import { Icon } from "../ui/icon";
import { Note, Problem, Select, TextField } from "../ui/parts";
import type { Range } from "./ranges";

const CLASSES: readonly RecipientClass[] = ["prosecutor", "court", "police", "defence", "data_subject", "other_authority"];

export function ExportAsk({ cameras, range }: { cameras: readonly number[]; range: Range }) {
  const [kind, setKind] = useState<RecipientClass>("prosecutor");
  const [recipient, setRecipient] = useState("");
  const [asked, setAsked] = useState<string | null>(null);
  const act = useAct();
  const window = { from: Math.floor(range.start), to: Math.ceil(range.end) };
  const estimate = useLoaded(() => api.estimateExport(cameras, window), `${cameras.join(",")} ${window.from} ${window.to}`);
  const number = chosenCase.value;
  const submit = (event: Event) => {
    event.preventDefault();
    setAsked(null);
    act.run(async () => {
      const made = await api.askExport({ case: number, cameras: [...cameras], from_utc_ms: window.from, to_utc_ms: window.to, recipient_class: kind, recipient: recipient.trim() });
      setAsked(made.id);
    });
  };
  return (
    <form class="inset" aria-label={t("exports.ask")} onSubmit={submit}>
      <h3>{t("exports.ask")}</h3>
      <p class="muted">{t("exports.ask.what")}</p>
      {number === "" && <Note kind="info">{t("exports.ask.no_case")}</Note>}
      <Select label={t("exports.recipient_class")} value={kind} options={CLASSES.map((value) => ({ value, text: t(`recipient.${value}`) }))} change={setKind} />
      <TextField label={t("exports.recipient")} hint={t("exports.recipient.hint")} value={recipient} change={setRecipient} required maxLength={80} />
      {estimate.data !== null && (
        <p class="muted" data-estimate={estimate.data.bytes}>
          {t("exports.estimate", { size: sizeText(estimate.data.bytes), time: durationText(Math.max(1, estimate.data.seconds) * 1000) })}
        </p>
      )}
      {estimate.data !== null && estimate.data.bytes > estimate.data.free_bytes && <Note kind="bad">{t("exports.no_room", { free: sizeText(estimate.data.free_bytes) })}</Note>}
      <Problem problem={act.problem ?? estimate.problem} />
      {asked !== null && <ExportAsked id={asked} />}
      <div class="row row-end">
        <button type="submit" class="primary" disabled={act.busy || number === "" || recipient.trim() === ""}>
          <Icon name="lock" /> {t("exports.ask")}
        </button>
      </div>
    </form>
  );
}
