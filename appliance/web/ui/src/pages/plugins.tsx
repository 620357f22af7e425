/** Plugins of the station: what is installed, what it may do and what it costs; installing, approving, rolling back, removing. */

import { useRef, useState } from "preact/hooks";
import { api, type PluginInfo } from "../api";
import { t } from "../i18n";
import { useAct, useLoaded, useTitle } from "../lib/hooks";
import { found } from "../lib/search";
import { sizeText } from "../lib/time";
import { Icon } from "../ui/icon";
import { Empty, Loading, Note, Problem } from "../ui/parts";
import { Progress } from "../ui/progress";
import { NothingFound, Search } from "../ui/search";
import { PluginCard } from "./plugin-card";
import { pluginName } from "./plugin-words";
import { DevModePanel, PublishersPanel, TriedOutPanel } from "./publishers";

const EVERY_MS = 3_000;
/** What the recorder takes at most. */
const PACKAGE_BYTES_MAX = 16 * 1024 * 1024;
const SHOWN = ["all", "waiting", "faulty"] as const;
type Shown = (typeof SHOWN)[number];

const faulty = (plugin: PluginInfo) => plugin.state === "failed" || plugin.state === "restarting" || plugin.last_error !== null;

export function PluginsPage() {
  useTitle(t("nav.plugins"));
  const list = useLoaded(api.plugins, "plugins", EVERY_MS);
  const [search, setSearch] = useState("");
  const [which, setWhich] = useState<Shown>("all");
  const all = list.data ?? [];
  const chosen = all.filter((plugin) => which === "all" || (which === "waiting" ? plugin.waiting !== null : faulty(plugin)));
  const shown = chosen.filter((plugin) => found(search, pluginName(plugin.id), plugin.id, plugin.version, plugin.summary, plugin.running?.publisher, plugin.waiting?.publisher));
  const showAll = () => {
    setSearch("");
    setWhich("all");
  };
  return (
    <div class="narrow">
      <div class="page-head">
        <h1>{t("nav.plugins")}</h1>
        <div class="row row-end">
          <Search label={t("plugins.search")} value={search} change={setSearch} />
        </div>
      </div>
      <p class="muted lead">{t("plugins.page")}</p>
      <Upload done={list.reload} />
      <Problem problem={list.problem} retry={list.reload} />
      {list.data === null && list.problem === null && <Loading />}
      {all.length > 0 && (
        <div class="segmented" role="group" aria-label={t("plugins.which")}>
          {SHOWN.map((each) => (
            <button key={each} type="button" aria-pressed={each === which} onClick={() => setWhich(each)}>
              {t(`plugins.which.${each}`)}
            </button>
          ))}
        </div>
      )}
      {list.data?.length === 0 && (
        <Empty title={t("plugins.empty")}>
          <p>{t("plugins.empty.install")}</p>
        </Empty>
      )}
      {all.length > 0 && shown.length === 0 && <NothingFound title={t("plugins.no_match")} showAll={showAll} />}
      <ul class="cards">
        {shown.map((plugin) => (
          <PluginCard key={plugin.id} plugin={plugin} reload={list.reload} />
        ))}
      </ul>
      <PublishersPanel />
      <DevModePanel />
      <TriedOutPanel changed={list.reload} />
    </div>
  );
}

function Upload({ done }: { done: () => void }) {
  const [share, setShare] = useState<number | null>(null);
  const [taken, setTaken] = useState<string | null>(null);
  const [tooLarge, setTooLarge] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const act = useAct();
  const send = (file: File) => {
    setTaken(null);
    setTooLarge(null);
    act.clear();
    if (file.size > PACKAGE_BYTES_MAX) {
      setTooLarge(t("plugins.too_large", { size: sizeText(file.size), most: sizeText(PACKAGE_BYTES_MAX) }));
      return;
    }
    setShare(0);
    act.run(async () => {
      try {
        const plugin = await api.installPlugin(file, setShare);
        setTaken(t("plugins.taken", { name: pluginName(plugin.id), version: plugin.waiting?.version ?? plugin.version }));
        done();
      } finally {
        setShare(null);
        // The same file can be chosen again after it was changed.
        if (input.current !== null) input.current.value = "";
      }
    });
  };
  return (
    <section class="panel" aria-label={t("plugins.install")}>
      <h2>{t("plugins.install")}</h2>
      <p class="muted">{t("plugins.install.what")}</p>
      <label class={act.busy ? "button file-button busy" : "button primary file-button"}>
        <Icon name="plus" /> {t("plugins.choose")}
        <input
          ref={input}
          type="file"
          accept=".wbp"
          class="visually-hidden"
          disabled={act.busy}
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file !== undefined) send(file);
          }}
        />
      </label>
      {share !== null && <Progress label={share < 1 ? t("plugins.uploading") : t("plugins.checking")} share={share} />}
      {tooLarge !== null && (
        <Note kind="bad">
          <p>{tooLarge}</p>
          <p class="note-next">{t("plugins.too_large.next")}</p>
        </Note>
      )}
      <Problem problem={act.problem} />
      {taken !== null && <Note kind="good">{taken}</Note>}
    </section>
  );
}
