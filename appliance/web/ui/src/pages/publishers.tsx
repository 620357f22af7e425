/** Whose plugins are taken: publishers' keys, developer mode, and what is being tried out. */

import { useState } from "preact/hooks";
import { api, type PluginPublisher } from "../api";
import { t, word } from "../i18n";
import { devModeUntil, loadDevMode } from "../lib/dev-mode";
import { useAct, useLoaded } from "../lib/hooks";
import { Confirm, Field, Moment, Note, Problem, Select, TextField } from "../ui/parts";
import { keyText } from "./plugin-words";

export function PublishersPanel() {
  const list = useLoaded(api.publishers, "publishers");
  const [adding, setAdding] = useState(false);
  return (
    <section class="panel" aria-label={t("publishers.title")}>
      <div class="panel-head">
        <h2>{t("publishers.title")}</h2>
        {!adding && (
          <button type="button" class="small" onClick={() => setAdding(true)}>
            {t("publishers.add")}
          </button>
        )}
      </div>
      <p class="muted">{t("publishers.what")}</p>
      <Problem problem={list.problem} retry={list.reload} />
      {list.data?.length === 0 && <p>{t("publishers.empty")}</p>}
      <ul class="plain-list">
        {list.data?.map((publisher) => (
          <Publisher key={publisher.key_id} publisher={publisher} reload={list.reload} />
        ))}
      </ul>
      {adding && (
        <Trust
          done={() => {
            setAdding(false);
            list.reload();
          }}
          cancel={() => setAdding(false)}
        />
      )}
    </section>
  );
}

function Publisher({ publisher, reload }: { publisher: PluginPublisher; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const distrust = () =>
    act.run(async () => {
      await api.distrustPublisher(publisher.key_id);
      setAsking(false);
      reload();
    });
  return (
    <li class="row publisher" data-publisher={publisher.key_id}>
      <div>
        <strong>{publisher.name}</strong> <span class="num path">{keyText(publisher.key_id)}</span>
        <p class="path muted">{publisher.public_key}</p>
      </div>
      <button type="button" class="small danger-quiet" onClick={() => setAsking(true)}>
        {t("publishers.remove")}
      </button>
      {asking && (
        <Confirm title={t("publishers.remove.title", { name: publisher.name })} action={t("publishers.remove")} busy={act.busy} confirm={distrust} cancel={() => setAsking(false)}>
          <p>{t("publishers.remove.what")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </li>
  );
}

function Trust({ done, cancel }: { done: () => void; cancel: () => void }) {
  const [name, setName] = useState("");
  const [key, setKey] = useState("");
  const [id, setId] = useState("");
  const act = useAct();
  const digits = id.replaceAll(/\s/g, "");
  const complete = /^[0-9a-fA-F]{16}$/.test(digits);
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.trustPublisher({ name: name.trim(), public_key: key.trim(), key_id: digits });
      done();
    });
  };
  return (
    <form class="inset" aria-label={t("publishers.add")} onSubmit={submit}>
      <TextField label={t("publishers.name")} value={name} change={setName} required maxLength={128} focus />
      <Field label={t("publishers.key")} hint={t("publishers.key.hint")}>
        {({ id: inputId, describedBy }) => (
          <textarea id={inputId} rows={3} spellcheck={false} maxLength={1024} value={key} aria-describedby={describedBy} onInput={(event) => setKey(event.currentTarget.value)} />
        )}
      </Field>
      <TextField
        label={t("publishers.id")}
        hint={t("publishers.id.hint")}
        error={digits !== "" && !complete ? t("publishers.id.bad", { count: digits.length }) : null}
        value={id}
        change={setId}
        required
        maxLength={24}
      />
      <Problem problem={act.problem} />
      <div class="row row-end">
        <button type="button" onClick={cancel}>
          {t("cancel")}
        </button>
        <button type="submit" class="primary" disabled={act.busy || !complete || name.trim() === "" || key.trim() === ""}>
          {t("publishers.trust")}
        </button>
      </div>
    </form>
  );
}

const HOURS = ["1", "4", "8", "24"] as const;

export function DevModePanel() {
  const [hours, setHours] = useState<(typeof HOURS)[number]>("1");
  const act = useAct();
  const until = devModeUntil.value;
  const set = (wanted: number) =>
    act.run(async () => {
      await api.setDevMode(wanted);
      await loadDevMode();
    });
  return (
    <section class="panel" aria-label={t("dev.title")}>
      <h2>{t("dev.title")}</h2>
      <p class="muted">{t("dev.what")}</p>
      {until !== null && (
        <Note kind="warn">
          {t("dev.until")} <Moment ms={until} />
        </Note>
      )}
      {until === null && (
        <Select label={t("dev.hours")} value={hours} options={HOURS.map((each) => ({ value: each, text: t("dev.hours.count", { count: each }) }))} change={setHours} />
      )}
      <Problem problem={act.problem} />
      <div class="row row-end">
        {until === null ? (
          <button type="button" class="danger-quiet" disabled={act.busy} onClick={() => set(Number(hours))}>
            {t("dev.on")}
          </button>
        ) : (
          <button type="button" disabled={act.busy} onClick={() => set(0)}>
            {t("dev.off")}
          </button>
        )}
      </div>
    </section>
  );
}

/** Interfaces that may change with any release. */
export function TriedOutPanel({ changed }: { changed: () => void }) {
  const state = useLoaded(api.triedOut, "tried-out");
  const act = useAct();
  const set = (on: boolean) =>
    act.run(async () => {
      await api.setTriedOut(on);
      state.reload();
      changed();
    });
  const on = state.data?.on === true;
  return (
    <section class="panel" aria-label={t("tried_out.title")} data-tried-out={on}>
      <h2>{t("tried_out.title")}</h2>
      <p class="muted">{t("tried_out.what")}</p>
      <ul>
        {state.data?.capabilities.map((name) => (
          <li key={name}>
            <code>{name}</code>: {word("tried_out", name)}
          </li>
        ))}
      </ul>
      {on && <Note kind="warn">{t("tried_out.is_on")}</Note>}
      <Problem problem={state.problem ?? act.problem} />
      <div class="row row-end">
        {on ? (
          <button type="button" disabled={act.busy} onClick={() => set(false)}>
            {t("tried_out.off")}
          </button>
        ) : (
          <button type="button" class="danger-quiet" disabled={act.busy || state.data === null} onClick={() => set(true)}>
            {t("tried_out.on")}
          </button>
        )}
      </div>
    </section>
  );
}
