/** How a request ends, or gets more time: each act stands in the log before it is done. */

import { useState } from "preact/hooks";
import { api, type Export, type SubjectRequest, type SubjectRequestAnswer, type SubjectRequestExtend, type SubjectRequestRefuse } from "../api";
import { t } from "../i18n";
import { useAct } from "../lib/hooks";
import { session } from "../lib/session";
import { Confirm, Note, Problem, Select, TextField } from "../ui/parts";

interface Props {
  item: SubjectRequest;
  reload: () => void;
}

const REFUSALS: readonly SubjectRequestRefuse["why"][] = ["no_footage", "not_identified", "rights_of_others", "inquiry", "unfounded", "other_law"];
const EXTENSIONS: readonly SubjectRequestExtend["why"][] = ["complex", "many_requests"];
const RECEIVERS: readonly SubjectRequestAnswer["to"][] = ["data_subject", "representative"];
const WORDS_MAX = 170;

export function Answering({ item, exports, reload }: Props & { exports: readonly Export[] }) {
  const ready = exports.filter((each) => each.state === "released" || (each.state === "expired" && each.delivered_utc_ms !== null));
  const [chosen, setChosen] = useState("");
  const [to, setTo] = useState<SubjectRequestAnswer["to"]>("data_subject");
  const [reference, setReference] = useState("");
  const [why, setWhy] = useState(() => t("request.answer.why.value"));
  const act = useAct();
  const id = chosen === "" ? (ready[0]?.id ?? "") : chosen;
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.answerRequest(item.request, { export: id, to, reference: reference.trim(), why: why.trim() });
      reload();
    });
  };
  return (
    <form class="panel" aria-label={t("request.answer")} onSubmit={submit}>
      <h2>{t("request.answer")}</h2>
      <p class="muted">{t("request.answer.what")}</p>
      {ready.length === 0 ? (
        <p>{t("request.answer.none")}</p>
      ) : (
        <>
          <Select label={t("request.answer.export")} value={id} options={ready.map((each) => ({ value: each.id, text: t("exports.one", { id: each.id }) }))} change={setChosen} />
          <Select label={t("request.answer.to")} value={to} options={RECEIVERS.map((value) => ({ value, text: t(`request.to.${value}`) }))} change={setTo} />
          <TextField label={t("request.answer.reference")} hint={t("request.reference.hint")} value={reference} change={setReference} required maxLength={64} />
          <TextField label={t("request.answer.why")} value={why} change={setWhy} required maxLength={WORDS_MAX} />
          <Problem problem={act.problem} />
          <div class="row row-end">
            <button type="submit" class="primary" disabled={act.busy || id === "" || why.trim() === "" || !/\p{N}/u.test(reference)}>
              {t("request.answer.submit")}
            </button>
          </div>
        </>
      )}
    </form>
  );
}

/** Whoever handles it does not judge it, as far as the page can tell; the recorder decides. */
function isOwn(item: SubjectRequest): boolean {
  return (item.handler ?? item.registered_by) === session.value?.account.id;
}

export function Refusing({ item, reload }: Props) {
  const [why, setWhy] = useState<SubjectRequestRefuse["why"]>("no_footage");
  const [words, setWords] = useState("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.refuseRequest(item.request, { why, words: words.trim() });
      reload();
    });
  };
  return (
    <details class="panel">
      <summary>{t("request.refuse")}</summary>
      <form aria-label={t("request.refuse")} onSubmit={submit}>
        <p class="muted">{t("request.refuse.what")}</p>
        {isOwn(item) && <Note kind="info">{t("request.refuse.own")}</Note>}
        <Select label={t("request.refuse.why")} value={why} options={REFUSALS.map((value) => ({ value, text: t(`request.why.${value}`) }))} change={setWhy} />
        <TextField label={t("request.refuse.words")} value={words} change={setWords} required maxLength={WORDS_MAX} />
        <Problem problem={act.problem} />
        <div class="row row-end">
          <button type="submit" class="danger" disabled={act.busy || words.trim() === ""}>
            {t("request.refuse.submit")}
          </button>
        </div>
      </form>
    </details>
  );
}

export function Extending({ item, days: most, reload }: Props & { days: number }) {
  const [days, setDays] = useState(String(Math.min(most, 28)));
  const [why, setWhy] = useState<SubjectRequestExtend["why"]>("complex");
  const [words, setWords] = useState("");
  const act = useAct();
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.extendRequest(item.request, { days: Number(days), why, words: words.trim() });
      reload();
    });
  };
  const good = /^\d+$/.test(days) && Number(days) >= 1 && Number(days) <= most;
  return (
    <details class="panel">
      <summary>{t("request.extend")}</summary>
      <form aria-label={t("request.extend")} onSubmit={submit}>
        <p class="muted">{t("request.extend.what")}</p>
        {isOwn(item) && <Note kind="info">{t("request.refuse.own")}</Note>}
        <TextField label={t("request.extend.days", { days: most })} type="number" min={1} max={most} value={days} change={setDays} required />
        <Select label={t("request.refuse.why")} value={why} options={EXTENSIONS.map((value) => ({ value, text: t(`request.why.${value}`) }))} change={setWhy} />
        <TextField label={t("request.extend.words")} value={words} change={setWords} required maxLength={WORDS_MAX} />
        <Problem problem={act.problem} />
        <div class="row row-end">
          <button type="submit" class="primary" disabled={act.busy || !good || words.trim() === ""}>
            {t("request.extend.submit")}
          </button>
        </div>
      </form>
    </details>
  );
}

export function Withdrawing({ item, reload }: Props) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const withdraw = () =>
    act.run(async () => {
      await api.withdrawRequest(item.request);
      setAsking(false);
      reload();
    });
  return (
    <div class="row row-end">
      <button type="button" class="small danger-quiet" onClick={() => setAsking(true)}>
        {t("request.withdraw")}
      </button>
      {asking && (
        <Confirm title={t("request.withdraw.title", { id: item.request })} action={t("request.withdraw")} busy={act.busy} confirm={withdraw} cancel={() => setAsking(false)}>
          <p>{t("request.withdraw.what")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </div>
  );
}
