/** What is wrong and needs somebody: in the reader's words, with the recorder's own sentence below. */

import type { Alarm } from "../api";
import { isKey, t, word } from "../i18n";
import { Icon } from "../ui/icon";
import { Moment } from "../ui/parts";

/** Alarms that tell of work under way; the others are faults. */
const MILD: readonly string[] = ["index_rebuilding", "index_behind", "footage_unlogged", "vault_nearly_full", "ring_shrunk", "camera_covered", "machine_hot", "camera_without_purpose", "camera_without_contact", "camera_review_overdue", "camera_beyond_policy"];

export function AlarmList({ alarms, dirOf }: { alarms: readonly Alarm[]; dirOf: (disk: string) => string | null }) {
  if (alarms.length === 0) {
    return (
      <p class="note note-good" role="status">
        <Icon name="ok" />
        <span>{t("alarms.none")}</span>
      </p>
    );
  }
  return (
    <section class="alarms" aria-label={t("alarms.title", { count: alarms.length })}>
      <h2>{t("alarms.title", { count: alarms.length })}</h2>
      <ul>
        {alarms.map((alarm, index) => (
          // Two can be alike in all of this: of two sensors, of two sockets.
          <AlarmRow key={`${alarm.kind} ${alarm.disk ?? ""} ${alarm.camera ?? ""} ${alarm.since_utc_ms ?? ""} ${index}`} alarm={alarm} dir={alarm.disk === null ? null : dirOf(alarm.disk)} />
        ))}
      </ul>
    </section>
  );
}

function AlarmRow({ alarm, dir }: { alarm: Alarm; dir: string | null }) {
  const next = `alarm.${alarm.kind}.next`;
  return (
    <li class={`note note-${MILD.includes(alarm.kind) ? "warn" : "bad"}`} data-alarm={alarm.kind}>
      <Icon name="warn" />
      <div>
        <p>
          <strong>{word("alarm", alarm.kind)}</strong>
          {dir !== null && <span class="path"> {dir}</span>}
          {alarm.since_utc_ms !== null && (
            <span class="muted nowrap">
              {" "}
              · {t("live.since")} <Moment ms={alarm.since_utc_ms} />
            </span>
          )}
        </p>
        {isKey(next) && <p class="note-next">{t(next)}</p>}
        <p class="muted alarm-text" lang="en">
          {alarm.text}
        </p>
      </div>
    </li>
  );
}
