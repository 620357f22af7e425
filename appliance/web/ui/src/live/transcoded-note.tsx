/** Says on a picture that it is not the recorded one. */

import { t } from "../i18n";

/** `brief`: for a small tile; the whole sentence is read out and shown on rest. */
export function TranscodedNote({ brief = false }: { brief?: boolean }) {
  return (
    <p class="picture-transcoded" role="note" title={t("transcode.note")}>
      {brief ? (
        <>
          <span aria-hidden="true">{t("transcode.brief")}</span>
          <span class="visually-hidden">{t("transcode.note")}</span>
        </>
      ) : (
        t("transcode.note")
      )}
    </p>
  );
}
