//! The listener: HTTP/1.1 with time-outs, small buffers and a cap on connections, which axum's own has not.

use std::{
    convert::Infallible,
    io::{self, ErrorKind, IoSlice},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, StatusCode, header},
    response::IntoResponse,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::edge::{Peer, Settings};

/// Bytes of a request's head at most: an address with a query in it fits.
const HEAD_BYTES: usize = 32 * 1024;

/// Bytes that the system keeps for a client that does not read. By itself it would keep megabytes for each.
const SEND_BUFFER: usize = 64 * 1024;

/// How long the listener rests when the system gives it no more sockets.
const REST: Duration = Duration::from_millis(500);

/// Serves connections until it is told to stop, and then until the requests in progress are answered. What was upgraded
/// to a socket is not waited for.
pub(crate) async fn serve(listener: TcpListener, router: Router, settings: Arc<Settings>, stop: CancellationToken) {
    // Accepted connections inherit the size of the listener's buffer.
    if let Err(error) = SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER) {
        tracing::warn!(%error, "the system keeps buffers of its own size");
    }
    let mut http = http1::Builder::new();
    http.title_case_headers(true).preserve_header_case(true);
    http.timer(TokioTimer::new()).header_read_timeout(settings.head_within).max_buf_size(HEAD_BYTES);
    let places = Arc::new(Semaphore::new(settings.connections.min(Semaphore::MAX_PERMITS)));
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let stream = WriteTimeout { stream, patience: settings.write_within, stuck: None, _place: place };
        let router = router.clone();
        let service = service_fn(move |request| answer(router.clone(), request, peer));
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let stopped = stop.clone().cancelled_owned();
        open.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopped => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            // A client that goes away or sends nonsense is its own affair.
            if let Err(error) = ended {
                tracing::trace!(%error, "a connection ended");
            }
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<axum::response::Response, Infallible> {
    // hyper limits a head only while it is incomplete: one that comes whole is measured here.
    if head_bytes(&request) > HEAD_BYTES {
        let mut response = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return Ok(response);
    }
    let mut request = request.map(Body::new);
    // As the client writes the names of headers: some look for `Sec-WebSocket-Protocol` in the answer by the letter.
    let as_asked = request.headers().contains_key(header::UPGRADE).then(|| request.extensions().clone());
    request.extensions_mut().insert(Peer(peer.ip()));
    let mut response = router.oneshot(request).await?;
    if let Some(as_asked) = as_asked.filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS) {
        response.extensions_mut().extend(as_asked);
    }
    Ok(response)
}

/// Bytes of a head, without spaces that mean nothing.
fn head_bytes(request: &Request<Incoming>) -> usize {
    const LINE: usize = "  HTTP/1.1\r\n".len();
    const FIELD: usize = ": \r\n".len();
    let target = request.uri().path_and_query().map_or(0, |path| path.as_str().len())
        + request.uri().authority().map_or(0, |authority| authority.as_str().len());
    let fields: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD).sum();
    request.method().as_str().len() + target + LINE + fields
}

/// Waits for a place and for a client to give it to; `None` when that one has gone again.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers and events are small and wanted at once.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(error) if is_of_the_connection(&error) => None,
        Err(error) => {
            tracing::warn!(%error, "no connection can be accepted");
            sleep(REST).await;
            None
        }
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

/// A connection whose client has to take what is written to it. It holds its place as long as it lives, as a socket too.
struct WriteTimeout {
    stream: TcpStream,
    patience: Duration,
    /// Set while the client takes nothing.
    stuck: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl WriteTimeout {
    /// Hands on what writing came to, unless the client has taken nothing for too long.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for WriteTimeout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for WriteTimeout {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
