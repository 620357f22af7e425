/** The second step: cameras on the network and plugged in are found, asked all at once, and show a picture each. */

import { useState } from "preact/hooks";
import { api, type ApiError } from "../api";
import { t, word } from "../i18n";
import { useAct } from "../lib/hooks";
import { link } from "../lib/router";
import { found } from "../lib/search";
import { asApiError } from "../lib/session";
import { Certificate } from "../pages/camera-test";
import { Icon } from "../ui/icon";
import { Check, Note, Problem, TextField } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";
import { answered, type Draft, type Login, loginFields, merged, NO_LOGIN, ofDevice, ofLocal, ofTyped, testFrom, unique } from "./plan";
import { Still } from "./still";
import type { Look, Looks } from "./looks";

/** The recorder tries two cameras at a time. */
const AT_ONCE = 2;
const SEARCH_FROM = 6;

export interface FindProps {
  drafts: Draft[];
  change: (how: (drafts: Draft[]) => Draft[]) => void;
  looks: Looks;
  look: (key: string, part: Partial<Look>) => void;
  /** For every camera that has no account of its own. */
  login: Login;
  setLogin: (login: Login) => void;
  back: () => void;
  next: () => void;
}

export function FindStep({ drafts, change, looks, look, login, setLogin, back, next }: FindProps) {
  const [address, setAddress] = useState("");
  const [search, setSearch] = useState("");
  const [searched, setSearched] = useState(false);
  const network = useAct();
  const asking = useAct();
  const shown = drafts.filter((each) => found(search, each.label, each.place, each.name));
  const chosen = drafts.filter((each) => each.chosen && each.recorded === null);
  const open = chosen.filter((each) => !each.ready);

  const seek = () =>
    network.run(async () => {
      const local = await api.localCameras();
      change((old) => merged(old, local.flatMap((camera) => ofLocal(camera) ?? [])));
      const devices = await api.searchCameras();
      change((old) => merged(old, devices.map(ofDevice)));
      setSearched(true);
    });
  const add = (event: Event) => {
    event.preventDefault();
    const typed = ofTyped(address);
    if (typed === null) return;
    change((old) => merged(old, [typed]));
    setAddress("");
  };
  /** Asks these; a camera that fails keeps its reason and holds up no other. */
  const ask = (which: Draft[]) =>
    asking.run(async () => {
      const names = drafts.map((each) => each.name);
      const waiting = [...which];
      const work = async () => {
        for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await askOne(one, looks[one.key]?.login ?? login, names, { change, look });
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
    });
  const set = (key: string, part: Partial<Draft>) => change((old) => old.map((each) => (each.key === key ? { ...each, ...part } : each)));

  return (
    <section aria-labelledby="first-step">
      <h2 id="first-step">{t("first.step.find")}</h2>
      <p class="muted">{t("first.find.what")}</p>
      <div class="row">
        <button type="button" class={drafts.length === 0 ? "primary" : ""} disabled={network.busy || asking.busy} onClick={seek}>
          <Icon name="search" /> {network.busy ? t("find.searching") : t("first.find.search")}
        </button>
        <span class="hint">{t("find.search.hint")}</span>
      </div>
      <Problem problem={network.problem} retry={seek} />
      {searched && !network.busy && drafts.length === 0 && <Note kind="warn">{t("find.none")}</Note>}
      <form class="first-add" onSubmit={add}>
        <TextField label={t("first.find.address")} hint={t("first.find.address.hint")} placeholder="192.168.1.20" value={address} change={setAddress} />
        <button type="submit" disabled={address.trim() === ""}>
          <Icon name="plus" /> {t("first.find.add")}
        </button>
      </form>
      {drafts.length > 0 && (
        <>
          <h3>{t("first.find.account")}</h3>
          <LoginFields login={login} change={setLogin} hint={t("first.find.account.hint")} />
          <div class="row first-ask">
            <button type="button" class={open.length > 0 ? "primary" : ""} disabled={asking.busy || network.busy || chosen.length === 0} onClick={() => ask(open.length > 0 ? open : chosen)}>
              <Icon name="camera" /> {asking.busy ? t("find.asking") : t("first.find.ask", { count: open.length > 0 ? open.length : chosen.length })}
            </button>
            <button type="button" class="quiet" onClick={() => change((old) => old.map((each) => ({ ...each, chosen: each.recorded === null && chosen.length === 0 })))}>
              {chosen.length === 0 ? t("first.find.all") : t("first.find.none")}
            </button>
            {drafts.length >= SEARCH_FROM && <Search label={t("find.search_list")} value={search} change={setSearch} />}
          </div>
          <p role="status">{t("first.find.count", { found: drafts.length, ready: drafts.filter((each) => each.ready).length })}</p>
          {shown.length === 0 && <NothingFound title={t("cameras.no_match")} showAll={() => setSearch("")} />}
          <ul class="first-found" data-found>
            {shown.map((each) => (
              <Found
                key={each.key}
                draft={each}
                look={looks[each.key] ?? null}
                set={(part) => set(each.key, part)}
                setLogin={(own) => look(each.key, { login: own })}
                again={(part) => ask([{ ...each, ...part }])}
                busy={asking.busy}
              />
            ))}
          </ul>
        </>
      )}
      <div class="row row-end">
        <button type="button" onClick={back}>
          {t("first.back")}
        </button>
        <button type="button" class={open.length === 0 && chosen.length > 0 ? "primary" : ""} onClick={next}>
          {t("first.next")}
        </button>
      </div>
    </section>
  );
}

interface Outcome {
  change: FindProps["change"];
  look: FindProps["look"];
}

/** Asks one camera what it is, then for a picture. */
async function askOne(draft: Draft, login: Login, names: string[], { change, look }: Outcome): Promise<void> {
  const put = (next: Draft) => change((old) => old.map((each) => (each.key === draft.key ? { ...next, chosen: each.chosen } : each)));
  look(draft.key, { busy: true, problem: null, failed: null });
  try {
    let asked = draft;
    if (draft.kind === "onvif") {
      const report = await api.inspectCamera({ url: draft.key, ...loginFields(draft, login) });
      if (report.device === null) return look(draft.key, { busy: false, problem: report.problem });
      asked = answered(draft, report.device, names);
    } else if (draft.name === "") {
      asked = { ...draft, name: unique(draft.label, names) };
    }
    names.push(asked.name);
    if (asked.mainUrl === "") {
      put({ ...asked, ready: false });
      return look(draft.key, { busy: false, failed: t("find.no_stream") });
    }
    const tested = await api.testCamera(testFrom(asked, login));
    put({ ...asked, ready: tested.ok, secured: login.username !== "" || login.password !== "" });
    look(draft.key, { busy: false, problem: tested.problem, picture: tested.picture, stream: tested.main });
  } catch (error) {
    const problem: ApiError = asApiError(error);
    look(draft.key, { busy: false, failed: [problem.detail, problem.nextStep].filter((part) => part !== null).join(" ") });
  }
}

export function LoginFields({ login, change, hint }: { login: Login; change: (login: Login) => void; hint: string }) {
  return (
    <div class="pair pair-even">
      <TextField label={t("camera.username")} value={login.username} change={(username) => change({ ...login, username })} />
      <TextField label={t("camera.password")} type="password" autocomplete="new-password" hint={hint} value={login.password} change={(password) => change({ ...login, password })} />
    </div>
  );
}

interface FoundProps {
  draft: Draft;
  look: Look | null;
  set: (part: Partial<Draft>) => void;
  setLogin: (login: Login) => void;
  again: (part: Partial<Draft>) => void;
  busy: boolean;
}

function Found({ draft, look, set, setLogin, again, busy }: FoundProps) {
  const shown = look?.problem?.certificate_sha256 ?? null;
  return (
    <li class="card first-card" data-draft={draft.key} data-ready={draft.ready}>
      {look?.picture && <Still picture={look.picture} label={t("first.still", { name: draft.label })} />}
      <div class="first-card-text">
        {draft.recorded === null ? (
          <Check label={draft.label} hint={draft.place} checked={draft.chosen} change={(chosen) => set({ chosen })} />
        ) : (
          <p>
            <a href={link.cameraEdit(draft.recorded)}>{draft.label}</a> <span class="muted">{t("find.recorded")}</span>
          </p>
        )}
        {look?.busy === true && <p role="status">{t("find.asking")}</p>}
        {draft.ready && look?.busy !== true && (
          <p class="good">
            <Icon name="ok" /> {draft.name}
            {look?.stream ? ` · ${look.stream.width} × ${look.stream.height}` : ""}
          </p>
        )}
        {look?.failed && <Note kind="bad">{look.failed}</Note>}
        {look?.problem && (
          <>
            <Note kind="bad">
              <p>
                <strong>{word("reason", look.problem.reason)}</strong>
              </p>
              <p>{look.problem.detail}</p>
              <p class="note-next">{look.problem.next_step}</p>
              {shown !== null && <Certificate shown={shown} taken={shown === draft.certificate} trust={() => set({ certificate: shown })} />}
            </Note>
            <LoginFields login={look.login ?? NO_LOGIN} change={setLogin} hint={t("first.find.own")} />
          </>
        )}
        {(look?.problem || look?.failed) && (
          <button type="button" class="small" disabled={busy} onClick={() => again({})}>
            {t("again")}
          </button>
        )}
      </div>
    </li>
  );
}
