//! Builds everything, in start order, and takes it down in the opposite one.
//!
//! 1. The state directory and the register: accounts, cameras, audit log.
//! 2. The rings: recovered, their indexes brought up to date, the committers at work. The vault opens on a thread of its own.
//! 3. The children: plugins, then the decoder that feeds them. They may fail; recording does not need them.
//! 4. The live hub and the cameras' settings. Only now does footage grow too old: the maximum ages are known, the vault is asked, the audit log is told.
//! 5. The page, not listening yet.
//! 6. Capture, so that the first packet finds everybody in place. Only then does the page listen: recording does not need it.

use crate::config::{self, Config, Storage};
use crate::error::{Error, Result};
use crate::station::analysis::Sinks;
use crate::station::book::{Book, Wrapping};
use crate::station::decisions::DecisionDesk;
use crate::station::desk::CameraDesk;
use crate::station::device_desk::{DeviceDesk, Notices};
use crate::station::encode;
use crate::station::exports::{self, ExportDesk};
use crate::station::footage::Ring;
use crate::station::holds::HoldDesk;
use crate::station::in_force::Journal;
use crate::station::log_keeper::{self, LogKeeper};
use crate::station::log_push;
use crate::station::machine::{self, SysMachine};
use crate::station::page_certificate::PageCertificate;
use crate::station::plugins::{PluginDesk, Shelf, Staffed};
use crate::station::policies::PolicyDesk;
use crate::station::proposals::{ProposalDesk, RuleFeed, RuleWork};
use crate::station::rederive::{Means, RederiveDesk};
use crate::station::report_desk::{self, ReportDesk};
use crate::station::restore::{self, BackupDesk};
use crate::station::sight::{Lookout, Teller};
use crate::station::sink::StationSink;
use crate::station::states::States;
use crate::station::thumbnails::ThumbnailDesk;
use crate::station::transcode;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use watchbook_access::{Action, AuditEntry, AuditLog, Outcome};
use watchbook_base::clock::SystemClock;
use watchbook_base::fs::{Fs, RealFs};
use watchbook_base::{Clock, Kind, TimeRange};
use watchbook_store::register::Register;
use watchbook_store::{Erased, Holds, Keys, Store, VaultConfig};
use watchbook_web::ports::{CameraConfig, Cameras as _, Policies as _, Ports, StreamConfig};
use watchbook_web::{App, AppParts, CaseBook, EventFeed, HashCost, LiveHub, Office, Rights, api};

/// File in the state directory that holds the claim code of an unclaimed station, readable by its owner alone.
const CLAIM_FILE: &str = "claim-code";

/// Folder of the state directory that holds installed plugins.
const DEPOT_DIR: &str = "plugins";
/// Compiled plugins; may be deleted at any time.
const COMPILED_DIR: &str = "compiled-plugins";
/// Bundles that wait to be released and fetched.
const EXPORTS_DIR: &str = "exports";
/// How often the end of developer mode is looked for.
const DEV_MODE_CHECK: Duration = Duration::from_secs(30);

/// The whole recorder.
pub struct Station {
    store: Store,
    holds: Arc<HoldDesk>,
    exports: Arc<ExportDesk>,
    cameras: Arc<CameraDesk>,
    app: App,
    state_dir: PathBuf,
    checkpoints: Arc<LogKeeper>,
    reports: Arc<ReportDesk>,
    restart: Arc<Notify>,
}

