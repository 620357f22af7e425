//! `watchbook run`: record and serve until a signal.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::wire::Station;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use watchbook_base::Kind;

/// Threads of the asynchronous runtime. Capture is a few microseconds a packet; two threads carry hundreds of streams, more only wake each other.
const RUNTIME_THREADS_MAX: usize = 4;
/// Threads for disk reads of the page, tests of cameras, passwords. Beyond that requests wait.
const BLOCKING_THREADS_MAX: usize = 32;
/// Pause between attempts to listen for the page.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);
/// How long the page's connections may take to end at a stop.
const GOODBYE: Duration = Duration::from_secs(5);

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// When it cannot start; the message names the file, port or directory.
pub fn run(path: &Path) -> Result<ExitCode> {
    start_log();
    let config = Config::read(path)?;
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
        End::Restart => Err(begin_again()),
    }
}

/// Why the recorder ends.
enum End {
    /// It was told to.
    Stop,
    /// It begins again with another configuration.
    Restart,
}

/// Puts this program, with the arguments it has, in its own place: the number of the process stays, so that whoever watches it sees no end. Files and sockets are closed by that.
fn begin_again() -> Error {
    use std::os::unix::process::CommandExt as _;
    let program = std::env::current_exe();
    let failed = |error: &std::io::Error| Error::io("starting again with the restored configuration", error);
    match program {
        Ok(program) => failed(&std::process::Command::new(program).args(std::env::args_os().skip(1)).exec()),
        Err(error) => failed(&error),
    }
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
    let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() };
    text.push_str(&format!("page: http://{host}:{}/\n", address.port()));
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Error::io("writing to standard output", &error))
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

fn start_log() {
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
