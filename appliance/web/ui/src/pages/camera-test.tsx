/** What a test of a camera found, or why it found nothing. */

import type { FoundStream, TestResult } from "../api";
import { t, word } from "../i18n";
import { Note } from "../ui/parts";

export function TestReport({ result }: { result: TestResult }) {
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
        </Note>
      )}
    </div>
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