impl Station {
    /// Steps 1 to 5. Blocking: recovering a ring may take seconds, rebuilding its index minutes.
    ///
    /// # Errors
    /// When a step cannot be done; the message names the directory.
    pub fn open(config: &Config, runtime: tokio::runtime::Handle) -> Result<Self> {
        let state_dir = config.storage.state_dir.clone();
        let (register, keys) = open_settings(config)?;
        let deps = store_deps(&config.storage, Arc::clone(&register), Arc::clone(&keys));
        let store = open_store(&config.storage, &deps)?;
        let holds = Arc::new(HoldDesk::new(open_holds(&config.storage, &store, &deps)?));
        let (program_dir, shelf) = programs(&config.plugins, &state_dir)?;
        let (event_feed, rules, rule_work) = feeds()?;
        let journal = Arc::new(Journal::open(Arc::clone(&register)).map_err(web_error)?);
        let sinks = Sinks { rules: rules.clone(), journal: Arc::clone(&journal) };
        let staffed = Staffed::open(shelf, (&program_dir, state_dir.join(COMPILED_DIR)), store.writer(), sinks);
        let analysis = Arc::clone(&staffed.analysis);
        let (live, states) = (Arc::new(LiveHub::new()), Arc::new(States::default()));
        let lookout = Lookout::open(&program_dir, Arc::clone(&states), Teller::new(store.writer(), rules.clone()));
        let sink =
            StationSink::new(store.writer(), Arc::clone(&live), Arc::clone(&analysis), Arc::clone(&states), lookout);
        let (minutes, sink) = (sink.minutes(), Arc::new(sink));
        let cameras = CameraDesk::open(Arc::clone(&register), states, Arc::clone(&analysis), sink, runtime.clone());
        let networks = networks(config)?;
        let (book, told) = (Arc::new(Book(Arc::clone(&register))), (store.writer(), rules.clone()));
        let (devices, notices) = DeviceDesk::new(Arc::clone(&register), Arc::clone(&book), told, runtime.clone());
        let (devices, encoding) = (Arc::new(devices), encode::programs(&program_dir));
        let followed =
            |cameras: CameraDesk| cameras.within(networks).with_devices(Arc::clone(&devices)).encoded_by(encoding);
        let cameras = cameras.and_then(|cameras| followed(cameras).keep_ages(store.retention()));
        let cameras = heeding(cameras.map_err(web_error)?, notices);
        let policies = policies(&register, &cameras, config)?;
        let ring = Arc::new(Ring { reader: store.reader(), writer: store.writer(), disks: store.disks() });
        let plugins = watched(&runtime, Arc::new(staffed.desk(Arc::clone(&cameras))), &cameras);
        let checkpoints = sign_checkpoints(&runtime, LogKeeper::open(&register, &keys, &config.storage.ring_dir))?;
        let sources = report_desk::sources(&register, &checkpoints, minutes, &policies);
        let reports = report_desk::start(&runtime, sources, &cameras).map_err(web_error)?;
        let of = Means { reader: store.reader(), journal, plugins: plugins.clone(), program_dir: program_dir.clone() };
        let rederivations = rederivations_of(of, &register, &book)?;
        let (exports, cases, asked) =
            open_exports((config, program_dir.clone()), (&store, &checkpoints, &cameras), (&register, &keys, &book))?;
        let (backups, restart) = BackupDesk::new(Arc::clone(&register));
        let certificates = PageCertificate::start(&config.web, (&register, &keys), &runtime).map_err(web_error)?;
        let proposals = Arc::new(ProposalDesk::open(register, Arc::clone(&book), rules).map_err(web_error)?);
        let proposals = started(proposals, |desk| desk.start(rule_work, analysis, Arc::clone(&cameras)))?;
        keep_ages(&store, &book, &holds)?;
        let ports = Ports {
            register: book.clone(),
            cases,
            audit: book,
            cameras: cameras.clone(),
            devices,
            footage: ring.clone(),
            thumbnails: Arc::new(ThumbnailDesk::new(&program_dir)),
            events: ring.clone(),
            plugins,
            health: ring.clone(),
            retention: ring,
            holds: holds.clone(),
            exports: exports.clone(),
            decisions: asked,
            proposals,
            rederivations,
            checkpoints: Arc::clone(&checkpoints) as _,
            secrets: Arc::new(Wrapping(keys)),
            reports: Arc::clone(&reports) as _,
            policies,
            transcoders: Arc::new(transcode::Programs { program_dir, writer: store.writer() }),
            backups,
            machine: watched_machine(&runtime),
            certificates,
        };
        let app = app_of(ports, (live, event_feed), config.public.office())?;
        Ok(Self { store, holds, exports, cameras, app, state_dir, checkpoints, reports, restart })
    }

    /// Step 6.
    pub fn start(&self) {
        self.cameras.start_all();
    }

    /// Ends all recordings with the reason `Restart`.
    pub async fn stop_capture(&self) {
        self.cameras.stop_all().await;
    }

