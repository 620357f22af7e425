/** What has to be said on the recorded picture: nothing recorded, not playable here, jumped over a gap, at the end. */

import { t } from "../i18n";
import { durationText } from "../lib/time";
import type { Head } from "./head";

export function PictureNote({ head, empty }: { head: Head; empty: boolean }) {
  const unsupported = head.unsupported.value;
  if (empty) {
    return (
      <div class="cover" role="status">
        <p class="cover-title">{t("timeline.empty")}</p>
        <p>{t("timeline.empty.next")}</p>
      </div>
    );
  }
  if (unsupported !== null) {
    return (
      <div class="cover cover-lost" role="status">
        <p class="cover-title">{t("live.unsupported")}</p>
        <p>{t("playback.unsupported.next", { mime: unsupported })}</p>
      </div>
    );
  }
  const jump = head.jumped.value;
  return (
    <>
      {head.phase.value === "loading" && <span class="spinner" role="status" aria-label={t("loading")} />}
      {head.phase.value === "ended" && (
        <p class="picture-note" role="status">
          {t("playback.ended")}
        </p>
      )}
      {jump !== null && head.phase.value !== "ended" && (
        <p class="picture-note" role="status">
          {jump.to > jump.from ? t("playback.jumped", { duration: durationText(jump.to - jump.from) }) : t("playback.jumped_back")}
        </p>
      )}
    </>
  );
}
