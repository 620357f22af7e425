/** One camera's settings: address, test, recording, retention, masks, plugins, removal. */

import { useState } from "preact/hooks";
import { api, type Camera, type PolicyRules, type TestResult } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { go, link } from "../lib/router";
import { loadCameras } from "../lib/session";
import { MaskEditor } from "../polygon/mask-editor";
import { Icon } from "../ui/icon";
import { Check, Confirm, Loading, Note, Problem, Select, TextField } from "../ui/parts";
import { CameraClock } from "./camera-clock";
import { CameraDevice } from "./camera-device";
import { CameraAccount, CameraFinder } from "./camera-find";
import { type CameraForm, changesOf, formOf, inputOf, isEncrypted, isHttp, mainOf, RETENTION_DAYS_MAX, subOf, typed, urlProblem } from "./camera-form";
import { StateLine } from "./camera-list";
import { CameraReview } from "./camera-review";
import { LocalCameras } from "./camera-local";
import { PluginSettings } from "./camera-plugins";
import { TestReport } from "./camera-test";
import { CameraRetention } from "./retention";

const IMPORTANCE = ["low", "normal", "high"] as const;
const TRANSPORTS = ["tcp", "udp"] as const;

export function CameraEdit({ id }: { id: number | null }) {
  const loaded = useLoaded(() => (id === null ? Promise.resolve(null) : api.camera(id)), id);
  // What the form begins with and allows; without it the recorder still says what it does not take.
  const policy = useLoaded(api.policy, "policy");
  useTitle(loaded.data?.name ?? t("cameras.add"));
  if (id !== null && loaded.data === null) {
    return loaded.problem === null ? <Loading /> : <Problem problem={loaded.problem} retry={loaded.reload} />;
  }
  if (policy.data === null && policy.problem === null) return <Loading />;
  return <Editor key={loaded.data?.id ?? "new"} camera={loaded.data} rules={policy.data?.in_force.rules ?? null} contact={policy.data?.contact ?? ""} reload={loaded.reload} />;
}

