/** What the verifier said, in plain words first and with every line of it below. */

import { useEffect, useRef, useState } from "preact/hooks";
import { isKey, t } from "../i18n";
import { Icon } from "../ui/icon";
import { Moment, Note } from "../ui/parts";
import { Search } from "../ui/search";
import type { Answer, Finding } from "./engine";

/** Findings, and lines, that are drawn at first. */
const DRAWN = 50;
const LINES_DRAWN = 200;
const NS_PER_MS = 1_000_000n;
/** The order in which the checks are made. */
const KINDS = ["file", "run", "source", "segment", "gap", "complete", "coverage", "delivered", "export", "proof", "key-change", "checkpoint", "witness", "known"] as const;

/** The verdict's word for programs and for its words in the catalogue. */
function kindOf({ verified, redacted, findings, refused }: Answer): "refused" | "verified" | "redacted" | "altered" | "not" {
  if (refused !== null) return "refused";
  if (verified) return "verified";
  if (redacted) return findings.length === 0 ? "redacted" : "altered";
  return "not";
}

export function Verdict({ answer, name }: { answer: Answer; name: string }) {
  const kind = kindOf(answer);
  const heading = useRef<HTMLHeadingElement>(null);
  // Who waited, with eyes or ears, is led to what came of it.
  useEffect(() => heading.current?.focus(), [answer]);
  if (kind === "refused") {
    return (
      <div data-verify="refused" data-exit={answer.exit}>
        <Note kind="bad">
          <p>{t("verify.refused")}</p>
          <p class="break" lang="en">
            {answer.refused}
          </p>
          <p class="note-next">{t("verify.refused.next")}</p>
        </Note>
      </div>
    );
  }
  const right = answer.findings.length === 0;
  const runs = answer.passed[kind === "redacted" ? "source" : "run"] ?? 0;
  return (
    <section class={`panel verify-${kind}`} data-verify={kind} data-exit={answer.exit}>
      <h2 ref={heading} tabIndex={-1}>
        <Icon name={right ? "ok" : "warn"} /> {t(`verify.${kind}`)}{" "}
        <small class="muted">
          <code>{answer.verdict}</code> · {t("verify.exit", { exit: answer.exit })}
        </small>
      </h2>
      <p>{t(`verify.${kind}.what`, { runs, count: answer.findings.length })}</p>
      {(kind === "verified" || kind === "redacted") && <p class="note-next">{t(`verify.${kind}.next`)}</p>}
      {!right && <Found findings={answer.findings} />}
      <About answer={answer} />
      <Right passed={answer.passed} />
      <Lines text={answer.text} name={name} />
    </section>
  );
}

/** What is wrong, by what there is to do about it. */
function Found({ findings }: { findings: readonly Finding[] }) {
  const [drawn, setDrawn] = useState(DRAWN);
  const shown = findings.slice(0, drawn);
  const groups = [...new Set(shown.map(({ exit }) => exit))].sort((a, b) => a - b);
  return (
    <>
      <h3>{t("verify.found")}</h3>
      {groups.map((exit) => (
        <div key={exit} class="verify-group">
          <ul class="verify-findings">
            {shown
              .filter((finding) => finding.exit === exit)
              .map(({ code, subject, detail }, at) => (
                <li key={at} data-code={code} data-subject={subject}>
                  <strong>{isKey(`verify.code.${code}`) ? t(`verify.code.${code}` as "verify.code.unreadable") : code}</strong>{" "}
                  <code class="break">
                    {code} {subject}
                  </code>
                  <p class="muted break" lang="en">
                    {detail}
                  </p>
                </li>
              ))}
          </ul>
          <p class="note-next">{isKey(`verify.do.${exit}`) && t(`verify.do.${exit}` as "verify.do.3")}</p>
        </div>
      ))}
      {findings.length > drawn && (
        <button type="button" class="small" onClick={() => setDrawn(drawn + DRAWN)}>
          {t("verify.found.more", { count: Math.min(DRAWN, findings.length - drawn) })}
        </button>
      )}
    </>
  );
}

/** The times, when a date can hold them. */
function momentOf(ns: string): number | null {
  const ms = Number(BigInt(ns) / NS_PER_MS);
  return Number.isNaN(new Date(ms).getTime()) ? null : ms;
}

function About({ answer: { case: number, cameras, origin, delivered } }: { answer: Answer }) {
  if (origin === null) return null;
  const [from, to] = delivered === null ? [null, null] : delivered.map(momentOf);
  return (
    <>
      <h3>{t("verify.about")}</h3>
      <dl class="facts">
        <div>
          <dt>{t("verify.about.case")}</dt>
          <dd class="break">{number}</dd>
        </div>
        <div>
          <dt>{t("verify.about.cameras")}</dt>
          <dd class="break">{cameras.join(", ")}</dd>
        </div>
        {typeof from === "number" && typeof to === "number" && (
          <div>
            <dt>{t("verify.about.delivered")}</dt>
            <dd>
              <Moment ms={from} /> – <Moment ms={to} />
            </dd>
          </div>
        )}
        <div>
          <dt>{t("verify.about.origin")}</dt>
          <dd>
            <code class="break">{origin}</code>
          </dd>
        </div>
      </dl>
    </>
  );
}

function Right({ passed }: { passed: Record<string, number> }) {
  const kinds = KINDS.filter((kind) => passed[kind] !== undefined);
  if (kinds.length === 0) return null;
  return (
    <>
      <h3>{t("verify.checked")}</h3>
      <ul class="verify-right">
        {kinds.map((kind) => (
          <li key={kind} data-ok={kind}>
            <Icon name="ok" /> {t(`verify.ok.${kind}`)}: <span class="num">{passed[kind]}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** The program's own lines, in its language. */
function Lines({ text, name }: { text: string; name: string }) {
  const [open, setOpen] = useState(false);
  const [search, setSearch] = useState("");
  const save = () => {
    const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${name}.verdict.txt`;
    link.click();
    URL.revokeObjectURL(url);
  };
  const wanted = search.trim().toLowerCase();
  const lines = open ? text.split("\n").filter((line) => line !== "" && line.toLowerCase().includes(wanted)) : [];
  return (
    <>
      <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{t("verify.lines")}</summary>
        <Search label={t("verify.lines.search")} value={search} change={setSearch} />
        <pre class="verify-lines" tabIndex={0} lang="en" aria-label={t("verify.lines")}>
          {lines.slice(0, LINES_DRAWN).join("\n")}
        </pre>
        {open && lines.length === 0 && <p>{t("verify.lines.none")}</p>}
        {lines.length > LINES_DRAWN && <p class="muted">{t("verify.lines.more", { count: lines.length - LINES_DRAWN })}</p>}
      </details>
      <div class="row">
        <button type="button" onClick={save}>
          <Icon name="download" /> {t("verify.save")}
        </button>
      </div>
    </>
  );
}
