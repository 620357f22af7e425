/** The station's policy: what is in force, what somebody proposes, and what else there is. What loosens anything takes a second person. */

import { useState } from "preact/hooks";
import { api, type OfferedPolicy, type PolicyList, type ProposedPolicy } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { has } from "../lib/roles";
import { REPORT_PATH } from "../lib/router";
import { found } from "../lib/search";
import { session } from "../lib/session";
import { Confirm, Loading, Moment, Note, Problem } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";
import { withSecondFactor } from "../ui/second-factor";
import { Rules, Sources, policyTitle } from "./policy-rules";

export function PolicyPage() {
  useTitle(t("nav.policy"));
  const list = useLoaded(api.policies, "policies", 30_000);
  const [search, setSearch] = useState("");
  const data = list.data;
  const others = (data?.offered ?? []).filter(({ policy }) => policy.policy_sha256 !== data?.in_force.policy_sha256);
  const shown = others.filter(({ policy }) => found(search, policy.policy, policy.title_en, policy.title_km));
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{t("nav.policy")}</h1>
        <Search label={t("policy.search")} value={search} change={setSearch} />
      </div>
      <p class="muted lead">
        {t("policy.what")} <a href={REPORT_PATH}>{t("report.link")}</a>
      </p>
      <Problem problem={list.problem} retry={list.reload} />
      {data === null && list.problem === null && <Loading />}
      {data !== null && (
        <>
          <section class="panel" data-policy-now={data.in_force.policy}>
            <h2>
              {t("policy.in_force")}: {policyTitle(data.in_force)} <span class="muted num">({t("policy.version", { version: data.in_force.version })})</span>
            </h2>
            <Rules rules={data.in_force.rules} />
            <Sources policy={data.in_force} />
          </section>
          {data.proposed !== null && <Proposed list={data} proposed={data.proposed} reload={list.reload} />}
          <h2>{t("policy.others")}</h2>
          {shown.length === 0 && <NothingFound title={t("policy.no_match")} showAll={() => setSearch("")} />}
          <ul class="cards">
            {shown.map((each) => (
              <Other key={each.policy.policy_sha256} list={data} offered={each} reload={list.reload} />
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

/** What waits for a second person, with what would become different. */
function Proposed({ list, proposed, reload }: { list: PolicyList; proposed: ProposedPolicy; reload: () => void }) {
  const act = useAct();
  const { policy, account } = proposed;
  const own = account === session.value?.account.id;
  const may = has(session.value, "admin") || has(session.value, "approver");
  const { policy: id, version, policy_sha256 } = policy;
  const accept = () =>
    act.run(async () => {
      await withSecondFactor(() => api.acceptPolicy({ policy: id, version, policy_sha256, proposed_by: account }));
      reload();
    });
  const withdraw = () =>
    act.run(async () => {
      await api.withdrawPolicy({ policy: id, version, policy_sha256 });
      reload();
    });
  return (
    <section class="panel" data-policy-proposed={id}>
      <h2>
        {t("policy.proposed")}: {policyTitle(policy)} <span class="muted num">({t("policy.version", { version })})</span>
      </h2>
      <p>
        {t("policy.proposed.by", { name: proposed.account_name ?? `#${account}` })} <Moment ms={proposed.at_utc_ms} />
      </p>
      <Rules rules={policy.rules} before={list.in_force.rules} loosens={proposed.loosens} />
      <Sources policy={policy} />
      <Note kind="warn">{own ? t("policy.proposed.own") : t("policy.proposed.next")}</Note>
      <Problem problem={act.problem} />
      {may && (
        <div class="row row-end">
          <button type="button" disabled={act.busy} onClick={withdraw}>
            {t("policy.withdraw")}
          </button>
          {!own && (
            <button type="button" class="primary" disabled={act.busy} onClick={accept}>
              {t("policy.accept")}
            </button>
          )}
        </div>
      )}
    </section>
  );
}

function Other({ list, offered, reload }: { list: PolicyList; offered: OfferedPolicy; reload: () => void }) {
  const act = useAct();
  const [asking, setAsking] = useState(false);
  const { policy, loosens } = offered;
  const { policy: id, version, policy_sha256 } = policy;
  const propose = () =>
    act.run(async () => {
      await api.proposePolicy({ policy: id, version, policy_sha256 });
      setAsking(false);
      reload();
    });
  return (
    <li class="card" data-policy={id}>
      <details>
        <summary>
          {policyTitle(policy)} <span class="muted num">({t("policy.version", { version })})</span>{" "}
          <span class="tag">{loosens.length === 0 ? t("policy.at_once") : t("policy.two_people")}</span>
        </summary>
        <Rules rules={policy.rules} before={list.in_force.rules} loosens={loosens} />
        <Sources policy={policy} />
        {has(session.value, "admin") && (
          <div class="row row-end">
            <button type="button" onClick={() => setAsking(true)}>
              {loosens.length === 0 ? t("policy.choose") : t("policy.propose")}
            </button>
          </div>
        )}
      </details>
      {asking && (
        <Confirm
          title={policyTitle(policy)}
          action={loosens.length === 0 ? t("policy.choose") : t("policy.propose")}
          busy={act.busy}
          confirm={propose}
          cancel={() => setAsking(false)}
        >
          <p>{loosens.length === 0 ? t("policy.choose.what") : t("policy.propose.what")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </li>
  );
}
