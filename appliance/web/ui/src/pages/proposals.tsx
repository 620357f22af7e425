/** What rules propose about events, for people to decide. */

import { useState } from "preact/hooks";
import { api, type Proposal } from "../api";
import { t, word } from "../i18n";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { has } from "../lib/roles";
import { link } from "../lib/router";
import { found } from "../lib/search";
import { cameraName, session } from "../lib/session";
import { dateTimeText, durationText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Confirm, Empty, Loading, Moment, Note, Problem, TextField } from "../ui/parts";
import { NothingFound, Search } from "../ui/search";

const EVERY_MS = 5_000;
const SHOWN = ["open", "decided", "all"] as const;
type Shown = (typeof SHOWN)[number];

export function ProposalsPage() {
  useTitle(t("nav.proposals"));
  const list = useLoaded(api.proposals, "proposals", EVERY_MS);
  const [search, setSearch] = useState("");
  const [which, setWhich] = useState<Shown>("open");
  const all = list.data?.proposals ?? [];
  const chosen = all.filter((each) => which === "all" || (each.state === "open") === (which === "open"));
  const shown = chosen.filter((each) =>
    found(search, titleOf(each), each.reason, each.text, each.rule.plugin, cameraName(each.camera), word("event", each.event.kind), each.clip?.case, dateTimeText(each.event.start_utc_ms)),
  );
  const dropped = list.data !== null && (list.data.events_dropped > 0 || list.data.dropped > 0);
  const showAll = () => {
    setSearch("");
    setWhich("all");
  };
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{t("nav.proposals")}</h1>
        <div class="row row-end">
          <Search label={t("proposals.search")} value={search} change={setSearch} />
        </div>
      </div>
      <p class="muted lead">{t("proposals.what")}</p>
      <Problem problem={list.problem} retry={list.reload} />
      {list.data === null && list.problem === null && <Loading />}
      {dropped && (
        <Note kind="warn">
          <p>{t("proposals.dropped", { events: list.data?.events_dropped ?? 0, proposals: list.data?.dropped ?? 0 })}</p>
          <p class="note-next">{t("proposals.dropped.next")}</p>
        </Note>
      )}
      {all.length > 0 && (
        <div class="segmented" role="group" aria-label={t("proposals.which")}>
          {SHOWN.map((each) => (
            <button key={each} type="button" aria-pressed={each === which} onClick={() => setWhich(each)}>
              {t(`proposals.which.${each}`)}
            </button>
          ))}
        </div>
      )}
      {list.data !== null && all.length === 0 && (
        <Empty title={t("proposals.empty")}>
          <p>{t("proposals.empty.next")}</p>
        </Empty>
      )}
      {all.length > 0 && shown.length === 0 && <NothingFound title={t("proposals.no_match")} showAll={showAll} />}
      <ul class="cards">
        {shown.map((each) => (
          <ProposalCard key={each.id} proposal={each} reload={list.reload} />
        ))}
      </ul>
    </div>
  );
}

const titleOf = ({ kind, text }: Proposal) => t(`proposal.${kind}`, { text: text ?? "" });

function ProposalCard({ proposal, reload }: { proposal: Proposal; reload: () => void }) {
  const { clip, decided, event, rule } = proposal;
  const investigator = has(session.value, "investigator");
  return (
    <li class={proposal.state === "open" ? "card" : "card card-over"} data-proposal={proposal.id} data-kind={proposal.kind} data-state={proposal.state}>
      <div class="card-main">
        <Icon name="rule" />
        <span class="card-title">{titleOf(proposal)}</span>
        <span class="tag">{t(`proposal.${proposal.state}`)}</span>
      </div>
      <div class="card-state">
        <p>
          {t("proposal.about", { kind: word("event", event.kind), camera: cameraName(proposal.camera) })} · <Moment ms={event.start_utc_ms} />{" "}
          {investigator && <a href={link.timeline(proposal.camera, event.start_utc_ms)}>{t("proposal.show")}</a>}
        </p>
        <p class="quote">{proposal.reason}</p>
        {clip !== null && (
          <p>
            <Moment ms={clip.from_utc_ms} /> – <Moment ms={clip.to_utc_ms} /> <span class="muted num">({durationText(clip.to_utc_ms - clip.from_utc_ms)})</span>
            {clip.case !== null && ` · ${t("holds.case", { case: clip.case })}`}
          </p>
        )}
        {clip !== null && clip.approvals > 0 && <p class="muted">{t("proposal.approvals", { count: clip.approvals })}</p>}
        <p class="muted">{t("proposal.rule", { plugin: rule.plugin, version: rule.version, digest: rule.component_sha256.slice(0, 8) })}</p>
        {decided !== null && (
          <p>
            {t("proposal.decided", { name: decided.account_name ?? `#${decided.account}` })} <Moment ms={decided.at_utc_ms} />
            {decided.reason !== "" && `: ${decided.reason}`} {decided.hold !== null && <a href={link.holds}>{t("audit.hold", { id: decided.hold })}</a>}
          </p>
        )}
        {proposal.state === "accepted" && proposal.kind === "export_clip" && clip !== null && investigator && (
          <p>
            <a class="button" href={link.marked(proposal.camera, { start: clip.from_utc_ms, end: clip.to_utc_ms })}>
              <Icon name="lock" /> {t("proposal.ask")}
            </a>
          </p>
        )}
        {proposal.state === "open" && <Decide proposal={proposal} reload={reload} />}
      </div>
    </li>
  );
}

function Decide({ proposal, reload }: { proposal: Proposal; reload: () => void }) {
  const [asking, setAsking] = useState<"accept" | "dismiss" | null>(null);
  const [reason, setReason] = useState("");
  const [file, setFile] = useState(proposal.clip?.case ?? "");
  const act = useAct();
  const hold = proposal.kind === "hold";
  const footage = proposal.clip !== null;
  if (footage && !has(session.value, "investigator")) return <p class="hint">{t("proposal.investigator")}</p>;
  const decide = (decision: "accept" | "dismiss") => () =>
    act.run(async () => {
      await api.decideProposal(proposal.id, { decision, reason: reason.trim(), ...(hold && decision === "accept" ? { case: file.trim() } : {}) });
      setAsking(null);
      reload();
    });
  const accept = footage ? t("proposal.accept") : t("proposal.acknowledge");
  const about = footage ? (hold ? "hold" : "export_clip") : "read";
  return (
    <div class="row row-end">
      <button type="button" class="small" onClick={() => setAsking("dismiss")}>
        {t("proposal.dismiss")}
      </button>
      <button type="button" class="small primary" onClick={() => setAsking("accept")}>
        {accept}
      </button>
      {asking === "accept" && (
        <Confirm title={t(`proposal.accept.${about}`)} action={accept} busy={act.busy || (hold && file.trim() === "")} confirm={decide("accept")} cancel={() => setAsking(null)}>
          <p>{t(`proposal.accept.${about}.what`)}</p>
          {hold && <TextField label={t("holds.case_number")} hint={t("holds.case_number.hint")} value={file} change={setFile} required maxLength={128} focus />}
          <Problem problem={act.problem} />
        </Confirm>
      )}
      {asking === "dismiss" && (
        <Confirm title={t("proposal.dismiss.title")} action={t("proposal.dismiss")} busy={act.busy || (footage && reason.trim() === "")} confirm={decide("dismiss")} cancel={() => setAsking(null)}>
          <p>{t("proposal.dismiss.what")}</p>
          <TextField label={t("holds.reason")} value={reason} change={setReason} required={footage} maxLength={340} focus />
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </div>
  );
}
