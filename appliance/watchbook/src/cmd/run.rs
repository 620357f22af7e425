//! `watchbook run`: a small process that starts programs, and the recorder behind its wall, which records and serves until a signal.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::wire::Station;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use watchbook_base::Kind;
use watchbook_confine::recorder as wall;
use watchbook_starter::{BEGIN_AGAIN, Plan};

/// Threads of the asynchronous runtime. Capture is a few microseconds a packet; two threads carry hundreds of streams, more only wake each other.
const RUNTIME_THREADS_MAX: usize = 4;
/// Threads for disk reads of the page, tests of cameras, passwords. Beyond that requests wait.
const BLOCKING_THREADS_MAX: usize = 32;
/// Pause between attempts to listen for the page.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);
/// How long the page's connections may take to end at a stop.
const GOODBYE: Duration = Duration::from_secs(5);

/// Child programs of a recorder.
const PROGRAMS: [&str; 3] = ["watchbook-decode", "watchbook-encode", "watchbook-plugins"];

/// Starts the recorder ([`record`]) and its child programs, until SIGINT or SIGTERM. What starts programs reads nothing but the configuration. `holders`: the socket at which a process under
/// a user of its own is had for each child program.
///
/// # Errors
/// When it cannot start; the message names the file or program.
pub fn run(path: &Path, holders: Option<PathBuf>) -> Result<ExitCode> {
    start_log();
    let config = Config::read(path)?;
    let recorder = std::env::current_exe().map_err(|error| Error::io("asking where this program is", &error))?;
    let programs = child_programs(&config.plugins.program_dir)?;
    let may_run = [programs.as_slice(), std::slice::from_ref(&recorder)].concat();
    let lacks = wall::bind_starter(&may_run).map_err(|error| Error::io("giving up what is not needed", &error))?;
    lacks.missing.iter().for_each(|missing| tracing::warn!(missing, "any program could be started"));
    let arguments = [OsString::from("record"), "--config".into(), path.into()].to_vec();
    let ended = watchbook_starter::run(&Plan { recorder, arguments, programs, holders })
        .map_err(|error| Error::io("starting the recorder", &error))?;
    if let Some(signal) = ended.signal() {
        return Err(Error::new(Kind::Internal, format!("the recorder was ended by signal {signal}")));
    }
    Ok(ended.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Where they are when the configuration says `program_dir` (empty: beside this one).
pub(super) fn child_programs(program_dir: &Path) -> Result<Vec<PathBuf>> {
    let dir = crate::wire::program_dir(program_dir)?;
    Ok(PROGRAMS.iter().map(|name| dir.join(name)).collect())
}

/// Records and serves behind a wall, for the process that [`run`] is.
///
/// # Errors
/// When it cannot start; the message names the file, port or directory.
pub fn record(path: &Path) -> Result<ExitCode> {
    start_log();
    let config = Config::read(path)?;
    // Before the first thread: each is bound by what bound the one that made it.
    let bound = |error: std::io::Error| Error::io("giving up what the recorder does not need", &error);
    let reach = super::reach::of(&config)?;
    let programs = crate::wire::program_dir(&config.plugins.program_dir)?;
    for decisive in super::reach::in_its_own_hands(&reach, &[path, &programs]) {
        let decisive = decisive.display();
        tracing::warn!(%decisive, "this lies where the recorder may write: whoever takes it over decides what the next start runs; keep it elsewhere");
    }
    let mut around = wall::bind(&reach).map_err(bound)?;
    watchbook_starter::behind().map_err(|error| Error::io("finding the process that starts programs", &error))?;
    wall::only_service_calls(&mut around).map_err(bound)?;
    around.missing.iter().for_each(|missing| tracing::warn!(missing, "the recorder's wall is not whole"));
    // Nobody has told it before: this is the start.
    let _ = crate::station::analysis::OWN_WALL.set(around);
    let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, RUNTIME_THREADS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("watchbook")
        .enable_all()
        .build()
        .map_err(|error| Error::io("starting the runtime", &error))?;
    let station = Station::open(&config, runtime.handle().clone())?;
    let outcome = runtime.block_on(serve(&config, &station));
    runtime.shutdown_timeout(GOODBYE);
    station.close();
    match outcome? {
        End::Stop => Ok(ExitCode::SUCCESS),
        End::Restart => Ok(ExitCode::from(BEGIN_AGAIN)),
    }
}

/// Why the recorder ends.
enum End {
    /// It was told to.
    Stop,
    /// It begins again with another configuration.
    Restart,
}

async fn serve(config: &Config, station: &Station) -> Result<End> {
    let (again, restart) = (Arc::new(AtomicBool::new(false)), station.restart());
    let (signal, told) = (stop_signal()?, Arc::clone(&again));
    let mut stop = Box::pin(async move {
        tokio::select! {
            () = signal => {}
            () = restart.notified() => {
                told.store(true, Ordering::Release);
                tracing::info!("starting again: recordings are ended and committed");
            }
        }
    });
    station.start();
    let served = match listen(config.web.listen, &mut stop).await {
        Some(listener) => serve_page(listener, station, stop).await,
        None => Ok(()),
    };
    station.stop_capture().await;
    let end = if again.load(Ordering::Acquire) { End::Restart } else { End::Stop };
    served.map(|()| end)
}

/// Listens for the page, again and again until it works: a port that is taken, or an address that the network gives later, must not keep the cameras
/// from being recorded. `None` when it is time to stop.
async fn listen(address: SocketAddr, stop: &mut (impl Future<Output = ()> + Unpin)) -> Option<TcpListener> {
    let mut told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            Err(error) if !told => {
                tracing::error!(%address, %error, "the page cannot be served (web.listen; is another program using the port?); cameras are recorded, and it is tried again");
                told = true;
            }
            Err(_) => {}
        }
        tokio::select! {
            () = &mut *stop => return None,
            () = tokio::time::sleep(LISTEN_AGAIN) => {}
        }
    }
}

