/** The machine under the recorder: temperatures and network, and what to do when one of them is not well. */

import { api } from "../api";
import { t } from "../i18n";
import { useLoaded } from "../lib/hooks";
import { Note, Problem } from "../ui/parts";

const EVERY_MS = 10_000;

export function MachinePanel() {
  const machine = useLoaded(api.machine, "machine", EVERY_MS);
  const { temperatures = [], networks = [] } = machine.data ?? {};
  const lost = networks.filter((one) => one.link === false);
  return (
    <section class="panel" data-machine>
      <h2>{t("machine.title")}</h2>
      <Problem problem={machine.problem} retry={machine.reload} />
      {lost.length > 0 && networks.length === lost.length && <Note kind="bad">{t("machine.no_link")}</Note>}
      <h3>{t("machine.temperatures")}</h3>
      {machine.data !== null && temperatures.length === 0 && <p class="muted">{t("machine.no_temperatures")}</p>}
      <ul>
        {temperatures.map((one, index) => (
          // Two sensors can have the same name.
          <li key={`${one.place} ${index}`}>
            {one.place}: <span class="num">{one.celsius.toFixed(0)} °C</span>{" "}
            {one.too_hot && <strong>{t("machine.too_hot")} </strong>}
            <span class="muted">{t("machine.hot_at", { celsius: one.hot_celsius.toFixed(0) })}</span>{" "}
            {one.critical_celsius !== null && <span class="muted">{t("machine.critical", { celsius: one.critical_celsius.toFixed(0) })}</span>}
          </li>
        ))}
      </ul>
      <h3>{t("machine.networks")}</h3>
      {machine.data !== null && networks.length === 0 && <p class="muted">{t("machine.no_networks")}</p>}
      <ul>
        {networks.map((one, index) => (
          <li key={`${one.name} ${index}`}>
            {one.name}: {t(one.link === null ? "machine.link.unknown" : one.link ? "machine.link.up" : "machine.link.down")}
            {one.speed_mbit !== null && <span class="num"> {t("machine.speed", { mbit: one.speed_mbit })}</span>}{" "}
            <span class="muted">{t("machine.faults", { damaged: one.damaged_in, failed: one.failed_out, dropped: one.dropped })}</span>
          </li>
        ))}
      </ul>
      <p class="muted">{t("machine.smart")}</p>
    </section>
  );
}
