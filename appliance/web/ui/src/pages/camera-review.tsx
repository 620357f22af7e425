/** Once a year somebody looks whether a camera is still needed, and says so; the log and the public report have it. */

import { useState } from "preact/hooks";
import { api, type Camera } from "../api";
import { t } from "../i18n";
import { useAct } from "../lib/hooks";
import { Moment, Note, Problem, TextField } from "../ui/parts";

export function CameraReview({ camera, reload }: { camera: Camera; reload: () => void }) {
  const [note, setNote] = useState("");
  const act = useAct();
  const { reviewed_utc_ms: reviewed, review_due_utc_ms: due } = camera;
  const overdue = due === null || due < Date.now();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.reviewCamera(camera.id, note.trim());
      setNote("");
      reload();
    });
  };
  return (
    <section class="panel" aria-label={t("review.title")} data-review={overdue ? "overdue" : "done"}>
      <h2>{t("review.title")}</h2>
      <p class="muted">{t("review.what")}</p>
      {overdue && <Note kind="warn">{t("review.overdue")}</Note>}
      {reviewed !== null && (
        <p>
          {t("review.last")} <Moment ms={reviewed} />
        </p>
      )}
      {due !== null && (
        <p>
          {t("review.due")} <Moment ms={due} />
        </p>
      )}
      <form onSubmit={submit}>
        <TextField label={t("review.note")} hint={t("review.note.hint")} value={note} change={setNote} required maxLength={128} />
        <Problem problem={act.problem} />
        <div class="row row-end">
          <button type="submit" disabled={act.busy || note.trim() === ""}>
            {t("review.send")}
          </button>
        </div>
      </form>
    </section>
  );
}
