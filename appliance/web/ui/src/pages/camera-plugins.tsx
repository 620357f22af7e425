/** Plugins on one camera: on or off, their settings from their own manifest, and the zones they look at. */

import { useState } from "preact/hooks";
import { api, type Camera, type PluginBinding, type PluginInfo } from "../api";
import { t, word } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { PolygonEditor } from "../polygon/editor";
import { Check, Empty, Loading, Note, Problem, Select, TextField } from "../ui/parts";
import { pluginName } from "./plugin-words";
import { parseNumber, readSchema, type Setting, valueOf } from "./settings-schema";

/** How often the plugins are asked what is wrong with them: what a plugin says about new settings comes after they were stored. */
const EVERY_MS = 3_000;

export function PluginSettings({ camera, reload }: { camera: Camera; reload: () => void }) {
  const plugins = useLoaded(() => api.plugins().then((all) => all.filter((plugin) => plugin.running !== null)), "plugins", EVERY_MS);
  return (
    <section class="panel" aria-label={t("plugins.title")}>
      <h2>{t("plugins.title")}</h2>
      <p class="muted">{t("plugins.what")}</p>
      <Problem problem={plugins.problem} retry={plugins.reload} />
      {plugins.data === null && plugins.problem === null && <Loading />}
      {plugins.data?.length === 0 && (
        <Empty title={t("plugins.empty")}>
          <p>{t("plugins.empty.next")}</p>
        </Empty>
      )}
      {plugins.data?.map((plugin) => (
        <Binding key={plugin.id} camera={camera} plugin={plugin} reload={reload} />
      ))}
    </section>
  );
}

function Binding({ camera, plugin, reload }: { camera: Camera; plugin: PluginInfo; reload: () => void }) {
  const stored = camera.plugins.find((each) => each.plugin === plugin.id);
  const [binding, setBinding] = useState<PluginBinding>(stored ?? { plugin: plugin.id, enabled: false, settings: {}, zones: [] });
  const [saved, setSaved] = useState(false);
  const act = useAct();
  const change = (part: Partial<PluginBinding>) => {
    setBinding((old) => ({ ...old, ...part }));
    setSaved(false);
  };
  const save = () =>
    act.run(async () => {
      await api.bindPlugin(camera.id, binding);
      setSaved(true);
      reload();
    });
  // A rule sees events, not pictures: those have the zones.
  const watches = plugin.running?.asks.world !== "export-rule";

  return (
    <div class="plugin" data-plugin={plugin.id}>
      <Check
        label={
          <>
            <strong>{pluginName(plugin.id)}</strong> <span class="muted num">{plugin.version}</span>
          </>
        }
        hint={plugin.summary}
        checked={binding.enabled}
        change={(enabled) => change({ enabled })}
      />
      {plugin.last_error !== null && (
        <Note kind="bad">
          <p lang="en">{plugin.last_error}</p>
        </Note>
      )}
      {binding.enabled && (
        <div class="plugin-settings">
          {readSchema(plugin.settings_schema).map((setting) => (
            <SettingField
              key={setting.name}
              setting={setting}
              binding={binding}
              change={(value) => change({ settings: { ...binding.settings, [setting.name]: value } })}
            />
          ))}
          {watches && <Zones camera={camera} binding={binding} change={change} />}
        </div>
      )}
      <Problem problem={act.problem} />
      {saved && <Note kind="good">{t("saved")}</Note>}
      <div class="row row-end">
        <button type="button" class="primary" disabled={act.busy} onClick={save}>
          {t("plugins.save")}
        </button>
      </div>
    </div>
  );
}

interface ZonesProps {
  camera: Camera;
  binding: PluginBinding;
  change: (part: Partial<PluginBinding>) => void;
}

function Zones({ camera, binding, change }: ZonesProps) {
  const zoneName = (index: number) => binding.zones[index]?.name ?? t("zones.name", { number: index + 1 });
  const rename = (index: number, name: string) => change({ zones: binding.zones.map((zone, place) => (place === index ? { ...zone, name } : zone)) });
  return (
    <>
      <h3>{t("zones.title")}</h3>
      <p class="muted">{binding.zones.length === 0 ? t("zones.none") : t("zones.what")}</p>
      <PolygonEditor
        camera={camera}
        kind="zone"
        shapes={binding.zones.map((zone) => zone.outline)}
        change={(shapes) => change({ zones: rezone(binding.zones, shapes) })}
        nameOf={zoneName}
        beside={(index) => <TextField label={t("zones.label")} value={zoneName(index)} change={(name) => rename(index, name)} maxLength={64} />}
      />
    </>
  );
}

/** Carries the names over to changed outlines: same length means points moved, one more means a new zone, one less means one was removed. */
function rezone(zones: PluginBinding["zones"], shapes: PluginBinding["zones"][number]["outline"][]): PluginBinding["zones"] {
  if (shapes.length < zones.length) return zones.filter((zone) => shapes.some((shape) => JSON.stringify(shape) === JSON.stringify(zone.outline)));
  return shapes.map((outline, index) => ({ name: zones[index]?.name ?? t("zones.name", { number: index + 1 }), outline }));
}

interface SettingProps {
  setting: Setting;
  binding: PluginBinding;
  change: (value: string | number | boolean) => void;
}

function SettingField({ setting, binding, change }: SettingProps) {
  const value = valueOf(setting, binding.settings);
  const label = word("setting", setting.name) === setting.name.replaceAll("_", " ") ? setting.label : word("setting", setting.name);
  const named = setting.unit === null ? label : `${label} (${setting.unit})`;
  const hint = setting.help === null ? {} : { hint: setting.help };
  if (setting.kind === "boolean") return <Check label={named} {...hint} checked={value === true} change={change} />;
  if (setting.kind === "choice") {
    return <Select label={named} {...hint} value={String(value ?? "")} options={setting.choices.map((each) => ({ value: each, text: word("choice", each) }))} change={change} />;
  }
  if (setting.kind === "number") return <NumberField setting={setting} label={named} value={value} change={change} />;
  return <TextField label={named} {...hint} value={String(value ?? "")} change={change} />;
}

interface NumberProps {
  setting: Setting;
  label: string;
  value: unknown;
  change: (value: number) => void;
}

/** Keeps what is typed as it is typed, and hands on what it means within the limits. */
function NumberField({ setting, label, value, change }: NumberProps) {
  const [typed, setTyped] = useState(value === null || value === undefined ? "" : String(value));
  const range = setting.min !== null && setting.max !== null ? t("setting.range", { min: setting.min, max: setting.max }) : null;
  return (
    <TextField
      label={label}
      type="number"
      step={setting.whole ? 1 : "any"}
      {...(setting.min === null ? {} : { min: setting.min })}
      {...(setting.max === null ? {} : { max: setting.max })}
      hint={[setting.help, range].filter((part) => part !== null).join(" ")}
      error={parseNumber(setting, typed) === null ? t("setting.not_number") : null}
      value={typed}
      change={(text) => {
        setTyped(text);
        const parsed = parseNumber(setting, text);
        if (parsed !== null) change(parsed);
      }}
    />
  );
}
