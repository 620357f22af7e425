/** Checks an evidence bundle in the browser, with the verifier that outsiders use. Nothing of the bundle is sent anywhere. */

import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api";
import { t } from "../i18n";
import { useTitle } from "../lib/hooks";
import { route } from "../lib/router";
import { sizeText } from "../lib/time";
import { Field, Note, TextField } from "../ui/parts";
import { Progress } from "../ui/progress";
import { check, NotChecked, type Running } from "../verify/check";
import { chosen, type Chosen, type Found, ofDrop, ofInput } from "../verify/chosen";
import type { Answer, Given } from "../verify/engine";
import { Verdict } from "../verify/verdict";

/** Characters of keys, of a checkpoint or of a proof. */
const TEXT_MAX = 1 << 20;

/** Every browser knows it; the types of the library do not. */
const FOLDER = { webkitdirectory: true };

interface Texts {
  log: string;
  witness: string;
  quorum: string;
  known: string;
  consistency: string;
}

const NOTHING: Texts = { log: "", witness: "", quorum: "", known: "", consistency: "" };

type State =
  | { kind: "none" }
  | { kind: "busy"; done: number; total: number }
  | { kind: "stopped" }
  | { kind: "failed"; code: NotChecked["code"] }
  | { kind: "answer"; answer: Answer };

export function VerifyPage() {
  useTitle(t("nav.verify"));
  const [bundle, setBundle] = useState<Chosen | null>(null);
  const [texts, setTexts] = useState<Texts>(NOTHING);
  const [state, setState] = useState<State>({ kind: "none" });
  const own = useOwnKeys((keys) => setTexts((old) => (old.log === "" ? { ...old, log: keys } : old)));
  const running = useRef<Running | null>(null);
  useEffect(() => () => running.current?.stop(), []);
  const stop = (next: State) => {
    running.current?.stop();
    running.current = null;
    setState(next);
  };
  // A verdict stands only beside what it was given for.
  const take = (next: Chosen) => {
    stop({ kind: "none" });
    setBundle(next);
  };
  const change = (next: Texts) => {
    stop({ kind: "none" });
    setTexts(next);
  };
  const begin = () => {
    if (bundle === null) return;
    stop({ kind: "busy", done: 0, total: 0 });
    const run = check(bundle, givenBy(texts), (done, total) => setState({ kind: "busy", done, total }));
    running.current = run;
    run.answer.then(
      (answer) => running.current === run && stop({ kind: "answer", answer }),
      (error: unknown) => running.current === run && stop({ kind: "failed", code: error instanceof NotChecked ? error.code : "blocked" }),
    );
  };
  const quorumIsWrong = texts.quorum !== "" && !/^\d{1,4}$/.test(texts.quorum);
  const ready = bundle !== null && bundle.files.length > 0 && !bundle.stray && texts.log.trim() !== "" && !quorumIsWrong;
  return (
    <div class="narrow verify">
      <div class="page-head">
        <h1>{t("nav.verify")}</h1>
      </div>
      <p class="muted lead">{t("verify.what")}</p>
      <Open bundle={bundle} take={take} />
      <Keys texts={texts} change={change} own={own} quorumIsWrong={quorumIsWrong} />
      <div class="row">
        <button type="button" class="primary" disabled={!ready || state.kind === "busy"} onClick={begin}>
          {t("verify.start")}
        </button>
        {state.kind === "busy" && (
          <button type="button" onClick={() => stop({ kind: "stopped" })}>
            {t("verify.stop")}
          </button>
        )}
        {!ready && <span class="muted">{t("verify.start.first")}</span>}
      </div>
      <Outcome state={state} name={nameOf(bundle)} />
      <p class="muted">{t("verify.doubt")}</p>
    </div>
  );
}

/** The key of this recorder's log, as text; none when it does not tell it. Keys that it had before are not among it: who has stolen one could sign a log of their own, and only a person can
 * say that a bundle is as old as such a key. */
function useOwnKeys(first: (keys: string) => void): string {
  const [keys, setKeys] = useState("");
  useEffect(() => {
    let alive = true;
    api.log().then(
      ({ key }) => {
        if (!alive || key === null || key === undefined) return;
        setKeys(key);
        first(key);
      },
      // Then a person gives one; the field says where it is found.
      () => undefined,
    );
    return () => void (alive = false);
  }, []);
  return keys;
}

function givenBy({ log, witness, quorum, known, consistency }: Texts): Given {
  const some = (text: string): string | null => (text.trim() === "" ? null : text);
  return { log, witness, quorum: quorum === "" ? null : Number(quorum), known: some(known), consistency: some(consistency.trimEnd()) };
}

