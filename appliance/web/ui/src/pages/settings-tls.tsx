/** What the page is served with: compared, installed on other computers, uploaded, taken away. */

import { useState } from "preact/hooks";
import { api, type CertificateFacts, type TlsState } from "../api";
import { type Key, t } from "../i18n";
import { useAct, useLoaded } from "../lib/hooks";
import { Confirm, Field, Loading, Moment, Note, Problem } from "../ui/parts";
import { withSecondFactor } from "../ui/second-factor";

const STEPS: readonly Key[] = ["tls.how.windows", "tls.how.android", "tls.how.ios", "tls.how.linux"];

export function TlsPanel() {
  const tls = useLoaded(api.tls, "tls");
  return (
    <section class="panel" data-tls={tls.data?.source}>
      <h2>{t("tls.title")}</h2>
      <Problem problem={tls.problem} retry={tls.reload} />
      {tls.data === null && tls.problem === null && <Loading />}
      {tls.data !== null && <State state={tls.data} reload={tls.reload} />}
    </section>
  );
}

function State({ state, reload }: { state: TlsState; reload: () => void }) {
  const { certificate, authority, source } = state;
  if (certificate === null) return <Note kind="warn">{t("tls.off")}</Note>;
  return (
    <>
      <p>{t(`tls.${source}`)}</p>
      {location.protocol === "http:" && <p class="muted">{t("tls.plain")}</p>}
      <Facts title="tls.certificate" facts={certificate} />
      {state.names_left_out.length > 0 && <Note kind="warn">{t("tls.left_out", { names: state.names_left_out.join(", ") })}</Note>}
      {source === "own_authority" && authority !== null && <Authority facts={authority} />}
      {source === "uploaded" && <Remove reload={reload} />}
      {source !== "files" && <Upload reload={reload} />}
    </>
  );
}

function Facts({ title, facts }: { title: Key; facts: CertificateFacts }) {
  return (
    <>
      <h3>{t(title)}</h3>
      {facts.names.length > 0 && <p class="break">{t("tls.names", { names: facts.names.join(", ") })}</p>}
      <p>
        {t("tls.until")} <Moment ms={facts.not_after_utc_ms} />
      </p>
      <p>
        {t("tls.sha256")}: <code class="break">{facts.sha256}</code>
      </p>
    </>
  );
}

function Authority({ facts }: { facts: CertificateFacts }) {
  return (
    <>
      <Facts title="tls.authority" facts={facts} />
      <p>{t("tls.compare")}</p>
      <p>
        <a class="button" href="/ca.crt" download>
          {t("tls.get")}
        </a>
      </p>
      <details>
        <summary>{t("tls.how")}</summary>
        <ul>
          {STEPS.map((step) => (
            <li key={step}>{t(step)}</li>
          ))}
        </ul>
        <p class="muted">{t("tls.how.safe")}</p>
      </details>
    </>
  );
}

function Remove({ reload }: { reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  const remove = () =>
    act.run(async () => {
      await withSecondFactor(api.removeCertificate);
      setAsking(false);
      reload();
    });
  return (
    <div class="row row-end">
      <button type="button" class="danger-quiet" onClick={() => setAsking(true)}>
        {t("tls.remove")}
      </button>
      {asking && (
        <Confirm title={t("tls.remove.title")} action={t("tls.remove")} busy={act.busy} confirm={remove} cancel={() => setAsking(false)}>
          <p>{t("tls.remove.what")}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </div>
  );
}

function PemFile({ label, hint, change }: { label: Key; hint: Key; change: (file: File | null) => void }) {
  return (
    <Field label={t(label)} hint={t(hint)}>
      {({ id, describedBy }) => <input id={id} type="file" accept=".pem,.crt,.cer,.key" aria-describedby={describedBy} required onChange={(event) => change(event.currentTarget.files?.[0] ?? null)} />}
    </Field>
  );
}

function Upload({ reload }: { reload: () => void }) {
  const [chain, setChain] = useState<File | null>(null);
  const [key, setKey] = useState<File | null>(null);
  const [done, setDone] = useState(false);
  const act = useAct();
  const upload = (event: Event) => {
    event.preventDefault();
    setDone(false);
    act.run(async () => {
      if (chain === null || key === null) return;
      const [chainPem, keyPem] = await Promise.all([chain.text(), key.text()]);
      await withSecondFactor(() => api.uploadCertificate(chainPem, keyPem));
      setDone(true);
      reload();
    });
  };
  return (
    <details data-tls-upload>
      <summary>{t("tls.upload")}</summary>
      <form onSubmit={upload}>
        <p>{t("tls.upload.what")}</p>
        <PemFile label="tls.chain" hint="tls.chain.hint" change={setChain} />
        <PemFile label="tls.key" hint="tls.key.hint" change={setKey} />
        <Problem problem={act.problem} />
        {done && <Note kind="good">{t("tls.upload.done")}</Note>}
        <div class="row row-end">
          <button type="submit" class="primary" disabled={act.busy || chain === null || key === null}>
            {t("tls.upload.act")}
          </button>
        </div>
      </form>
    </details>
  );
}
