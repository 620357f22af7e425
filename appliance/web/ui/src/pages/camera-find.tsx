/** Cameras on the network, and what one says about itself: fills in the addresses that nobody knows by heart. */

import { useState } from "preact/hooks";
import { api, type FoundDevice, type InspectedDevice, type TestProblem } from "../api";
import { t, word } from "../i18n";
import { useAct } from "../lib/hooks";
import { link } from "../lib/router";
import { found } from "../lib/search";
import { Icon } from "../ui/icon";
import { Note, Problem, Select, TextField } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";
import { type CameraForm, filled, profileText } from "./camera-form";
import { Certificate } from "./camera-test";

/** From this many devices on the list has a search field. */
const SEARCH_FROM = 6;
/** A clock that is off by more than this is worth a sentence. */
const CLOCK_OFFSET_MS_MAX = 5000;

interface Props {
  form: CameraForm;
  change: (part: Partial<CameraForm>) => void;
}

/** User name and password at the camera. */
export function CameraAccount({ form, change, hint }: Props & { hint: string }) {
  return (
    <div class="pair pair-even">
      <TextField label={t("camera.username")} value={form.username} change={(username) => change({ username })} />
      <TextField label={t("camera.password")} type="password" autocomplete="new-password" hint={hint} value={form.password} change={(password) => change({ password })} />
    </div>
  );
}

export function CameraFinder({ form, change }: Props) {
  const [devices, setDevices] = useState<FoundDevice[] | null>(null);
  const [url, setUrl] = useState("");
  const [device, setDevice] = useState<InspectedDevice | null>(null);
  const [refusal, setRefusal] = useState<TestProblem | null>(null);
  const search = useAct();
  const inspect = useAct();

  const shown = refusal?.certificate_sha256 ?? null;
  const look = () => search.run(async () => setDevices(await api.searchCameras()));
  const ask = () => {
    setDevice(null);
    setRefusal(null);
    inspect.run(async () => {
      const report = await api.inspectCamera({
        url: url.trim(),
        ...(form.username.trim() === "" ? {} : { username: form.username.trim() }),
        ...(form.password === "" ? {} : { password: form.password }),
        ...(form.certificate.trim() === "" ? {} : { certificate_sha256: form.certificate.trim() }),
      });
      setRefusal(report.problem);
      setDevice(report.device);
      if (report.device !== null) change(filled(form, report.device));
    });
  };
  const choose = (chosen: FoundDevice) => {
    setUrl(chosen.url);
    setDevice(null);
    setRefusal(null);
  };

  return (
    <section class="panel" aria-labelledby="find-title">
      <h2 id="find-title">{t("find.title")}</h2>
      <p class="muted">{t("find.what")}</p>
      <div class="row">
        <button type="button" disabled={search.busy} onClick={look}>
          <Icon name="search" /> {search.busy ? t("find.searching") : t("find.search")}
        </button>
        <span class="hint">{t("find.search.hint")}</span>
      </div>
      <Problem problem={search.problem} retry={look} />
      {devices !== null && <Devices devices={devices} chosen={url} choose={choose} />}
      <div class="pair">
        <TextField
          label={t("find.address")}
          hint={t("find.address.hint")}
          placeholder="192.168.1.20"
          value={url}
          change={(typed) => {
            setUrl(typed);
            setDevice(null);
          }}
        />
      </div>
      <CameraAccount form={form} change={change} hint={`${t("camera.password.hint")} ${t("find.password.hint")}`} />
      <div class="row">
        <button type="button" disabled={inspect.busy || url.trim() === ""} onClick={ask}>
          <Icon name="camera" /> {inspect.busy ? t("find.asking") : t("find.ask")}
        </button>
      </div>
      <Problem problem={inspect.problem} retry={ask} />
      {refusal !== null && (
        <Note kind="bad">
          <p>
            <strong>{word("reason", refusal.reason)}</strong>
          </p>
          <p>{refusal.detail}</p>
          <p class="note-next">{refusal.next_step}</p>
          {shown !== null && <Certificate shown={shown} taken={shown === form.certificate.trim()} trust={() => change({ certificate: shown })} />}
        </Note>
      )}
      {device !== null && <Streams device={device} form={form} change={change} />}
    </section>
  );
}

function Devices({ devices, chosen, choose }: { devices: FoundDevice[]; chosen: string; choose: (device: FoundDevice) => void }) {
  const [search, setSearch] = useState("");
  const shown = devices.filter((device) => found(search, device.name, device.hardware, device.address));
  if (devices.length === 0) return <Note kind="warn">{t("find.none")}</Note>;
  return (
    <>
      <p role="status">{t("find.count", { count: devices.length })}</p>
      {devices.length >= SEARCH_FROM && <Search label={t("find.search_list")} value={search} change={setSearch} />}
      {shown.length === 0 && <NothingFound title={t("cameras.no_match")} showAll={() => setSearch("")} />}
      <ul class="cards" data-found>
        {shown.map((device) => (
          <li class="card" key={device.url}>
            <div class="card-main">
              <button type="button" class={device.url === chosen ? "primary" : ""} aria-pressed={device.url === chosen} onClick={() => choose(device)}>
                {device.name === "" ? device.address : device.name}
              </button>
              <span class="muted address">
                {device.hardware === "" ? device.address : `${device.hardware} · ${device.address}`}
              </span>
              {device.camera !== null && <a href={link.cameraEdit(device.camera)}>{t("find.recorded")}</a>}
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}

/** What the camera is, and a choice of its streams. */
function Streams({ device, form, change }: { device: InspectedDevice } & Props) {
  const options = device.profiles.filter(({ encoding }) => encoding === "h264" || encoding === "h265");
  const offset = device.clock_offset_ms;
  const list = options.map((profile) => ({ value: profile.url, text: profileText(profile) }));
  return (
    <div data-inspected>
      <Note kind="good">
        <p>
          <strong>
            {device.manufacturer} {device.model}
          </strong>
        </p>
        <p class="num">{t("find.device", { firmware: device.firmware, serial: device.serial, macs: device.macs.join(", ") })}</p>
      </Note>
      {offset !== null && Math.abs(offset) > CLOCK_OFFSET_MS_MAX && <Note kind="warn">{t("find.clock", { seconds: Math.round(offset / 1000) })}</Note>}
      {options.length === 0 ? (
        <Note kind="bad">{t("find.no_stream")}</Note>
      ) : (
        <>
          <Select label={t("find.main")} hint={t("find.main.hint")} value={form.mainUrl} change={(mainUrl) => change({ mainUrl })} options={list} />
          <Select
            label={t("find.sub")}
            value={form.subUrl}
            change={(subUrl) => change({ subUrl })}
            options={[{ value: "", text: t("find.no_sub") }, ...list]}
          />
          <p class="muted">{t("find.next")}</p>
        </>
      )}
    </div>
  );
}
