//! The router, made from the rows, and the server that runs it.

use crate::app::App;
use crate::crowd::Neighbours;
use crate::routes::dispatch::dispatch;
use crate::routes::{Route, table};
use crate::stall::Stalling;
use crate::tls::{Over, Tls, Welcomed, redirect};
use crate::{framing, headers, page};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use core::convert::Infallible;
use core::future::Future;
use core::time::Duration;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use watchbook_base::TimeRange;

/// Footage that may be read before a requested start, to reach the key frame that its first picture needs. The longest distance between key
/// frames that cameras of this kind are set to in practice is 20 s.
pub const PRE_ROLL: Duration = Duration::from_secs(30);
/// HTTP connections at once, about 70 KiB each with its buffers. A connection that became a WebSocket is no longer among them: those are bounded by
/// [`crate::live::VIEWERS_MAX`].
const CONNECTIONS_MAX: usize = 512;
/// HTTP connections of one address: a browser opens 6, and a station may sit behind one address translator. A network of IPv6 counts as one.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 64;
/// The last places are for addresses that have few connections: those who hold many cannot fill them.
const KEPT_FOR_FEW: usize = 64;
/// Few: one browser, and one that comes back before the end of the last one was noticed.
const FEW: usize = 8;
/// A request's head must have arrived by then; an idle connection is closed after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of a request's head: cookies and a range are a few hundred.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Header fields of a request.
const HEADERS_MAX: usize = 64;
/// Data that the other end does not acknowledge for so long closes the connection: a stalled reader may not hold a download for ever.
const UNACKED_MAX: Duration = Duration::from_secs(60);
/// What open requests get to finish in when the recorder stops.
const GRACE: Duration = Duration::from_secs(5);
/// A pause after `accept` failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Becomes true when the server ends, as a request's extension: an answer that has no end of its own ends then.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(pub(crate) watch::Receiver<bool>);

/// Address of the other end, as a request's extension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The rows live as long as the program: each request refers to its own.
static ROWS: LazyLock<Vec<Route>> = LazyLock::new(table);

/// `range` from [`PRE_ROLL`] earlier on.
pub(crate) fn widened(range: TimeRange) -> TimeRange {
    let early = i64::try_from(PRE_ROLL.as_nanos()).unwrap_or(0);
    TimeRange { start: range.start.plus_nanos(-early), end: range.end }
}

/// The router: the rows, the page, and a problem for everything else. A request must carry the address it came from; [`serve`] adds it.
pub fn router(app: &App) -> Router {
    let mut methods: BTreeMap<&'static str, MethodRouter> = BTreeMap::new();
    for row in ROWS.iter() {
        let app = app.clone();
        let filter = MethodFilter::try_from(row.method.clone()).expect("the rows name methods that axum knows");
        let answer = move |request: Request| dispatch(app.clone(), row, request);
        let known = methods.remove(row.path).unwrap_or_default();
        methods.insert(row.path, known.merge(on(filter, answer)));
    }
    let mut router = Router::new();
    for (path, methods) in methods {
        router = router.route(path, methods);
    }
    router
        .method_not_allowed_fallback(|| async { headers::for_api(page::method_not_allowed().await) })
        .fallback(page::answer)
}

/// Serves HTTP/1.1 on one port until `shutdown` resolves, over TLS when there is a certificate: then plain HTTP is for connections that end on the loopback alone, then lets open requests finish for a few seconds.
///
/// # Errors
/// When the listener has no address. A failing `accept` is tried again for ever.
pub async fn serve(listener: TcpListener, app: App, shutdown: impl Future<Output = ()> + Send) -> std::io::Result<()> {
    let address = listener.local_addr()?;
    let tls = app.ports().certificates.tls();
    tracing::info!(%address, tls = tls.is_some(), "serving the page and the API");
    let served = Served { router: router(&app), elsewhere: redirect::router(), tls, app: app.clone() };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let by_address = Arc::new(ByAddress::default());
    let turn_away = |bound, peer| app.gate().turn_away(bound, peer);
    let (stop, stopped) = watch::channel(false);
    let mut shutdown = core::pin::pin!(shutdown);
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place.expect("the semaphore is never closed"),
            () = &mut shutdown => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(counted) = by_address.enter(peer, places.available_permits()) else {
            turn_away("connections of one address", peer);
            continue;
        };
        let (served, stopped) = (served.clone(), stopped.clone());
        drop(tokio::spawn(async move {
            let _held = (place, counted);
            connection(stream, peer, served, stopped).await;
        }));
    }
    // Nobody may be listening any more.
    let _ = stop.send(true);
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    if timeout(GRACE, places.acquire_many(all)).await.is_err() {
        tracing::info!("some connections did not end in time and are cut");
    }
    Ok(())
}

/// What connections are given.
#[derive(Clone)]
struct Served {
    router: Router,
    /// For plain HTTP where there is TLS.
    elsewhere: Router,
    tls: Option<Tls>,
    app: App,
}

