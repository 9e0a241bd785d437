//! The other end of the unix socket, for the command line and the peer generator.

use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::view::{Event, Problem};

/// Longest line of the event stream that is accepted, in octets.
const LINE_MAX: usize = 1 << 20;

/// Why a question got no answer.
#[derive(thiserror::Error, Debug)]
pub enum ClientError {
    /// No socket there.
    #[error("there is no control socket at {}", .0.display())]
    Missing(PathBuf),
    /// The socket is there and nobody listens.
    #[error("nobody listens on the control socket {}", .0.display())]
    Refused(PathBuf),
    /// We may not use it.
    #[error("no permission to use the control socket {}", .0.display())]
    Forbidden(PathBuf),
    /// The connection failed.
    #[error("the control socket failed: {0}")]
    Io(#[from] io::Error),
    /// HTTP failed.
    #[error("the service broke the conversation off: {0}")]
    Http(#[from] hyper::Error),
    /// The service refused.
    #[error("{message}")]
    Refusal {
        /// HTTP status code.
        code: u16,
        /// What the service says.
        message: String,
    },
    /// The answer makes no sense; client and service are probably of different versions.
    #[error("the service's answer cannot be read ({0}); is it of another version?")]
    Answer(String),
}

/// A blocking client of the control interface.
pub struct Client {
    socket: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    /// A client of the service behind a socket. It connects with each question.
    ///
    /// # Errors
    /// If the system gives us no event queue.
    pub fn new(socket: impl Into<PathBuf>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            socket: socket.into(),
            runtime,
        })
    }

    /// Asks for the JSON at `path`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.runtime.block_on(async {
            let response = send(&self.socket, Method::GET, path, Vec::new()).await?;
            read_json(response).await
        })
    }

    /// Asks for the text at `path`, whatever the status code is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn text(&self, path: &str) -> Result<String, ClientError> {
        self.runtime.block_on(async {
            let response = send(&self.socket, Method::GET, path, Vec::new()).await?;
            let body = response.into_body().collect().await?.to_bytes();
            Ok(String::from_utf8_lossy(&body).into_owned())
        })
    }

    /// Sends JSON to `path` and reads the answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body =
            serde_json::to_vec(body).map_err(|error| ClientError::Answer(error.to_string()))?;
        self.runtime.block_on(async {
            let response = send(&self.socket, Method::POST, path, body).await?;
            read_json(response).await
        })
    }

    /// Reads the event stream until it ends or `each` returns `false`. `subscribed` is called once,
    /// when nothing that happens from then on is missed.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn events(
        &self,
        subscribed: impl FnOnce(),
        each: impl FnMut(Event) -> bool,
    ) -> Result<(), ClientError> {
        self.follow("/v1/events", None, subscribed, each)
    }

    /// Reads the stream at `path` until it ends, `each` returns `false`, or `limit` is over.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn follow<T: DeserializeOwned>(
        &self,
        path: &str,
        limit: Option<Duration>,
        subscribed: impl FnOnce(),
        each: impl FnMut(T) -> bool,
    ) -> Result<(), ClientError> {
        let reading = self.read_stream(path, subscribed, each);
        self.runtime.block_on(async {
            match limit {
                None => reading.await,
                // That the time is over is what was asked for.
                Some(limit) => tokio::time::timeout(limit, reading).await.unwrap_or(Ok(())),
            }
        })
    }

    async fn read_stream<T: DeserializeOwned>(
        &self,
        path: &str,
        subscribed: impl FnOnce(),
        mut each: impl FnMut(T) -> bool,
    ) -> Result<(), ClientError> {
        let response = send(&self.socket, Method::GET, path, Vec::new()).await?;
        let mut body = refuse_failure(response).await?.into_body();
        subscribed();
        let mut pending = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            pending.extend_from_slice(&data);
            while let Some(end) = pending.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                if !each(parse(&line)?) {
                    return Ok(());
                }
            }
            if pending.len() > LINE_MAX {
                return Err(ClientError::Answer("a line without an end".to_owned()));
            }
        }
        Ok(())
    }
}

async fn connect(socket: &Path) -> Result<SendRequest<Full<Bytes>>, ClientError> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ClientError::Missing(socket.to_owned()),
            io::ErrorKind::ConnectionRefused => ClientError::Refused(socket.to_owned()),
            io::ErrorKind::PermissionDenied => ClientError::Forbidden(socket.to_owned()),
            _ => ClientError::Io(error),
        })?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(
    socket: &Path,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<Response<Incoming>, ClientError> {
    let mut sender = connect(socket).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "palisade")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| ClientError::Answer(error.to_string()))?;
    Ok(sender.send_request(request).await?)
}

async fn refuse_failure(response: Response<Incoming>) -> Result<Response<Incoming>, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.into_body().collect().await?.to_bytes();
    let message = serde_json::from_slice::<Problem>(&body).map_or_else(
        |_| String::from_utf8_lossy(&body).into_owned(),
        |problem| problem.error,
    );
    Err(ClientError::Refusal {
        code: status.as_u16(),
        message,
    })
}

async fn read_json<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, ClientError> {
    let body = refuse_failure(response)
        .await?
        .into_body()
        .collect()
        .await?
        .to_bytes();
    parse(&body)
}

fn parse<T: DeserializeOwned>(octets: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(octets).map_err(|error| ClientError::Answer(error.to_string()))
}

/// A path segment with everything escaped that has a meaning in a URI (RFC 3986 §2.3).
#[must_use]
pub fn path_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
    out
}
