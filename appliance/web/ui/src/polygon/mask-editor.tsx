/** Privacy masks of a camera: what is under them never reaches a plugin. */

import { useState } from "preact/hooks";
import { api, type Camera, type Point } from "../api";
import { t } from "../i18n";
import { useAct } from "../lib/hooks";
import { Note, Problem } from "../ui/parts";
import { PolygonEditor } from "./editor";

export function MaskEditor({ camera, reload }: { camera: Camera; reload: () => void }) {
  const [open, setOpen] = useState(false);
  const [masks, setMasks] = useState<Point[][]>(camera.masks);
  const [saved, setSaved] = useState(false);
  const act = useAct();
  const changed = JSON.stringify(masks) !== JSON.stringify(camera.masks);
  const save = () =>
    act.run(async () => {
      await api.changeCamera(camera.id, { masks });
      setSaved(true);
      reload();
    });
  return (
    <details class="panel" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <h2>{t("masks.title")}</h2>
        <span class="muted">{camera.masks.length === 0 ? t("masks.none") : t("masks.count", { count: camera.masks.length })}</span>
      </summary>
      <p class="muted">{t("masks.what")}</p>
      {open && (
        <PolygonEditor
          camera={camera}
          kind="mask"
          shapes={masks}
          change={(next) => {
            setMasks(next);
            setSaved(false);
          }}
          nameOf={(index) => t("masks.name", { number: index + 1 })}
        />
      )}
      <Problem problem={act.problem} />
      {saved && !changed && <Note kind="good">{t("saved")}</Note>}
      <div class="row row-end">
        <button type="button" class="primary" disabled={!changed || act.busy} onClick={save}>
          {t("masks.save")}
        </button>
      </div>
    </details>
  );
}
