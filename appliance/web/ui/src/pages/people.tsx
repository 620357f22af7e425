/** Accounts: who may do what. */

import { useState } from "preact/hooks";
import { api, type Account, type Role } from "../api";
import { type Key, t } from "../i18n";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { mixesDuties } from "../lib/roles";
import { found } from "../lib/search";
import { cameras, session } from "../lib/session";
import { Icon } from "../ui/icon";
import { Check, Confirm, Loading, Note, Problem, TextField } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";
import { PasskeysOf } from "./account-passkeys";
import { ApproverKey } from "./people-key";

const ROLES: readonly Role[] = ["viewer", "investigator", "approver", "auditor", "admin"];

export function PeoplePage() {
  useTitle(t("nav.people"));
  const accounts = useLoaded(api.accounts, "accounts");
  const [adding, setAdding] = useState(false);
  const [search, setSearch] = useState("");
  const shown = (accounts.data ?? []).filter((account) => found(search, account.name, ...account.roles.map((role) => t(`role.${role}`))));
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{t("nav.people")}</h1>
        <div class="row row-end">
          <Search label={t("people.search")} value={search} change={setSearch} />
          <button type="button" class="primary" aria-expanded={adding} onClick={() => setAdding(!adding)}>
            <Icon name="plus" /> {t("people.add")}
          </button>
        </div>
      </div>
      {session.value?.one_person_station === true && <Note kind="info">{t("people.one_person")}</Note>}
      {adding && (
        <AddPerson
          done={() => {
            setAdding(false);
            accounts.reload();
          }}
        />
      )}
      <Problem problem={accounts.problem} retry={accounts.reload} />
      {accounts.data === null && accounts.problem === null && <Loading />}
      {accounts.data !== null && shown.length === 0 && <NothingFound title={t("people.no_match")} showAll={() => setSearch("")} />}
      <ul class="cards">
        {shown.map((account) => (
          <Person key={account.id} account={account} reload={accounts.reload} />
        ))}
      </ul>
      {accounts.data?.length === 1 && <p class="muted">{t("people.only_you")}</p>}
    </div>
  );
}

interface Choice {
  roles: Role[];
  cameras: number[] | null;
}

/** A form for a new account; `done` once it is made. */
export function AddPerson({ done }: { done: () => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [choice, setChoice] = useState<Choice>({ roles: ["viewer"], cameras: null });
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.addAccount({ name: name.trim(), password, ...choice });
      done();
    });
  };
  return (
    <form class="panel" onSubmit={submit}>
      <h2>{t("people.add")}</h2>
      <div class="pair pair-even">
        <TextField label={t("signin.name")} value={name} change={setName} required maxLength={64} focus />
        <TextField label={t("people.first_password")} hint={t("people.first_password.hint")} type="password" autocomplete="new-password" value={password} change={setPassword} required />
      </div>
      <RoleChoice choice={choice} change={setChoice} />
      <Problem problem={act.problem} />
      <div class="row row-end">
        <button type="submit" class="primary" disabled={act.busy || choice.roles.length === 0}>
          {t("people.create")}
        </button>
      </div>
    </form>
  );
}

function RoleChoice({ choice, change }: { choice: Choice; change: (choice: Choice) => void }) {
  const flip = (role: Role, on: boolean) => change({ ...choice, roles: ROLES.filter((each) => (each === role ? on : choice.roles.includes(each))) });
  const all = cameras.value ?? [];
  const flipCamera = (id: number, on: boolean) => {
    const old = choice.cameras ?? [];
    change({ ...choice, cameras: on ? [...old, id] : old.filter((each) => each !== id) });
  };
  return (
    <>
      <fieldset>
        <legend>{t("people.roles")}</legend>
        {ROLES.map((role) => (
          <Check
            key={role}
            label={t(`role.${role}`)}
            hint={t(`role.${role}.what` as Key)}
            checked={choice.roles.includes(role)}
            change={(on) => flip(role, on)}
          />
        ))}
      </fieldset>
      {mixesDuties(choice.roles) && session.value?.one_person_station !== true && <Note kind="warn">{t("people.mixed")}</Note>}
      <fieldset>
        <legend>{t("people.cameras")}</legend>
        <Check label={t("people.cameras.all")} checked={choice.cameras === null} change={(on) => change({ ...choice, cameras: on ? null : [] })} />
        {choice.cameras !== null &&
          all.map((camera) => (
            <Check key={camera.id} label={camera.name} checked={choice.cameras?.includes(camera.id) === true} change={(on) => flipCamera(camera.id, on)} />
          ))}
      </fieldset>
    </>
  );
}

