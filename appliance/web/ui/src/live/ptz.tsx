/** Turns a camera: hold to move, let go to stop; presets. By mouse, finger and keyboard. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { api, type ApiError, type PtzPreset } from "../api";
import { type Key, t } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { has } from "../lib/roles";
import { found } from "../lib/search";
import { asApiError, session } from "../lib/session";
import { Icon } from "../ui/icon";
import { Problem, Select, TextField } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";
import { type Direction, directionOf, Hold } from "./hold";

const SPEEDS = { slow: 0.25, normal: 0.6, fast: 1 } as const;
type Speed = keyof typeof SPEEDS;
/** From this many presets on the list has a search field. */
const SEARCH_FROM = 6;

const BUTTONS: readonly { at: string; label: Key; sign: string; direction: Direction }[] = [
  { at: "up", label: "ptz.up", sign: "↑", direction: { pan: 0, tilt: 1, zoom: 0 } },
  { at: "left", label: "ptz.left", sign: "←", direction: { pan: -1, tilt: 0, zoom: 0 } },
  { at: "right", label: "ptz.right", sign: "→", direction: { pan: 1, tilt: 0, zoom: 0 } },
  { at: "down", label: "ptz.down", sign: "↓", direction: { pan: 0, tilt: -1, zoom: 0 } },
  { at: "in", label: "ptz.zoom_in", sign: "+", direction: { pan: 0, tilt: 0, zoom: 1 } },
  { at: "out", label: "ptz.zoom_out", sign: "−", direction: { pan: 0, tilt: 0, zoom: -1 } },
];

export function PtzPanel({ camera }: { camera: number }) {
  const [speed, setSpeed] = useState<Speed>("normal");
  const [moving, setMoving] = useState<string | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const hold = useMemo(
    () =>
      new Hold(
        (input) => api.turnCamera(camera, input),
        (error) => {
          setMoving(null);
          setProblem(asApiError(error));
        },
      ),
    [camera],
  );
  const begin = (at: string, direction: Direction) => {
    setProblem(null);
    setMoving(at);
    hold.begin(direction, SPEEDS[speed]);
  };
  const end = () => {
    setMoving(null);
    hold.end();
  };
  useEffect(() => {
    // Whoever looks elsewhere has let go.
    const away = () => document.visibilityState === "hidden" && hold.end();
    document.addEventListener("visibilitychange", away);
    window.addEventListener("blur", end);
    return () => {
      document.removeEventListener("visibilitychange", away);
      window.removeEventListener("blur", end);
      hold.end();
    };
  }, [hold]);

  const keyDown = (event: KeyboardEvent) => {
    if (event.target instanceof HTMLSelectElement || event.target instanceof HTMLInputElement) return;
    const direction = directionOf(event.key);
    if (direction === null) return;
    event.preventDefault();
    const button = BUTTONS.find(({ direction: its }) => its.pan === direction.pan && its.tilt === direction.tilt && its.zoom === direction.zoom);
    if (!event.repeat && button !== undefined) begin(button.at, direction);
  };
  /** A key that is let go elsewhere is never heard of here. */
  const left = (event: FocusEvent) => {
    const pad = event.currentTarget;
    if (pad instanceof Element && !(event.relatedTarget instanceof Node && pad.contains(event.relatedTarget))) end();
  };
  const keyUp = (event: KeyboardEvent) => directionOf(event.key) !== null && end();

  return (
    <section class="panel ptz" aria-labelledby="ptz-title" data-ptz={moving ?? "still"}>
      <h2 id="ptz-title">{t("ptz.title")}</h2>
      <div class="ptz-parts">
        <div class="ptz-pad" role="group" aria-labelledby="ptz-title" aria-describedby="ptz-hint" tabIndex={0} onKeyDown={keyDown} onKeyUp={keyUp} onFocusOut={left}>
          {BUTTONS.map(({ at, label, sign, direction }) => (
            <button
              key={at}
              type="button"
              class={`ptz-${at}`}
              aria-label={t(label)}
              aria-pressed={moving === at}
              onPointerDown={(event) => {
                event.currentTarget.setPointerCapture(event.pointerId);
                begin(at, direction);
              }}
              onLostPointerCapture={end}
              onContextMenu={(event) => event.preventDefault()}
              onKeyDown={(event) => {
                if (event.key !== " " && event.key !== "Enter") return;
                event.preventDefault();
                if (!event.repeat) begin(at, direction);
              }}
              onKeyUp={(event) => (event.key === " " || event.key === "Enter") && end()}
            >
              {sign}
            </button>
          ))}
        </div>
        <div class="ptz-side">
          <p class="hint" id="ptz-hint">
            {t("ptz.hint")}
          </p>
          <Select
            label={t("ptz.speed")}
            value={speed}
            change={setSpeed}
            options={(Object.keys(SPEEDS) as Speed[]).map((each) => ({ value: each, text: t(`ptz.speed.${each}`) }))}
          />
          <button type="button" onClick={() => api.turnCamera(camera, { act: "stop" }).catch((error: unknown) => setProblem(asApiError(error)))}>
            <Icon name="pause" /> {t("ptz.stop")}
          </button>
        </div>
        <Presets camera={camera} />
      </div>
      <Problem problem={problem} />
    </section>
  );
}

function Presets({ camera }: { camera: number }) {
  const view = useLoaded(() => api.ptz(camera), camera);
  const [search, setSearch] = useState("");
  const [name, setName] = useState("");
  const act = useAct();
  const presets = view.data?.presets ?? [];
  const shown = presets.filter((preset) => found(search, preset.name, preset.token));
  const mayKeep = has(session.value, "admin");
  const go = ({ token }: PtzPreset) => act.run(() => api.turnCamera(camera, { act: "go_to_preset", token }));
  const keep = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.setPreset(camera, name.trim());
      setName("");
      view.reload();
    });
  };
  const drop = ({ token }: PtzPreset) =>
    act.run(async () => {
      await api.removePreset(camera, token);
      view.reload();
    });
  return (
    <div class="ptz-presets">
      <h3>{t("ptz.presets")}</h3>
      <Problem problem={view.problem} retry={view.reload} />
      {presets.length >= SEARCH_FROM && <Search label={t("ptz.search")} value={search} change={setSearch} />}
      {view.data !== null && presets.length === 0 && <p class="muted">{t("ptz.no_presets")}</p>}
      {presets.length > 0 && shown.length === 0 && <NothingFound title={t("ptz.no_match")} showAll={() => setSearch("")} />}
      <ul class="ptz-list" data-presets>
        {shown.map((preset) => (
          <li key={preset.token}>
            <button type="button" disabled={act.busy} onClick={() => go(preset)}>
              {preset.name === "" ? preset.token : preset.name}
            </button>
            {mayKeep && (
              <button type="button" class="quiet" aria-label={t("ptz.preset_remove", { name: preset.name })} disabled={act.busy} onClick={() => drop(preset)}>
                <Icon name="close" />
              </button>
            )}
          </li>
        ))}
      </ul>
      {mayKeep && (
        <form class="ptz-keep" onSubmit={keep}>
          <TextField label={t("ptz.preset_name")} value={name} change={setName} maxLength={32} required />
          <button type="submit" disabled={act.busy || name.trim() === ""}>
            {t("ptz.preset_save")}
          </button>
        </form>
      )}
      <Problem problem={act.problem} />
    </div>
  );
}