function nameOf(bundle: Chosen | null): string {
  return (bundle?.archive === true ? bundle.files[0]?.name : undefined) ?? "bundle";
}

function Open({ bundle, take }: { bundle: Chosen | null; take: (bundle: Chosen) => void }) {
  const [over, setOver] = useState(false);
  const [lost, setLost] = useState(false);
  const exported = route.value.query.get("export");
  const put = (found: Promise<Found[]>) => {
    setLost(false);
    found.then(chosen).then(take, () => setLost(true));
  };
  const input = (list: FileList | null) => list !== null && list.length > 0 && put(Promise.resolve(ofInput(list)));
  return (
    <section
      class={over ? "panel verify-drop verify-over" : "panel verify-drop"}
      aria-label={t("verify.open")}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        if (event.dataTransfer !== null) put(ofDrop(event.dataTransfer));
      }}
    >
      <h2>{t("verify.open")}</h2>
      <p class="muted">{exported === null || !/^\w{1,40}$/.test(exported) ? t("verify.open.what") : t("verify.open.export", { id: exported })}</p>
      <div class="row">
        <label class="button verify-choose">
          {t("verify.open.zip")}
          <input type="file" name="files" multiple class="visually-hidden" onChange={(event) => input(event.currentTarget.files)} />
        </label>
        <label class="button verify-choose">
          {t("verify.open.folder")}
          <input type="file" name="folder" {...FOLDER} class="visually-hidden" onChange={(event) => input(event.currentTarget.files)} />
        </label>
        <span class="muted">{t("verify.open.drop")}</span>
      </div>
      {bundle !== null && (
        <p data-chosen role="status">
          {t("verify.open.chosen", { name: bundle.files.length === 1 ? (bundle.files[0]?.name ?? "") : t("verify.open.files", { count: bundle.files.length }), size: sizeText(bundle.bytes) })}
        </p>
      )}
      {bundle?.stray === true && <Note kind="bad">{t("verify.open.stray")}</Note>}
      {lost && <Note kind="bad">{t("verify.open.lost")}</Note>}
    </section>
  );
}

interface KeysProps {
  texts: Texts;
  change: (texts: Texts) => void;
  own: string;
  quorumIsWrong: boolean;
}

function Keys({ texts, change, own, quorumIsWrong }: KeysProps) {
  const area = (name: "log" | "witness" | "known" | "consistency", hint?: string) => (
    <Field label={t(`verify.${name}`)} hint={hint}>
      {({ id, describedBy }) => (
        <textarea
          id={id}
          name={name}
          rows={name === "known" ? 4 : 2}
          spellcheck={false}
          maxLength={TEXT_MAX}
          value={texts[name]}
          aria-describedby={describedBy}
          onInput={(event) => change({ ...texts, [name]: event.currentTarget.value })}
        />
      )}
    </Field>
  );
  const isOwn = own !== "" && texts.log.trim() === own;
  return (
    <section class="panel" aria-label={t("verify.keys")}>
      <h2>{t("verify.keys")}</h2>
      {area("log", t(isOwn ? "verify.log.hint" : "verify.log.none"))}
      {own !== "" && !isOwn && (
        <p>
          <button type="button" class="small" onClick={() => change({ ...texts, log: own })}>
            {t("verify.log.own")}
          </button>
        </p>
      )}
      <details>
        <summary>{t("verify.more")}</summary>
        {area("witness")}
        <TextField label={t("verify.quorum")} value={texts.quorum} change={(quorum) => change({ ...texts, quorum })} maxLength={4} error={quorumIsWrong ? t("verify.quorum.wrong") : null} />
        {area("known")}
        {area("consistency")}
      </details>
    </section>
  );
}

function Outcome({ state, name }: { state: State; name: string }) {
  switch (state.kind) {
    case "none":
      return null;
    case "busy":
      return (
        <div data-verify="busy">
          <Progress label={t("verify.busy")} share={state.total > 0 ? state.done / state.total : 0} />
          <p class="muted">{state.total > 0 ? t("verify.busy.of", { done: sizeText(state.done), total: sizeText(state.total) }) : t("verify.busy.begin")}</p>
        </div>
      );
    case "stopped":
      return <Note kind="warn">{t("verify.stopped")}</Note>;
    case "failed":
      return (
        <div data-verify="failed">
          <Note kind="bad">{t(`verify.failed.${state.code}`)}</Note>
        </div>
      );
    case "answer":
      return <Verdict answer={state.answer} name={name} />;
  }
}