async fn serve_page(
    listener: TcpListener,
    station: &Station,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let address = listener.local_addr().map_err(|error| Error::io("asking for the page's address", &error))?;
    // The code is also on the page's machine: a closed terminal or a full state disk is no reason to stop recording.
    if let Err(error) = announce(station, address) {
        tracing::error!(%error, "the page's address or the claim code could not be told");
    }
    let served = watchbook_web::serve(listener, station.app(), stop).await;
    served.map_err(|error| Error::new(Kind::Io, format!("serving the page on {address}: {error}")))
}

/// Prints where the page is and, while nobody has claimed the station, the code that claims it.
fn announce(station: &Station, address: SocketAddr) -> Result<()> {
    use std::io::Write as _;
    let mut text = format!("Watchbook {}, {} cameras\n", env!("CARGO_PKG_VERSION"), station.camera_count());
    if let Some(code) = station.claim_code()? {
        text.push_str(&format!("claim code: {code}\n"));
    }
    if let Some(sha256) = station.app().authority_sha256() {
        text.push_str(&format!("certificate authority of this station, SHA-256: {sha256}\n"));
    }
    text.push_str(&pages(address, station.app().is_encrypted(), &crate::station::page_certificate::names()));
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Error::io("writing to standard output", &error))
}

/// Where the page is: for programs on this machine, and for browsers elsewhere.
fn pages(address: SocketAddr, is_encrypted: bool, names: &watchbook_tls::Names) -> String {
    let (port, scheme) = (address.port(), if is_encrypted { "https" } else { "http" });
    if !address.ip().is_unspecified() {
        // What does not leave the machine is served in the open.
        let scheme = if address.ip().is_loopback() { "http" } else { scheme };
        return format!("page: {scheme}://{address}/\n");
    }
    let mut text = format!("page: http://127.0.0.1:{port}/\n");
    let hosts = names.hosts().into_iter().filter(|host| host != "localhost");
    let addresses = names.addresses.iter().filter(|one| one.is_ipv4() || address.is_ipv6());
    for host in
        hosts.chain(addresses.map(|one| SocketAddr::new(*one, port).to_string().replace(&format!(":{port}"), "")))
    {
        text.push_str(&format!("over the network: {scheme}://{host}:{port}/\n"));
    }
    text
}

fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static> {
    let listen = |kind| signal(kind).map_err(|error| Error::io("listening for signals", &error));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping: recordings are ended and committed");
    })
}

pub(super) fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A second subscriber in one process is only possible in tests; the first one then stays.
    let set = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
    if let Err(error) = set {
        tracing::debug!(%error, "the log was set up already");
    }
}
