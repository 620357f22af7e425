/** Cameras that are plugged into the recorder: nobody types an identity. */

import { useState } from "preact/hooks";
import { api, type LocalCamera } from "../api";
import { t, word } from "../i18n";
import { useAct } from "../lib/hooks";
import { link } from "../lib/router";
import { Icon } from "../ui/icon";
import { Check, Note, Problem, Select } from "../ui/parts";
import { type CameraForm, localStreams, PERMANENT_MASKS } from "./camera-form";

interface Props {
  form: CameraForm;
  change: (part: Partial<CameraForm>) => void;
}

export function LocalCameras({ form, change }: Props) {
  const [list, setList] = useState<LocalCamera[] | null>(null);
  const search = useAct();
  const look = () => search.run(async () => setList(await api.localCameras()));
  return (
    <section class="panel" aria-labelledby="local-title">
      <h2 id="local-title">{t("local.title")}</h2>
      <p class="muted">{t("local.what")}</p>
      <div class="row">
        <button type="button" disabled={search.busy} onClick={look}>
          <Icon name="search" /> {search.busy ? t("local.looking") : t("local.look")}
        </button>
      </div>
      <Problem problem={search.problem} retry={look} />
      {list?.length === 0 && <Note kind="warn">{t("local.none")}</Note>}
      {list !== null && list.length > 0 && (
        <ul class="cards" data-local>
          {list.map((camera) => (
            <li class="card" key={camera.url}>
              <One camera={camera} form={form} change={change} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function One({ camera, form, change }: { camera: LocalCamera } & Props) {
  const streams = localStreams(camera);
  const first = streams[0];
  const address = form.mainUrl.replace(PERMANENT_MASKS, "");
  const permanent = form.mainUrl.endsWith(PERMANENT_MASKS);
  const stream = streams.find(({ value }) => value === address);
  const chosen = stream !== undefined;
  const choose = (mainUrl: string) => change({ mainUrl, subUrl: "", ...(form.name.trim() === "" ? { name: camera.name.slice(0, 64) } : {}) });
  return (
    <div class="card-main">
      {first === undefined ? (
        <strong>{camera.name}</strong>
      ) : (
        <button type="button" class={chosen ? "primary" : ""} aria-pressed={chosen} onClick={() => choose(first.value)}>
          {camera.name}
        </button>
      )}
      <span class="muted address">{t("local.place", { bus: camera.bus, node: camera.node })}</span>
      <span class="muted">{t("local.offers", { formats: camera.formats.map(({ letters }) => letters).join(", ") })}</span>
      {camera.camera !== null && <a href={link.cameraEdit(camera.camera)}>{t("find.recorded")}</a>}
      {camera.problem !== null && (
        <Note kind="warn">
          <p>
            <strong>{word("reason", camera.problem.reason)}</strong>
          </p>
          <p>{camera.problem.detail}</p>
          <p class="note-next">{camera.problem.next_step}</p>
        </Note>
      )}
      {chosen && (
        <>
          <Select label={t("local.stream")} value={address} change={choose} options={streams} />
          {stream.encoded && (
            <Check
              label={t("local.permanent")}
              hint={t("local.permanent.hint")}
              checked={permanent}
              change={(on) => choose(on ? address + PERMANENT_MASKS : address)}
            />
          )}
          <p class="muted">{t("local.chosen")}</p>
        </>
      )}
    </div>
  );
}