function Person({ account, reload }: { account: Account; reload: () => void }) {
  const [editing, setEditing] = useState(false);
  const [removing, setRemoving] = useState(false);
  const [choice, setChoice] = useState<Choice>({ roles: account.roles, cameras: account.cameras });
  const [password, setPassword] = useState("");
  const act = useAct();
  const self = account.id === session.value?.account.id;
  const save = () =>
    act.run(async () => {
      await api.changeAccount(account.id, { ...choice, ...(password === "" ? {} : { password }) });
      setEditing(false);
      setPassword("");
      reload();
    });
  const remove = () =>
    act.run(async () => {
      await api.removeAccount(account.id);
      setRemoving(false);
      reload();
    });
  return (
    <li class="card">
      <div class="card-main">
        <Icon name="person" />
        <span class="card-title">{account.name}</span>
        {self && <span class="tag">{t("people.you")}</span>}
        <span class="muted">{account.roles.map((role) => t(`role.${role}`)).join(", ")}</span>
        {account.second_factor && <span class="tag">{t("people.factor")}</span>}
        {account.passkeys > 0 && <span class="tag">{t("passkey.tag", { count: account.passkeys })}</span>}
        {account.approver_key !== null && <span class="tag">{t("people.key.tag")}</span>}
        <div class="row row-end">
          {account.second_factor && !self && <RemoveFactor account={account} reload={reload} />}
          <button type="button" class="small" aria-expanded={editing} onClick={() => setEditing(!editing)}>
            {t("change")}
          </button>
          {!self && (
            <button type="button" class="small danger-quiet" onClick={() => setRemoving(true)}>
              {t("people.remove")}
            </button>
          )}
        </div>
      </div>
      {editing && (
        <div class="card-more">
          <RoleChoice choice={choice} change={setChoice} />
          {!self && (
            <TextField label={t("people.new_password")} hint={t(account.passkeys > 0 ? "passkey.password_too" : "people.new_password.hint")} type="password" autocomplete="new-password" value={password} change={setPassword} />
          )}
          <Problem problem={act.problem} />
          <div class="row row-end">
            <button type="button" class="primary" disabled={act.busy || choice.roles.length === 0} onClick={save}>
              {t("save")}
            </button>
          </div>
          {account.passkeys > 0 && !self && <PasskeysOf account={account} reload={reload} />}
          {account.roles.includes("approver") && !self && <ApproverKey account={account} reload={reload} />}
        </div>
      )}
      {removing && (
        <Confirm title={t("people.remove.title", { name: account.name })} action={t("people.remove")} busy={act.busy} confirm={remove} cancel={() => setRemoving(false)}>
          <p>{t("people.remove.what")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </li>
  );
}

function RemoveFactor({ account, reload }: { account: Account; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const { name } = account;
  const remove = () =>
    act.run(async () => {
      await api.removeFactor(account.id);
      setAsking(false);
      reload();
    });
  return (
    <>
      <button type="button" class="small danger-quiet" onClick={() => setAsking(true)}>
        {t("people.factor.remove")}
      </button>
      {asking && (
        <Confirm title={t("people.factor.remove.title", { name })} action={t("people.factor.remove")} busy={act.busy} confirm={remove} cancel={() => setAsking(false)}>
          <p>{t("people.factor.remove.what", { name })}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </>
  );
}