    /// Commits what waits and closes the ring. Erasing ends first: without the vault nobody can tell what is still to be copied.
    pub fn close(self) {
        if let Some(retention) = self.store.retention() {
            retention.stop();
        }
        self.exports.stop();
        self.reports.end();
        self.holds.close();
        if let Err(error) = self.store.close() {
            tracing::error!(%error, "the last commit may be lost");
        }
        // With what was logged until now. The footage is safe: a state directory that hangs holds up nothing but the end.
        self.checkpoints.end();
    }

    /// Told when the program is to start again.
    pub fn restart(&self) -> Arc<Notify> {
        Arc::clone(&self.restart)
    }

    /// The web application.
    pub fn app(&self) -> App {
        self.app.clone()
    }

    /// Number of cameras.
    pub fn camera_count(&self) -> usize {
        self.cameras.count()
    }

    /// The claim code of a station that nobody has claimed, which is also kept in the state directory; `None` afterwards.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn claim_code(&self) -> Result<Option<String>> {
        let file = self.state_dir.join(CLAIM_FILE);
        match self.app.claim_code() {
            Some(code) => {
                write_private(&file, &format!("{code}\n"))?;
                Ok(Some(code))
            }
            None => match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::io(format!("removing {}", file.display()), &error))
                }
                _ => Ok(None),
            },
        }
    }
}

/// The register in the state directory, with its secrets sealed, a restore that waits put in force; and the keys that it took.
fn open_settings(config: &Config) -> Result<(Arc<Register>, Arc<Keys>)> {
    let state_dir = &config.storage.state_dir;
    make_private_dir(state_dir)?;
    let register = Arc::new(Register::open(&state_dir.join("register"), Arc::new(SystemClock)).map_err(store_error)?);
    let keys = Arc::new(open_keys(&config.storage, true)?);
    register.seal_rows(Arc::clone(&keys), &restore::SECRET_ROWS).map_err(store_error)?;
    restore::finish(&register).map_err(web_error)?;
    Ok((register, keys))
}

/// What rules propose, with its thread.
fn started(
    desk: Arc<ProposalDesk>,
    start: impl FnOnce(&Arc<ProposalDesk>) -> std::io::Result<()>,
) -> Result<Arc<ProposalDesk>> {
    start(&desk).map_err(|error| Error::io("starting the thread for rules", &error))?;
    Ok(desk)
}

/// What is looked at now and then.
fn watched(runtime: &tokio::runtime::Handle, plugins: Arc<PluginDesk>, cameras: &Arc<CameraDesk>) -> Arc<PluginDesk> {
    watch_dev_mode(runtime, Arc::downgrade(&plugins));
    watch_clocks(runtime, Arc::downgrade(cameras));
    plugins
}

/// Stops unsigned plugins within a minute of the end of developer mode.
fn watch_dev_mode(runtime: &tokio::runtime::Handle, plugins: Weak<PluginDesk>) {
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(DEV_MODE_CHECK).await;
            let Some(plugins) = plugins.upgrade() else { return };
            let refreshed = tokio::task::spawn_blocking(move || plugins.refresh_ended()).await;
            if let Ok(Err(error)) = refreshed {
                tracing::error!(%error, "plugins that may no longer run could not be stopped; it is tried again");
            }
        }
    });
}

/// What the station holds to; the cameras that the configuration file brings along begin under it.
fn policies(register: &Arc<Register>, cameras: &CameraDesk, config: &Config) -> Result<Arc<PolicyDesk>> {
    let desk = PolicyDesk::open(Arc::clone(register), Arc::new(SystemClock), &config.public.policies_dir);
    let desk = Arc::new(desk.map_err(web_error)?);
    seed(cameras, config, &desk)?;
    Ok(desk)
}

