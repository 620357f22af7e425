/** Bookmarks of the case: moments to come back to, for whoever works in it. */

import { useState } from "preact/hooks";
import { api, type Bookmark } from "../api";
import { t } from "../i18n";
import { useAct } from "../lib/hooks";
import { cameraName } from "../lib/session";
import { Icon } from "../ui/icon";
import { Moment, Problem, TextField } from "../ui/parts";

/** What the recorder takes, in characters of any script. */
const WORDS_MAX = 80;

interface Props {
  /** Number of the case. */
  case: string;
  list: readonly Bookmark[];
  reload: () => void;
  /** The form is open. */
  asking: boolean;
  ask: (asking: boolean) => void;
  moment: () => number | null;
  cameras: readonly number[];
  open: (bookmark: Bookmark) => void;
}

export function Bookmarks({ case: number, list, reload, asking, ask, moment, cameras, open }: Props) {
  const [words, setWords] = useState("");
  const act = useAct();
  const at = moment();
  const add = (event: Event) => {
    event.preventDefault();
    const here = moment();
    if (here === null) return;
    act.run(async () => {
      await api.addBookmark(number, { at_utc_ms: Math.round(here), cameras: [...cameras], words: words.trim() });
      setWords("");
      ask(false);
      reload();
    });
  };
  return (
    <section class="panel scene-bookmarks" aria-label={t("scene.bookmarks")}>
      <div class="panel-head">
        <h2>{t("scene.bookmarks")}</h2>
        <button type="button" class="small" aria-expanded={asking} disabled={at === null || cameras.length === 0} onClick={() => ask(!asking)}>
          {t("scene.bookmark.add")} <kbd>B</kbd>
        </button>
      </div>
      {asking && at !== null && (
        <form class="inset" onSubmit={add}>
          <p class="num">
            <Moment ms={at} />
          </p>
          <TextField label={t("scene.bookmark.words")} hint={t("scene.bookmark.words.hint")} value={words} change={setWords} maxLength={WORDS_MAX} focus />
          <div class="row row-end">
            <button type="button" onClick={() => ask(false)}>
              {t("cancel")}
            </button>
            <button type="submit" class="primary" disabled={act.busy}>
              {t("scene.bookmark.save")}
            </button>
          </div>
        </form>
      )}
      <Problem problem={act.problem} />
      {list.length === 0 && !asking && <p class="hint">{t("scene.bookmarks.empty")}</p>}
      <ul class="bookmark-list">
        {list.map((each) => (
          <li key={each.bookmark} data-bookmark={each.bookmark}>
            <button type="button" class="link" onClick={() => open(each)}>
              <Moment ms={each.at_utc_ms} />
            </button>{" "}
            <span class="bookmark-words">{each.words}</span>
            <span class="hint">
              {each.cameras.map(cameraName).join(", ")} · {each.by_name ?? `#${each.by}`}
            </span>
            <button type="button" class="small quiet" disabled={act.busy} aria-label={t("scene.bookmark.remove", { words: each.words })} onClick={() => act.run(() => api.removeBookmark(number, each.bookmark).then(reload))}>
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
