import { render } from "preact";
import { App } from "./app";
import { locale } from "./i18n";
import { startRouter } from "./lib/router";
import { start } from "./lib/session";
import "./style/base.css";
import "./style/counts.css";
import "./style/events.css";
import "./style/first.css";
import "./style/forms.css";
import "./style/nav.css";
import "./style/plugins.css";
import "./style/ptz.css";
import "./style/redact.css";
import "./style/report.css";
import "./style/scene.css";
import "./style/sign.css";
import "./style/storage.css";
import "./style/verify.css";
import "./style/wall.css";
import "./style/timeline.css";

const page = document.getElementById("page");
if (page !== null) {
  document.documentElement.lang = locale.value;
  startRouter();
  render(<App />, page);
  void start();
}