/// The exports, with the threads that make them and write them to other disks; the cases, in which each is asked for; and what approvers elsewhere are asked about them.
fn open_exports(
    (config, program_dir): (&Config, PathBuf),
    (store, keeper, cameras): (&Store, &Arc<LogKeeper>, &Arc<CameraDesk>),
    (register, keys, book): (&Arc<Register>, &Arc<Keys>, &Arc<Book>),
) -> Result<(Arc<ExportDesk>, Arc<CaseBook>, Arc<DecisionDesk>)> {
    let book = Arc::clone(book);
    let cases = Arc::new(CaseBook::load(book.clone()).map_err(web_error)?);
    let means = exports::Means {
        reader: store.reader(),
        writer: store.writer(),
        disks: store.disks(),
        keeper: Arc::clone(keeper),
        cameras: Arc::clone(cameras),
        sealing: exports::Sealing::new(Arc::clone(register), Arc::clone(keys)),
        rights: Rights::new(book.clone(), cases.clone(), Arc::new(SystemClock)),
        places: exports::Places::new(&config.exports),
        program_dir,
    };
    let desk = ExportDesk::open(means, Arc::clone(register), book, &config.storage.state_dir.join(EXPORTS_DIR));
    let desk = Arc::new(desk.map_err(web_error)?);
    desk.start().map_err(|error| Error::io("starting the threads that make exports", &error))?;
    let named = Arc::clone(keeper);
    let asked = Arc::new(DecisionDesk::new(register, move || named.origin()));
    Ok((desk, cases, asked))
}

/// Where the child programs are, and the plugins that can be had.
fn programs(plugins: &config::Plugins, state_dir: &Path) -> Result<(PathBuf, Shelf)> {
    Ok((program_dir(&plugins.program_dir)?, Shelf::open(&plugins.dir, &state_dir.join(DEPOT_DIR))))
}

/// The desk of the cameras, which heeds from now on what devices say.
fn heeding(cameras: CameraDesk, notices: Notices) -> Arc<CameraDesk> {
    let cameras = Arc::new(cameras);
    cameras.heed(notices);
    cameras
}

/// The machine, which is looked at from now on.
fn watched_machine(runtime: &tokio::runtime::Handle) -> Arc<SysMachine> {
    let machine = Arc::new(SysMachine::new(Arc::new(SystemClock)));
    machine::watch(runtime, &machine);
    machine
}

/// Where cameras may be.
fn networks(config: &Config) -> Result<watchbook_capture::Networks> {
    let parsed = watchbook_capture::Networks::parse(&config.cameras.networks);
    parsed.map_err(|error| Error::new(error.kind, error.message))
}

/// Where new events go: to the pages that are open, and to the rules. The number tells this start of the recorder apart from the one before.
fn feeds() -> Result<(Arc<EventFeed>, RuleFeed, RuleWork)> {
    let start = getrandom::u32()
        .map_err(|error| Error::new(Kind::Unavailable, format!("asking for a random number: {error}")))?;
    let pages = Arc::new(EventFeed::new(start));
    let (rules, work) = RuleFeed::new(Arc::clone(&pages));
    Ok((pages, rules, work))
}

fn app_of(ports: Ports, (live, event_feed): (Arc<LiveHub>, Arc<EventFeed>), office: Office) -> Result<App> {
    let (clock, version) = (Arc::new(SystemClock), env!("CARGO_PKG_VERSION").to_owned());
    App::load(AppParts { ports, live, event_feed, clock, hash_cost: HashCost::default(), version, office })
        .map_err(web_error)
}

/// Signs the audit log while it grows, and sends what is signed to witnesses.
fn sign_checkpoints(runtime: &tokio::runtime::Handle, keeper: LogKeeper) -> Result<Arc<LogKeeper>> {
    let kept = Arc::new(keeper);
    log_push::start(&kept).map_err(|error| Error::io("starting the thread that sends checkpoints", &error))?;
    let checkpoints = Arc::downgrade(&kept);
    runtime.spawn(async move {
        loop {
            let Some(keeper) = checkpoints.upgrade() else { return };
            let ticking = Arc::clone(&keeper);
            if tokio::task::spawn_blocking(move || ticking.tick()).await.is_err() {
                keeper.broken_off();
            }
            drop(keeper);
            tokio::time::sleep(log_keeper::EVERY).await;
        }
    });
    Ok(kept)
}

/// Derives events again when somebody asks.
fn rederivations_of(means: Means, register: &Arc<Register>, book: &Arc<Book>) -> Result<Arc<RederiveDesk>> {
    let desk = RederiveDesk::open(means, Arc::clone(register), Arc::clone(book)).map_err(web_error)?;
    let desk = Arc::new(desk);
    desk.start().map_err(|error| Error::io("starting the thread that derives events again", &error))?;
    Ok(desk)
}

