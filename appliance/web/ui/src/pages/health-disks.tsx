/** The recording space: all disks together, each disk, and adding or accepting one. */

import { useState } from "preact/hooks";
import { api, type Disk, type RingHealth } from "../api";
import { t } from "../i18n";
import { useAct } from "../lib/hooks";
import { has } from "../lib/roles";
import { nowMs, session } from "../lib/session";
import { daysText, durationText, sizeText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Check, Confirm, Moment, Note, Problem, TextField } from "../ui/parts";
import { Meter, Progress } from "../ui/progress";

export function DiskPanel({ ring, disks, reload }: { ring: RingHealth; disks: readonly Disk[]; reload: () => void }) {
  const [adding, setAdding] = useState(false);
  const share = ring.capacity_bytes > 0 ? ring.used_bytes / ring.capacity_bytes : 0;
  return (
    <section class="panel" aria-label={t("health.ring")}>
      <div class="panel-head">
        <h2>{t("health.ring")}</h2>
        {has(session.value, "admin") && (
          <button type="button" class="small" aria-expanded={adding} onClick={() => setAdding(!adding)}>
            <Icon name="plus" /> {t("disk.add")}
          </button>
        )}
      </div>
      {adding && (
        <AddDisk
          done={() => {
            setAdding(false);
            reload();
          }}
        />
      )}
      <Meter label={t("health.ring")} share={share} />
      <p class="num">{usedText(ring.used_bytes, ring.capacity_bytes)}</p>
      <p class="muted">{t("health.ring.what")}</p>
      <dl class="facts">
        <Fact name={t("health.oldest")}>
          <Oldest ms={ring.oldest_utc_ms} />
        </Fact>
        {ring.ring_days_now != null && <Fact name={t("health.days")}>{daysText(ring.ring_days_now)}</Fact>}
        <Fact name={t("health.last_commit")}>{ring.last_commit_utc_ms === null ? "–" : <Moment ms={ring.last_commit_utc_ms} />}</Fact>
        <Fact name={t("health.commits")}>{ring.commits}</Fact>
      </dl>
      <ul class="cards disks">
        {disks.map((disk) => (
          <DiskCard key={disk.dir} disk={disk} only={disks.length === 1} reload={reload} />
        ))}
      </ul>
    </section>
  );
}

