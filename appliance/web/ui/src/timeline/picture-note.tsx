/** What has to be said on the recorded picture: nothing recorded, not playable here, jumped over a gap, at the end. */

import { computed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { DamagedInterval, ImpairedInterval, RecordedSpan } from "../api";
import { t } from "../i18n";
import { durationText } from "../lib/time";
import { TranscodedNote } from "../live/transcoded-note";
import type { Head } from "./head";
import { impairedText } from "./impaired";
import { intervalAt, isLost, isTranscoded, overlap } from "./ranges";

interface Props {
  head: Head;
  empty: boolean;
  /** No case is chosen that is about this camera. */
  shut: boolean;
  damaged: readonly DamagedInterval[];
  impaired: readonly ImpairedInterval[];
  spans: readonly RecordedSpan[];
}

export function PictureNote({ head, empty, shut, damaged, impaired, spans }: Props) {
  const unsupported = head.unsupported.value;
  if (empty) {
    return (
      <div class="cover" role="status">
        <p class="cover-title">{t("timeline.empty")}</p>
        <p>{t("timeline.empty.next")}</p>
      </div>
    );
  }
  if (shut) {
    return (
      <div class="cover" role="status">
        <p class="cover-title">{t("chooser.cover")}</p>
        <p>{t("chooser.cover.next")}</p>
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
  const shown = head.phase.value !== "idle";
  const jump = head.jumped.value;
  return (
    <>
      {head.phase.value === "loading" && <span class="spinner" role="status" aria-label={t("loading")} />}
      {shown && <ImpairedNote head={head} impaired={impaired} />}
      {shown && <Transcoded head={head} spans={spans} />}
      {head.phase.value === "ended" && (
        <p class="picture-note" role="status">
          {t("playback.ended")}
        </p>
      )}
      {jump !== null && head.phase.value !== "ended" && (
        <p class="picture-note" role="status">
          {jumpText(jump, damaged)}
        </p>
      )}
    </>
  );
}

/** Says so while the picture on the screen may be wrong. Drawn again when that changes, not with each picture. */
function ImpairedNote({ head, impaired }: { head: Head; impaired: readonly ImpairedInterval[] }) {
  const now = useMemo(() => computed(() => (head.position.value === null ? null : intervalAt(impaired, head.position.value))), [impaired]);
  if (now.value === null) return null;
  return (
    <p class="picture-note picture-impaired" role="status">
      {impairedText(now.value)}
    </p>
  );
}

/** Says so while the picture on the screen is made of recorded ones that this browser cannot play. */
function Transcoded({ head, spans }: { head: Head; spans: readonly RecordedSpan[] }) {
  const now = useMemo(() => computed(() => isTranscoded(spans, head.position.value)), [spans]);
  return now.value ? <TranscodedNote /> : null;
}

function jumpText({ from, to }: { from: number; to: number }, damaged: readonly DamagedInterval[]): string {
  if (to <= from) return t("playback.jumped_back");
  const over = damaged.filter(isLost).some((run) => overlap(run, { start: from - 1, end: to }) > 0);
  return t(over ? "playback.jumped_damaged" : "playback.jumped", { duration: durationText(to - from) });
}