/// Keeps how far the cameras' clocks are off.
fn watch_clocks(runtime: &tokio::runtime::Handle, cameras: Weak<CameraDesk>) {
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(crate::station::clocks::EVERY).await;
            let Some(cameras) = cameras.upgrade() else { return };
            let looked = tokio::task::spawn_blocking(move || cameras.look_at_clocks()).await;
            if let Ok(Err(error)) = looked {
                tracing::warn!(%error, "how far the cameras' clocks are off could not be kept; it is tried again in a minute");
            }
        }
    });
}

/// One entry of the audit log for erased hours of one camera, by nobody's account. True once it is durable.
fn note_erasure(log: &dyn AuditLog, erased: &[Erased]) -> bool {
    let hours = || erased.iter().map(|one| one.hour_utc);
    let (Some(camera), Some(first), Some(last)) = (erased.first().map(|one| one.camera), hours().min(), hours().max())
    else {
        return true;
    };
    let range = TimeRange { start: first, end: last.plus_nanos(watchbook_store::keys::KEY_NANOS) };
    let action = Action::Erase { camera, hours: u64::try_from(erased.len()).unwrap_or(u64::MAX), range };
    let noted = log.append(&AuditEntry { account: None, action, outcome: Outcome::Allowed });
    if let Err(error) = &noted {
        tracing::error!(%camera, ?error, "an erasure could not be written to the audit log; it is tried again");
    }
    noted.is_ok()
}

fn store_deps(storage: &Storage, register: Arc<Register>, keys: Arc<Keys>) -> watchbook_store::Deps {
    let state_dir = storage.state_dir.clone();
    let index: watchbook_store::OpenIndex = Arc::new(move |disk| watchbook_store::open_index(&state_dir, disk));
    let (fs, clock): (Arc<dyn Fs>, Arc<dyn Clock>) = (Arc::new(RealFs), Arc::new(SystemClock));
    watchbook_store::Deps { fs, clock, index, keys: Some(keys), register: Some(register) }
}

/// The vault, unless the configuration gives it no room. Its disk may be away.
fn open_holds(storage: &Storage, store: &Store, deps: &watchbook_store::Deps) -> Result<Option<Holds>> {
    let quota_bytes = storage.vault_bytes();
    if quota_bytes == 0 {
        return Ok(None);
    }
    let vault = VaultConfig { dir: storage.vault_path(), quota_bytes, register: deps.register.clone() };
    Holds::open(store, vault, deps).map(Some).map_err(store_error)
}

fn open_store(storage: &Storage, deps: &watchbook_store::Deps) -> Result<Store> {
    let store = Store::open(&store_configs(storage), deps).map_err(store_error)?;
    for opened in store.opened() {
        tracing::info!(disk = %opened.disk, index_rebuilt = opened.index_rebuilt, "the ring is open");
    }
    Ok(store)
}

/// The keys of all footage; for a check as they are, without making or mending any.
pub fn open_keys(storage: &Storage, may_change: bool) -> Result<Keys> {
    use watchbook_store::{MasterSource, Place};
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let master = MasterSource::parse(&storage.master_key, &storage.state_dir).map_err(store_error)?;
    let places = Place::usual(&fs, &storage.state_dir, &storage.ring_dir);
    let open = if may_change { Keys::open } else { Keys::open_existing };
    open(places, &master, &*fs, Arc::new(SystemClock)).map_err(store_error)
}

/// What the store needs of the configuration: one ring a disk.
pub fn store_configs(storage: &Storage) -> Vec<watchbook_store::Config> {
    let config = |(dir, bytes): (&Path, u64)| watchbook_store::Config {
        segment_bytes: (storage.segment_mib > 0).then_some(storage.segment_mib << 20),
        commit_interval_ms: storage.commit_interval_ms,
        ..watchbook_store::Config::new(dir, bytes)
    };
    storage.rings().into_iter().map(config).collect()
}

/// Where the child programs are: as configured, else beside this program.
pub fn program_dir(configured: &Path) -> Result<PathBuf> {
    if !configured.as_os_str().is_empty() {
        return Ok(configured.to_owned());
    }
    let own = std::env::current_exe().map_err(|error| Error::io("asking where this program is", &error))?;
    Ok(own.parent().map(Path::to_owned).unwrap_or_default())
}

