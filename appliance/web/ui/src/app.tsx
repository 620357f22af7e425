/** The frame around every page: who may see what, navigation, and the door for those who are not signed in. */

import { useEffect } from "preact/hooks";
import { api } from "./api";
import { locale, t } from "./i18n";
import { devModeUntil, followDevMode } from "./lib/dev-mode";
import { groupsOf } from "./lib/nav";
import { mayOpen, PAGE_ROLES } from "./lib/roles";
import { go, link, REPORT_PATH, type PageName, type Route, route } from "./lib/router";
import { asApiError, followCameras, session, start, started, startProblem, status } from "./lib/session";
import { AccountPage } from "./pages/account";
import { AuditPage } from "./pages/audit";
import { CameraEdit } from "./pages/camera-edit";
import { CameraList } from "./pages/camera-list";
import { CaseNew } from "./pages/case-new";
import { CasesPage } from "./pages/cases";
import { CountsPage } from "./pages/counts";
import { EventsPage } from "./pages/events";
import { ExportsPage } from "./pages/exports";
import { FirstRun } from "./pages/first-run";
import { HealthPage } from "./pages/health";
import { HoldNew } from "./pages/hold-new";
import { HoldsPage } from "./pages/holds";
import { LiveOne } from "./pages/live-one";
import { PeoplePage } from "./pages/people";
import { PluginsPage } from "./pages/plugins";
import { ProposalsPage } from "./pages/proposals";
import { PolicyPage } from "./pages/policy";
import { ReportPage } from "./pages/report";
import { RequestNew } from "./pages/request-new";
import { RequestPage } from "./pages/request-one";
import { RequestsPage } from "./pages/requests";
import { ReviewsPage } from "./pages/reviews";
import { ScenePage } from "./pages/scene";
import { SettingsPage } from "./pages/settings";
import { SignPage } from "./pages/sign";
import { TimelinePage } from "./pages/timeline";
import { VerifyPage } from "./pages/verify";
import { Wall } from "./pages/wall";
import { Claim, SignIn } from "./pages/welcome";
import { LanguageChoice } from "./ui/language";
import { Logo } from "./ui/logo";
import { Navigation } from "./ui/navigation";
import { Empty, Loading, Moment, Problem } from "./ui/parts";
import { SecondFactorDialog } from "./ui/second-factor";

/** Pages that are reached from another one light up that one in the navigation. */
const NAV_PARENT: Partial<Record<PageName, PageName>> = { live: "wall", camera_edit: "cameras", first_run: "cameras", case_new: "cases", hold_new: "holds", request: "requests", request_new: "requests", sign: "cameras" };

export function App() {
  // Reading the locale here redraws the whole page when it changes.
  const language = locale.value;
  // For everybody, whether or not the recorder is claimed.
  if (location.pathname === REPORT_PATH) return <ReportPage key={language} />;
  if (startProblem.value !== null) {
    return (
      <main class="door" lang={language}>
        <Logo />
        <Problem problem={startProblem.value} retry={() => void start()} />
      </main>
    );
  }
  if (!started.value || status.value === null) return <Loading />;
  if (!status.value.claimed) return <Claim />;
  if (session.value === null) return <SignIn />;
  return <Station key={language} />;
}

function Station() {
  useEffect(() => followCameras(), []);
  useEffect(() => followDevMode(), []);
  const here = route.value;
  const nav = groupsOf((page) => mayOpen(session.value, page));
  // The bare address leads everybody to the first page that they may open.
  const first = nav[0]?.entries[0];
  useEffect(() => {
    if (location.hash === "" && first !== undefined) location.replace(first.hash);
  }, [first?.hash]);
  const lit = NAV_PARENT[here.page] ?? here.page;
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>
        {t("nav.skip")}
      </a>
      <header class="top">
        <Logo />
        <Navigation groups={nav} lit={lit} />
        <div class="top-end">
          <LanguageChoice />
          <a class="who" href={link.account} aria-current={lit === "account" ? "page" : undefined}>
            {session.value?.account.name}
          </a>
          <SignOut />
        </div>
      </header>
      {devModeUntil.value !== null && (
        <div class="banner" role="status" data-dev-mode>
          {t("dev.banner")} <Moment ms={devModeUntil.value} />
          {mayOpen(session.value, "plugins") && <a href={link.plugins}>{t("dev.banner.off")}</a>}
        </div>
      )}
      <main id="main" tabIndex={-1}>
        <Page here={here} />
      </main>
      <SecondFactorDialog />
    </>
  );
}

function SignOut() {
  const leave = () => {
    api.signOut().then(
      () => {
        session.value = null;
        go(link.wall);
      },
      (error: unknown) => {
        if (asApiError(error).status !== 401) startProblem.value = asApiError(error);
      },
    );
  };
  return (
    <button type="button" class="quiet" onClick={leave}>
      {t("nav.sign_out")}
    </button>
  );
}

function Page({ here }: { here: Route }) {
  const { page } = here;
  if (!mayOpen(session.value, page)) return <NotYours page={page} />;
  switch (page) {
    case "wall":
      return <Wall />;
    case "live":
      return <LiveOne key={here.id} id={here.id ?? 0} />;
    case "timeline":
      return <TimelinePage id={here.id} />;
    case "scene":
      return <ScenePage />;
    case "cameras":
      return <CameraList />;
    case "camera_edit":
      return <CameraEdit key={here.id} id={here.id} />;
    case "first_run":
      return <FirstRun />;
    case "counts":
      return <CountsPage />;
    case "events":
      return <EventsPage />;
    case "reviews":
      return <ReviewsPage />;
    case "policy":
      return <PolicyPage />;
    case "settings":
      return <SettingsPage />;
    case "proposals":
      return <ProposalsPage />;
    case "exports":
      return <ExportsPage />;
    case "requests":
      return <RequestsPage />;
    case "request":
      return <RequestPage key={here.id} id={here.id ?? 0} />;
    case "request_new":
      return <RequestNew />;
    case "sign":
      return <SignPage key={here.id} id={here.id ?? 0} />;
    case "cases":
      return <CasesPage />;
    case "case_new":
      return <CaseNew />;
    case "holds":
      return <HoldsPage />;
    case "hold_new":
      return <HoldNew />;
    case "plugins":
      return <PluginsPage />;
    case "people":
      return <PeoplePage />;
    case "health":
      return <HealthPage />;
    case "audit":
      return <AuditPage />;
    case "verify":
      return <VerifyPage />;
    case "account":
      return <AccountPage />;
    case "unknown":
      return (
        <Empty title={t("unknown.title")}>
          <a href={link.wall}>{t("unknown.back")}</a>
        </Empty>
      );
  }
}

function NotYours({ page }: { page: PageName }) {
  const roles = PAGE_ROLES[page].map((role) => t(`role.${role}`)).join(", ");
  return (
    <Empty title={t("not_yours.title", { roles })}>
      <p>{t("not_yours.next", { roles, name: session.value?.account.name ?? "" })}</p>
      <a href={link.account}>{t("not_yours.account")}</a>
    </Empty>
  );
}
