/** A live picture with everything it must admit: connecting, lost since when and why, or a format this browser cannot show. */

import { useEffect, useRef, useState } from "preact/hooks";
import { liveUrl, type StreamState, type TrackRole } from "../api";
import { t, word } from "../i18n";
import { useTick } from "../lib/hooks";
import { nowMs } from "../lib/session";
import { durationText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Moment } from "../ui/parts";
import { LivePlayer } from "./player";
import { TranscodedNote } from "./transcoded-note";

interface Props {
  camera: number;
  role: TrackRole;
  /** Connect only while this is true, such as while the tile is on the screen. */
  active: boolean;
  /** The state that the camera list knows; the live connection's own is newer once it has one. */
  known: StreamState | null;
  label: string;
  /** It is one small tile of many. */
  brief?: boolean;
  /** Told the state whenever the live connection reports one. */
  report?: (state: StreamState) => void;
}

export function LiveVideo({ camera, role, active, known, label, brief = false, report }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [flowing, setFlowing] = useState(false);
  const [ever, setEver] = useState(false);
  const [unsupported, setUnsupported] = useState<string | null>(null);
  const [transcoded, setTranscoded] = useState(false);
  const [refused, setRefused] = useState<string | null>(null);
  const [heard, setHeard] = useState<StreamState | null>(null);
  const tell = useRef(report);
  tell.current = report;

  useEffect(() => {
    const element = video.current;
    if (!active || element === null || canvas.current === null) return;
    const player = new LivePlayer(element, canvas.current, (transcode) => liveUrl(camera, role, transcode), {
      state: (state) => {
        setHeard(state);
        tell.current?.(state);
      },
      flowing: (now) => {
        setFlowing(now);
        if (now) setEver(true);
      },
      unsupported: setUnsupported,
      transcoded: setTranscoded,
      refused: setRefused,
    });
    return () => {
      player.close();
      setFlowing(false);
      setRefused(null);
    };
  }, [active, camera, role]);

  const state = newer(heard, known);
  const shown = flowing && state?.status !== "lost" && state?.status !== "disabled";
  return (
    <div class={shown ? "picture" : "picture picture-stale"} data-live={shown}>
      <video ref={video} muted playsInline disablePictureInPicture disableRemotePlayback aria-label={label} />
      <canvas ref={canvas} class="jpeg" hidden role="img" aria-label={label} />
      {shown && transcoded && <TranscodedNote brief={brief} />}
      {!shown && <Cover state={state} unsupported={unsupported} refused={refused} ever={ever} />}
    </div>
  );
}

/** The state that was entered later. */
function newer(a: StreamState | null, b: StreamState | null): StreamState | null {
  if (a === null || b === null) return a ?? b;
  return b.since_utc_ms > a.since_utc_ms ? b : a;
}

interface CoverProps {
  state: StreamState | null;
  unsupported: string | null;
  refused: string | null;
  ever: boolean;
}

function Cover({ state, unsupported, refused, ever }: CoverProps) {
  useTick(1_000);
  if (unsupported !== null) {
    return (
      <div class="cover cover-lost" role="status">
        <p class="cover-title">{t("live.unsupported")}</p>
        <p>{t("live.unsupported.next", { mime: unsupported })}</p>
      </div>
    );
  }
  if (state?.status === "disabled") {
    return (
      <div class="cover" role="status">
        <p class="cover-title">{t("live.disabled")}</p>
        <p>{t("live.disabled.next")}</p>
      </div>
    );
  }
  if (state?.status === "lost" || (state?.status === "connecting" && state.reason !== null)) {
    return (
      <div class="cover cover-lost" role="status">
        <p class="cover-title">
          <Icon name="warn" />
          {state.reason === null ? t("live.lost") : word("reason", state.reason)}
        </p>
        <p>
          {t("live.since")} <Moment ms={state.since_utc_ms} /> ({durationText(nowMs() - state.since_utc_ms)})
        </p>
        {state.detail !== null && <p class="cover-detail">{state.detail}</p>}
        {state.next_step !== null && <p class="cover-next">{state.next_step}</p>}
      </div>
    );
  }
  if (refused !== null) {
    return (
      <div class="cover cover-lost" role="status" data-refused={refused}>
        <p class="cover-title">{word("problem", refused)}</p>
        <p>{word("problem", `${refused}.next`)}</p>
      </div>
    );
  }
  return (
    <div class="cover" role="status">
      <p class="cover-title">{ever ? t("live.reconnecting") : t("live.connecting")}</p>
    </div>
  );
}