async fn connection(stream: TcpStream, peer: IpAddr, served: Served, mut stopped: watch::Receiver<bool>) {
    // Both are improvements only: without them a small answer waits a little, and a stalled reader is noticed later.
    drop(stream.set_nodelay(true));
    let unacked_ms = u32::try_from(UNACKED_MAX.as_millis()).unwrap_or(u32::MAX);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, unacked_ms);
    let Served { router, elsewhere, tls, app } = served;
    let Some(tls) = tls else {
        return serve_on(stream, Came::plain(peer), (app, router), &mut stopped).await;
    };
    let welcomed = tokio::select! {
        welcomed = tls.welcome(stream) => welcomed,
        () = until_stopped(&mut stopped) => return,
    };
    match welcomed {
        Welcomed::Tls(stream) => {
            let strict_s = tls.strict_s();
            serve_on(stream, Came { peer, over: Over::Tls, strict_s }, (app, router), &mut stopped).await;
        }
        Welcomed::Plain(stream) => serve_on(stream, Came::plain(peer), (app, router), &mut stopped).await,
        Welcomed::Elsewhere(stream) => serve_on(stream, Came::plain(peer), (app, elsewhere), &mut stopped).await,
        Welcomed::Refused => {}
    }
}

/// How a connection came, and from whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    pub(crate) peer: IpAddr,
    pub(crate) over: Over,
    /// For so many seconds the browser is to use nothing but TLS; `None`: it is told nothing.
    pub(crate) strict_s: Option<u32>,
}

impl Came {
    pub(crate) fn plain(peer: IpAddr) -> Self {
        Self { peer, over: Over::Plain, strict_s: None }
    }
}

/// One connection, on anything that carries bytes.
pub(crate) async fn serve_on<T>(
    stream: T,
    came: Came,
    (app, router): (App, Router),
    stopped: &mut watch::Receiver<bool>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stopping, peer) = (Stopping(stopped.clone()), came.peer);
    let of_service = app.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (mut router, app) = (router.clone(), of_service.clone());
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(came.over);
        request.extensions_mut().insert(stopping.clone());
        async move {
            let (parts, body) = request.into_parts();
            let response = match framing::refused(&parts) {
                Some(problem) => {
                    app.gate().turn_away("requests that can be read in two ways", peer);
                    framing::answer(problem)
                }
                None => call(&mut router, Request::from_parts(parts, body)).await,
            };
            Ok::<Response, Infallible>(strict(response, came.strict_s))
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let mut serving =
        core::pin::pin!(builder.serve_connection(TokioIo::new(Stalling::new(stream)), service).with_upgrades());
    let ended = tokio::select! {
        ended = serving.as_mut() => Some(ended),
        () = until_stopped(stopped) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        if error.is_parse() {
            app.gate().turn_away("requests that are no HTTP", peer);
        }
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}

/// Tells the browser for how long it is to use nothing but TLS (RFC 6797).
fn strict(mut response: Response, seconds: Option<u32>) -> Response {
    if let Some(seconds) = seconds {
        let value = HeaderValue::try_from(format!("max-age={seconds}")).expect("digits are a valid header value");
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    response
}

/// Also when the server itself is gone.
async fn until_stopped(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stopped| *stopped).await);
}

async fn call(router: &mut Router, request: Request<Incoming>) -> Response {
    use tower_service::Service;
    match router.call(request.map(axum::body::Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Open connections of each address.
#[derive(Debug, Default)]
struct ByAddress(Mutex<HashMap<Neighbours, usize>>);

impl ByAddress {
    /// Counts one in; `None` when the address has enough, or has more than a few where so many places are left.
    fn enter(self: &Arc<Self>, peer: IpAddr, left: usize) -> Option<Counted> {
        let most = if left < KEPT_FOR_FEW { FEW } else { CONNECTIONS_PER_ADDRESS_MAX };
        let peer = Neighbours::of(peer);
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = map.get(&peer).copied().unwrap_or(0);
        if open >= most {
            return None;
        }
        map.insert(peer, open + 1);
        Some(Counted(Arc::clone(self), peer))
    }
}

struct Counted(Arc<ByAddress>, Neighbours);

impl Drop for Counted {
    fn drop(&mut self) {
        let mut map = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = map.get_mut(&self.1) {
            *open -= 1;
            if *open == 0 {
                map.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_places_are_for_those_who_hold_few() {
        let by_address = Arc::new(ByAddress::default());
        let peer = |number: u8| IpAddr::from([192, 0, 2, number]);
        let mut held = Vec::new();
        // Whoever has eight addresses takes what they can.
        for number in 1..=8 {
            while let Some(counted) = by_address.enter(peer(number), CONNECTIONS_MAX - held.len() - 1) {
                held.push(counted);
            }
        }
        assert!(held.len() <= CONNECTIONS_MAX - KEPT_FOR_FEW + FEW, "{}", held.len());
        let one_more = || by_address.enter(peer(9), CONNECTIONS_MAX - held.len() - 1);
        let browser: Vec<_> = (0..FEW).map(|_| one_more()).collect();
        assert!(browser.iter().all(Option::is_some));
        assert!(one_more().is_none(), "they are for few");
        drop(browser);
        assert!(one_more().is_some(), "what ends makes room");
        held.clear();
        assert!(by_address.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_has_the_connections_of_one_address() {
        let by_address = Arc::new(ByAddress::default());
        let enter = |host: u16| by_address.enter([0x2001, 0xdb8, 0, 0, 0, 0, 0, host].into(), CONNECTIONS_MAX);
        let held: Vec<_> = (0..64).map_while(enter).collect();
        assert_eq!((held.len(), enter(64).is_none()), (CONNECTIONS_PER_ADDRESS_MAX, true));
    }
}