function Editor({ camera, rules, contact, reload }: { camera: Camera | null; rules: PolicyRules | null; contact: string; reload: () => void }) {
  const [form, setForm] = useState<CameraForm>(() => ({
    ...formOf(camera),
    ...(camera === null && rules !== null ? { retentionDays: String(rules.retention_days) } : {}),
    // The station's own office, as long as nobody says another one.
    ...(camera === null ? { contact } : {}),
  }));
  const [tested, setTested] = useState<TestResult | null>(null);
  const [saved, setSaved] = useState(false);
  const [removing, setRemoving] = useState(false);
  const save = useAct();
  const test = useAct();
  const remove = useAct();
  const change = (part: Partial<CameraForm>) => {
    setForm((old) => typed(old, part, camera));
    setSaved(false);
    if ("mainUrl" in part || "subUrl" in part || "username" in part || "password" in part || "mainTransport" in part) setTested(null);
  };
  const mainBad = urlProblem(form.mainUrl);
  const subBad = urlProblem(form.subUrl);
  // What is older than the new age goes for good.
  const days = Number(form.retentionDays);
  const erases = camera !== null && days >= 1 && days < camera.retention_days_max;

  const submit = (event: Event) => {
    event.preventDefault();
    save.run(async () => {
      if (camera === null) {
        const made = await api.addCamera(inputOf(form, []));
        await loadCameras();
        go(link.cameraEdit(made.id));
        return;
      }
      setForm(formOf(await api.changeCamera(camera.id, changesOf(form, camera))));
      setSaved(true);
      reload();
      await loadCameras();
    });
  };

  const runTest = () => {
    setTested(null);
    test.run(async () => {
      const sub = subOf(form);
      setTested(
        await api.testCamera({
          ...(camera === null ? {} : { camera: camera.id }),
          main: mainOf(form),
          ...(sub === null ? {} : { sub }),
          ...(form.username.trim() === "" ? {} : { username: form.username.trim() }),
          ...(form.password === "" ? {} : { password: form.password }),
          ...(form.certificate.trim() === "" ? {} : { certificate_sha256: form.certificate.trim() }),
        }),
      );
    });
  };

  const drop = () => {
    if (camera === null) return;
    remove.run(async () => {
      await api.removeCamera(camera.id);
      await loadCameras();
      go(link.cameras);
    });
  };

  return (
    <div class="narrow">
      <div class="page-head">
        <a class="button quiet" href={link.cameras}>
          <Icon name="back" /> {t("nav.cameras")}
        </a>
        <h1>{camera?.name ?? t("cameras.add")}</h1>
      </div>
      {camera !== null && <StateLine camera={camera} />}
      {camera !== null && (
        <p>
          <a href={link.sign(camera.id)}>{t("sign.open")}</a>
        </p>
      )}
      {camera === null && <LocalCameras form={form} change={change} />}
      {camera === null && <CameraFinder form={form} change={change} />}
      <form class="panel" onSubmit={submit}>
        <TextField
          label={t("camera.name")}
          hint={t("camera.name.hint")}
          value={form.name}
          change={(name) => change({ name })}
          required
          maxLength={64}
          focus={camera === null}
        />
        <TextField
          label={t("camera.purpose")}
          hint={t("camera.purpose.hint")}
          value={form.purpose}
          change={(purpose) => change({ purpose })}
          required
          maxLength={128}
        />
        <TextField
          label={t("camera.contact")}
          hint={t("camera.contact.hint")}
          value={form.contact}
          change={(contact) => change({ contact })}
          required
          maxLength={128}
        />
        <div class="pair">
          <TextField
            label={t("camera.main")}
            type="url"
            placeholder="rtsp://192.168.1.20:554/stream1"
            hint={t("camera.main.hint")}
            value={form.mainUrl}
            change={(mainUrl) => change({ mainUrl })}
            error={mainBad === null ? null : t(mainBad)}
            required
          />
          <TransportSelect value={form.mainTransport} change={(mainTransport) => change({ mainTransport })} />
        </div>
        <div class="pair">
          <TextField
            label={t("camera.sub")}
            type="url"
            hint={t("camera.sub.hint")}
            value={form.subUrl}
            change={(subUrl) => change({ subUrl })}
            error={subBad === null ? null : t(subBad)}
          />
          <TransportSelect value={form.subTransport} change={(subTransport) => change({ subTransport })} />
        </div>
        {(isHttp(form.mainUrl) || isHttp(form.subUrl)) && (
          <TextField
            label={t("camera.interval")}
            type="number"
            min={0.2}
            max={5}
            step={0.1}
            hint={t("camera.interval.hint")}
            value={form.interval}
            change={(interval) => change({ interval })}
            required
          />
        )}
        {camera !== null && (
          <CameraAccount form={form} change={change} hint={camera.has_password ? t("camera.password.kept") : t("camera.password.hint")} />
        )}
        <div class="row">
          <button type="button" disabled={test.busy || form.mainUrl.trim() === "" || mainBad !== null} onClick={runTest}>
            <Icon name="camera" /> {test.busy ? t("camera.testing") : t("camera.test")}
          </button>
          <span class="hint">{t("camera.test.hint")}</span>
        </div>
        <Problem problem={test.problem} />
        {tested !== null && <TestReport result={tested} trusted={form.certificate.trim()} trust={(certificate) => change({ certificate })} />}
        {(isEncrypted(form) || form.certificate !== "") && (
          <TextField
            label={t("camera.certificate")}
            hint={t("camera.certificate.hint")}
            value={form.certificate}
            change={(certificate) => change({ certificate })}
            maxLength={128}
          />
        )}
        <TextField
          label={t("camera.retention")}
          type="number"
          min={1}
          max={rules?.retention_days_max ?? RETENTION_DAYS_MAX}
          step={1}
          hint={t("camera.retention.hint")}
          value={form.retentionDays}
          change={(retentionDays) => change({ retentionDays })}
          required
        />
        {erases && <Note kind="warn">{t("camera.retention.erases", { days: Number(form.retentionDays) })}</Note>}
        <Select
          label={t("camera.importance")}
          hint={t("camera.importance.hint")}
          value={form.importance}
          change={(importance) => change({ importance })}
          options={IMPORTANCE.map((each) => ({ value: each, text: t(`importance.${each}`) }))}
        />
        <CameraDevice camera={camera} device={form.device} change={(device) => change({ device })} reload={reload} />
        <Check
          label={t("camera.audio")}
          hint={rules?.sound === false ? t("camera.audio.policy") : t("camera.audio.hint")}
          checked={form.recordAudio}
          disabled={rules?.sound === false && !form.recordAudio}
          change={(recordAudio) => change({ recordAudio })}
        />
        {form.recordAudio && (
          <TextField
            label={t("camera.audio.purpose")}
            hint={t("camera.audio.purpose.hint")}
            value={form.audioPurpose}
            change={(audioPurpose) => change({ audioPurpose })}
            required
            maxLength={128}
          />
        )}
        <Check label={t("camera.enabled")} hint={t("camera.enabled.hint")} checked={form.enabled} change={(enabled) => change({ enabled })} />
        <Problem problem={save.problem} />
        {saved && <Note kind="good">{t("saved")}</Note>}
        <div class="row row-end">
          {camera !== null && (
            <button type="button" class="danger-quiet" onClick={() => setRemoving(true)}>
              {t("camera.remove")}
            </button>
          )}
          <button type="submit" class="primary" disabled={save.busy || mainBad !== null || subBad !== null}>
            {camera === null ? t("camera.save_new") : t("save")}
          </button>
        </div>
      </form>
      {camera === null ? (
        <p class="muted">{t("camera.later")}</p>
      ) : (
        <>
          <CameraRetention camera={camera.id} />
          <CameraReview camera={camera} reload={reload} />
          <CameraClock camera={camera.id} />
          <MaskEditor camera={camera} reload={reload} />
          <PluginSettings camera={camera} reload={reload} />
        </>
      )}
      {removing && camera !== null && (
        <Confirm title={t("camera.remove.title", { name: camera.name })} action={t("camera.remove")} busy={remove.busy} confirm={drop} cancel={() => setRemoving(false)}>
          <p>{t("camera.remove.what")}</p>
          <Problem problem={remove.problem} />
        </Confirm>
      )}
    </div>
  );
}

function TransportSelect({ value, change }: { value: CameraForm["mainTransport"]; change: (value: CameraForm["mainTransport"]) => void }) {
  return <Select label={t("camera.transport")} value={value} change={change} options={TRANSPORTS.map((each) => ({ value: each, text: each.toUpperCase() }))} />;
}
