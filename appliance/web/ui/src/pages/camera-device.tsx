/** A camera beside its streams: its ONVIF address, what is wanted of it, how it is doing, and another one in its place. */

import { api, type Camera, type DeviceSettings, type DeviceState } from "../api";
import { t } from "../i18n";
import { useAct } from "../lib/hooks";
import { Check, Note, Problem, Select, TextField } from "../ui/parts";

const WITHOUT_MASKS = ["go_on", "stop"] as const;
/** A clock that is off by more than this is worth a sentence. */
const CLOCK_OFFSET_MS_MAX = 2000;

interface Props {
  camera: Camera | null;
  device: DeviceSettings;
  change: (device: DeviceSettings) => void;
  reload: () => void;
}

export function CameraDevice({ camera, device, change, reload }: Props) {
  const put = (part: Partial<DeviceSettings>) => change({ ...device, ...part });
  const state = camera?.device_state ?? null;
  return (
    <fieldset class="group" data-device>
      <legend>{t("device.title")}</legend>
      <p class="muted">{t("device.what")}</p>
      <TextField
        label={t("device.url")}
        type="url"
        placeholder="http://192.168.1.20/onvif/device_service"
        hint={t("device.url.hint")}
        value={device.url}
        change={(url) => put({ url })}
      />
      {device.url.trim() !== "" && (
        <>
          <Check label={t("device.events")} hint={t("device.events.hint")} checked={device.events ?? false} change={(events) => put({ events })} />
          <Check label={t("device.set_clock")} hint={t("device.set_clock.hint")} checked={device.set_clock ?? false} change={(set_clock) => put({ set_clock })} />
          <Check label={t("device.masks")} hint={t("device.masks.hint")} checked={device.masks ?? false} change={(masks) => put({ masks })} />
          {device.masks && (
            <Select
              label={t("device.without_masks")}
              value={device.without_masks ?? "go_on"}
              change={(without_masks) => put({ without_masks })}
              options={WITHOUT_MASKS.map((each) => ({ value: each, text: t(`device.without_masks.${each}`) }))}
            />
          )}
        </>
      )}
      {camera !== null && state !== null && <DeviceLine state={state} />}
      {camera !== null && state?.other && <Other camera={camera.id} other={state.other} reload={reload} />}
    </fieldset>
  );
}

/** How a camera is doing beside its streams, in a few lines. */
export function DeviceLine({ state }: { state: DeviceState }) {
  const offset = state.clock_offset_ms ?? 0;
  const dot = { connecting: "connecting", connected: "live", lost: "lost" }[state.status];
  return (
    <div class="device-state" data-device-state={state.status} data-device-masks={state.masks}>
      <p>
        <span class={`dot dot-${dot}`} aria-hidden="true" /> ONVIF: {t(`device.status.${state.status}`)}
        {state.known !== "" && <span class="muted"> · {t("device.known", { name: state.known })}</span>}
      </p>
      {state.detail !== null && <p class="bad">{state.detail}</p>}
      {state.next_step !== null && <p class="note-next">{state.next_step}</p>}
      {state.masks_problem !== null && <p class="bad">{state.masks_problem}</p>}
      {state.masks === "kept" && state.status === "connected" && <p class="muted">{t("device.masks.kept")}</p>}
      {Math.abs(offset) > CLOCK_OFFSET_MS_MAX && <p class="note-next">{t("device.clock", { seconds: Math.round(offset / 1000) })}</p>}
      {state.clock_problem !== null && <p class="note-next">{state.clock_problem}</p>}
      {state.events !== null && <p class="muted num">{t("device.events.count", { ...state.events })}</p>}
    </div>
  );
}

function Other({ camera, other, reload }: { camera: number; other: NonNullable<DeviceState["other"]>; reload: () => void }) {
  const act = useAct();
  const accept = () =>
    act.run(async () => {
      await api.acceptCamera(camera, other.found_id);
      reload();
    });
  return (
    <Note kind="bad">
      <p>
        <strong>{t("device.other")}</strong>: <span lang="en">{other.detail}</span>.
      </p>
      <p class="note-next">{t("device.other.what")}</p>
      <button type="button" disabled={act.busy} onClick={accept}>
        {t("device.accept")}
      </button>
      <Problem problem={act.problem} />
    </Note>
  );
}