function usedText(used: number, capacity: number): string {
  const share = capacity > 0 ? Math.min(100, Math.round((used / capacity) * 100)) : 0;
  return t("health.ring.used", { used: sizeText(used), capacity: sizeText(capacity), share });
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Oldest({ ms }: { ms: number | null }) {
  if (ms === null) return <>–</>;
  return (
    <>
      <Moment ms={ms} /> ({durationText(nowMs() - ms)})
    </>
  );
}

function DiskCard({ disk, only, reload }: { disk: Disk; only: boolean; reload: () => void }) {
  const share = disk.capacity_bytes > 0 ? disk.used_bytes / disk.capacity_bytes : 0;
  const { scrub, state } = disk;
  // Nothing is known of a disk that is not there.
  const known = state !== "missing" && state !== "swapped";
  const found = Math.max(scrub.found, scrub.last_pass_found);
  const there = state === "recording" || state === "joining";
  return (
    <li class="card" data-disk={disk.id ?? ""} data-state={disk.state}>
      <div class="card-main">
        <span class={`dot dot-disk-${disk.state}`} aria-hidden="true" />
        <span class="card-title path">{disk.dir}</span>
        <span class={there ? "tag" : "tag tag-bad"}>{t(`disk.${disk.state}`)}</span>
        {!there && (
          <span class="muted">
            {t("live.since")} <Moment ms={disk.since_utc_ms} />
          </span>
        )}
        {disk.id !== null && (
          <span class="muted id num" title={disk.id}>
            {t("disk.id")} {disk.id.slice(0, 8)}
          </span>
        )}
      </div>
      {state !== "recording" && state !== "joining" && (
        <Note kind="bad">
          <p>{t(`disk.${state}.what`)}</p>
          {disk.detail !== null && (
            <p class="muted" lang="en">
              {disk.detail}
            </p>
          )}
          {disk.id !== null && disk.found_id !== null && <Accept id={disk.id} dir={disk.dir} found={disk.found_id} reload={reload} />}
          {disk.id !== null && <Retire disk={disk} id={disk.id} reload={reload} />}
        </Note>
      )}
      {disk.state === "joining" && <Note kind="info">{t("disk.joining.what")}</Note>}
      {disk.index_rebuild !== null && (
        <>
          <Progress label={t("disk.index")} share={disk.index_rebuild} />
          <p class="hint">{t("disk.index.what")}</p>
        </>
      )}
      {!only && known && <Meter label={disk.dir} share={share} />}
      {!only && known && <p class="num">{usedText(disk.used_bytes, disk.capacity_bytes)}</p>}
      <dl class="facts">
        {!only && known && (
          <Fact name={t("health.oldest")}>
            <Oldest ms={disk.oldest_utc_ms} />
          </Fact>
        )}
        {!only && known && disk.days_now !== null && <Fact name={t("health.days")}>{daysText(disk.days_now)}</Fact>}
        {!only && there && <Fact name={t("disk.streams")}>{disk.stream_count}</Fact>}
        {!only && there && <Fact name={t("disk.share")}>{t("percent", { percent: Math.round(disk.written_share * 100) })}</Fact>}
        <Fact name={t("disk.scrub.last")}>{scrub.last_pass_utc_ms === null ? t("disk.scrub.never") : <Moment ms={scrub.last_pass_utc_ms} />}</Fact>
        <Fact name={t("disk.damage")}>
          <span class={found > 0 ? "bad" : undefined}>{found}</span>
        </Fact>
      </dl>
      {known && scrub.started_utc_ms !== null && scrub.total_bytes > 0 && (
        <>
          <Progress label={t("disk.scrub")} share={scrub.done_bytes / scrub.total_bytes} />
          {scrub.yields && <p class="hint">{t("disk.scrub.yields")}</p>}
        </>
      )}
    </li>
  );
}

function Accept({ id, dir, found, reload }: { id: string; dir: string; found: string; reload: () => void }) {
  const [asking, setAsking] = useState(false);
  const act = useAct();
  if (!has(session.value, "admin")) return <p class="note-next">{t("disk.accept.ask_admin")}</p>;
  const accept = () =>
    act.run(async () => {
      await api.acceptDisk(id, found);
      setAsking(false);
      reload();
    });
  return (
    <>
      <button type="button" class="small" onClick={() => setAsking(true)}>
        {t("disk.accept")}
      </button>
      {asking && (
        <Confirm title={t("disk.accept.title", { dir })} action={t("disk.accept")} busy={act.busy} confirm={accept} cancel={() => setAsking(false)}>
          <p>{t("disk.accept.what", { old: id.slice(0, 8), found: found.slice(0, 8) })}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </>
  );
}

/** A disk that will not come back: a new one takes its directory, or the directory is no longer used. */
function Retire({ disk, id, reload }: { disk: Disk; id: string; reload: () => void }) {
  const [asking, setAsking] = useState<"replace" | "remove" | null>(null);
  const act = useAct();
  if (!has(session.value, "admin")) return null;
  const { dir } = disk;
  const retire = (replaced: boolean) =>
    act.run(async () => {
      await api.retireDisk(id, replaced);
      setAsking(null);
      reload();
    });
  return (
    <div class="row">
      {disk.state === "missing" && (
        <button type="button" class="small" onClick={() => setAsking("replace")}>
          {t("disk.replace")}
        </button>
      )}
      {disk.added && (
        <button type="button" class="small" onClick={() => setAsking("remove")}>
          {t("disk.remove")}
        </button>
      )}
      {asking !== null && (
        <Confirm
          title={t(`disk.${asking}.title`, { dir })}
          action={t(`disk.${asking}`)}
          busy={act.busy}
          confirm={() => retire(asking === "replace")}
          cancel={() => setAsking(null)}
        >
          <p>{t(`disk.${asking}.what`, { dir, old: id.slice(0, 8) })}</p>
          <Problem problem={act.problem} />
        </Confirm>
      )}
    </div>
  );
}

function AddDisk({ done }: { done: () => void }) {
  const [dir, setDir] = useState("");
  const [size, setSize] = useState("");
  const [sure, setSure] = useState(false);
  const act = useAct();
  const gib = /^\d{1,7}$/.test(size) ? Number(size) : 0;
  const submit = (event: Event) => {
    event.preventDefault();
    act.run(async () => {
      await api.addDisk({ dir: dir.trim(), size_gib: gib });
      done();
    });
  };
  return (
    <form class="inset" onSubmit={submit} aria-label={t("disk.add")}>
      <div class="pair pair-size">
        <TextField label={t("disk.dir")} hint={t("disk.dir.hint")} value={dir} change={setDir} placeholder="/srv/disk2/watchbook" required maxLength={512} focus />
        <TextField label={t("disk.size")} hint={gib > 0 ? sizeText(gib * 2 ** 30) : t("disk.size.hint")} type="number" min={1} max={1_048_576} step={1} value={size} change={setSize} required />
      </div>
      <Note kind="warn">{t("disk.alone")}</Note>
      <Check label={t("disk.alone.sure")} checked={sure} change={setSure} />
      <Problem problem={act.problem} />
      <div class="row row-end">
        <button type="submit" class="primary" disabled={act.busy || !sure || gib === 0 || dir.trim() === ""}>
          {act.busy ? t("disk.adding") : t("disk.add")}
        </button>
      </div>
    </form>
  );
}
