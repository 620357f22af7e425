/** The key with which an approver signs releases elsewhere: enrolled and removed by an admin. */

import { useState } from "preact/hooks";
import { api, type Account } from "../api";
import { t } from "../i18n";
import { useAct } from "../lib/hooks";
import { Confirm, Problem, TextField } from "../ui/parts";
import { withSecondFactor } from "../ui/second-factor";

export function ApproverKey({ account, reload }: { account: Account; reload: () => void }) {
  const [key, setKey] = useState("");
  const [removing, setRemoving] = useState(false);
  const act = useAct();
  const enrol = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await withSecondFactor(() => api.enrolApproverKey(account.id, key.trim()));
      setKey("");
      reload();
    });
  };
  const remove = () =>
    act.run(async () => {
      await api.removeApproverKey(account.id);
      setRemoving(false);
      reload();
    });
  return (
    <details>
      <summary>{t("people.key")}</summary>
      <p class="muted">{t("people.key.what")}</p>
      {account.approver_key !== null && (
        <p>
          <code class="break">{account.approver_key}</code>{" "}
          <button type="button" class="small danger-quiet" onClick={() => setRemoving(true)}>
            {t("people.key.remove")}
          </button>
        </p>
      )}
      <form class="inset" aria-label={t("people.key")} onSubmit={enrol}>
        <TextField label={t("people.key.label")} hint={t("people.key.hint")} value={key} change={setKey} required maxLength={400} />
        <Problem problem={act.problem} />
        <div class="row row-end">
          <button type="submit" disabled={act.busy || key.trim() === ""}>
            {t("people.key.enrol")}
          </button>
        </div>
      </form>
      {removing && (
        <Confirm title={t("people.key.remove.title", { name: account.name })} action={t("people.key.remove")} busy={act.busy} confirm={remove} cancel={() => setRemoving(false)}>
          <p>{t("people.key.remove.what")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </details>
  );
}