/// Erases what has reached its maximum age from now on, with an entry in the log; never what a hold still has to copy.
fn keep_ages(store: &Store, book: &Arc<Book>, holds: &Arc<HoldDesk>) -> Result<()> {
    let Some(retention) = store.retention() else { return Ok(()) };
    let (log, held) = (Arc::clone(book), Arc::clone(holds));
    retention.wait_for_holds(Box::new(move |camera, range| held.needs(camera, range)));
    retention.subscribe(Box::new(move |erased| note_erasure(&*log, erased)));
    retention.start().map_err(store_error)
}

/// Adds the cameras of the configuration file to a station that has none.
fn seed(cameras: &CameraDesk, config: &Config, policies: &PolicyDesk) -> Result<()> {
    if cameras.count() > 0 {
        return Ok(());
    }
    let (seeds, now) = (&config.camera, SystemClock.utc());
    for seed in seeds {
        let refused = |why: String| Error::new(Kind::InvalidInput, format!("[[camera]] {:?}: {why}", seed.name));
        let transport = match seed.transport.as_str() {
            "tcp" => api::Transport::Tcp,
            "udp" => api::Transport::Udp,
            other => return Err(refused(format!("transport {other:?}; tcp or udp is allowed"))),
        };
        let parse = |text: &str| watchbook_capture::SourceUrl::parse(text).map_err(|error| refused(error.message));
        let (main, credentials) = parse(&seed.main_url)?;
        let sub = seed.sub_url.as_deref().map(parse).transpose()?.map(|(url, _)| url);
        let interval_ms = seed.interval_ms;
        if interval_ms.is_some_and(|ms| !watchbook_capture::config::INTERVAL_MS.contains(&ms)) {
            return Err(refused(format!("interval_ms {}; 200 to 5000 is allowed", interval_ms.unwrap_or_default())));
        }
        let stream =
            |url: &watchbook_capture::SourceUrl| StreamConfig { url: url.as_str().to_owned(), transport, interval_ms };
        let plugin = |id: &String| api::PluginBinding {
            plugin: id.clone(),
            enabled: true,
            settings: serde_json::Map::new(),
            zones: Vec::new(),
        };
        let contact = Some(seed.contact.trim()).filter(|contact| !contact.is_empty());
        let contact = contact.unwrap_or(config.public.contact.trim());
        let config = CameraConfig {
            name: seed.name.clone(),
            main: stream(&main),
            sub: sub.as_ref().map(stream),
            username: credentials.as_ref().map(|credentials| credentials.username.clone()),
            password: credentials.map(|credentials| api::Secret::new(credentials.password)),
            record_audio: false,
            audio_purpose: String::new(),
            purpose: seed.purpose.trim().to_owned(),
            contact: contact.to_owned(),
            reviewed_utc_ms: Some(now.as_ms()),
            certificate: None,
            // Nothing is recorded before somebody says what for and who answers for it; the page has an alarm about it.
            enabled: !seed.purpose.trim().is_empty() && !contact.is_empty(),
            masks: Vec::new(),
            retention_days_max: policies.in_force().rules.retention_days,
            importance: watchbook_base::Importance::default(),
            plugins: seed.plugins.iter().map(plugin).collect(),
            device: None,
        };
        if !config.enabled {
            tracing::warn!(
                camera = config.name,
                "the configuration file does not say what this camera is there for, or who answers for it; it is added switched off. State purpose and contact on the page"
            );
        }
        cameras.create(config).map_err(web_error)?;
    }
    Ok(())
}

/// Makes the state directory for its owner alone: camera passwords and the accounts' hashes lie in it. One that is there already is narrowed.
fn make_private_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)))
        .map_err(|error| Error::io(format!("making the state directory {} private", dir.display()), &error))
}

fn write_private(file: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let opened = options.create(true).write(true).truncate(true).mode(0o600).open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .map_err(|error| Error::io(format!("writing {}", file.display()), &error))
}

/// A failure of the store in the program's words.
pub fn store_error(error: watchbook_store::Error) -> Error {
    Error::new(error.kind, error.message)
}

pub fn web_error(error: watchbook_web::Error) -> Error {
    Error::new(error.kind, error.message)
}
