/** What a test of a camera found, or why it found nothing. */

import type { FoundStream, TestResult } from "../api";
import { t, word } from "../i18n";
import { Note } from "../ui/parts";

interface TestReportProps {
  result: TestResult;
  /** The certificate that the form has. */
  trusted: string;
  trust: (certificate: string) => void;
}

export function TestReport({ result, trusted, trust }: TestReportProps) {
  const shown = result.problem?.certificate_sha256 ?? null;
  return (
    <div class="test-report" data-test-ok={result.ok}>
      {result.ok && (
        <Note kind="good">
          <p>{t("camera.test.ok")}</p>
        </Note>
      )}
      <Found name={t("camera.main")} found={result.main} />
      <Found name={t("camera.sub")} found={result.sub} />
      {result.problem !== null && (
        <Note kind="bad">
          <p>
            <strong>{word("reason", result.problem.reason)}</strong>
          </p>
          <p>{result.problem.detail}</p>
          {result.problem.next_step !== null && <p class="note-next">{result.problem.next_step}</p>}
          {shown !== null && <Certificate shown={shown} taken={shown === trusted} trust={() => trust(shown)} />}
        </Note>
      )}
    </div>
  );
}

/** The first time a person looks at a camera's certificate, and decides. */
export function Certificate({ shown, taken, trust }: { shown: string; taken: boolean; trust: () => void }) {
  return (
    <>
      <p>{t("camera.certificate.shown")}</p>
      <p>
        <code data-certificate>{shown}</code>
      </p>
      <p>{t("camera.certificate.compare")}</p>
      {taken ? (
        <p>{t("camera.certificate.trusted")}</p>
      ) : (
        <button type="button" onClick={trust}>
          {t("camera.certificate.trust")}
        </button>
      )}
    </>
  );
}

function Found({ name, found }: { name: string; found: FoundStream | null }) {
  if (found === null) return null;
  return (
    <p class="num">
      <span class="muted">{name}:</span> {found.codec} · {found.width} × {found.height} · {typeof found.interval_ms === "number" ? t("camera.test.single", { seconds: found.interval_ms / 1_000 }) : t("camera.test.moving")} · {found.has_audio ? t("camera.test.audio") : t("camera.test.no_audio")}
    </p>
  );
}
