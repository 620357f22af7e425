/** A release by signed file: the request goes to an approver elsewhere, and what they signed comes back. */

import { useState } from "preact/hooks";
import { api, type Export } from "../api";
import { t } from "../i18n";
import { useAct } from "../lib/hooks";
import { Field, Problem } from "../ui/parts";

/** A signed decision is never larger. */
const FILE_BYTES_MAX = 8192;

export function Decision({ item, reload }: { item: Export; reload: () => void }) {
  const [text, setText] = useState("");
  const act = useAct();
  const ask = () =>
    act.run(async () => {
      const file = await api.askDecision(item.id);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(file);
      link.download = `release-request-${item.id}.txt`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  const bring = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.bringDecision(item.id, text);
      setText("");
      reload();
    });
  };
  const take = async (file: File | undefined) => {
    if (file !== undefined && file.size <= FILE_BYTES_MAX) setText(await file.text());
  };
  return (
    <details>
      <summary>{t("decision.title")}</summary>
      <p class="muted">{t("decision.what")}</p>
      <button type="button" class="small" disabled={act.busy} onClick={ask}>
        {t("decision.ask")}
      </button>
      <form class="inset" aria-label={t("decision.bring")} onSubmit={bring}>
        <Field label={t("decision.file")}>{({ id }) => <input id={id} type="file" accept=".txt,text/plain,*/*" onChange={(event) => take(event.currentTarget.files?.[0])} />}</Field>
        <Field label={t("decision.paste")}>{({ id }) => <textarea id={id} rows={4} spellcheck={false} maxLength={FILE_BYTES_MAX} value={text} onInput={(event) => setText(event.currentTarget.value)} />}</Field>
        <Problem problem={act.problem} />
        <div class="row row-end">
          <button type="submit" disabled={act.busy || text.trim() === ""}>
            {t("decision.bring.do")}
          </button>
        </div>
      </form>
    </details>
  );
}
