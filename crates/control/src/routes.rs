//! What is answered where.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use crate::events::{EventHub, Kinds};
use crate::headend::{Headend, Refusal};
use crate::page;
use crate::stream::LineBody;
use crate::trace::TraceQuery;
use crate::view::{ClearRequest, Command, HistoryQuery, PeerQuery, Problem};
use crate::watch;

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) headend: Arc<dyn Headend>,
    pub(crate) events: EventHub,
    answered: Arc<Mutex<BTreeMap<u16, u64>>>,
}

impl Shared {
    pub(crate) fn new(headend: Arc<dyn Headend>, events: EventHub) -> Self {
        Self {
            headend,
            events,
            answered: Arc::default(),
        }
    }

    fn scrape(&self) -> metrics::Scrape {
        let mut scrape = self.headend.metrics();
        self.events.report(&mut scrape);
        for (code, count) in &*self.answered.lock().unwrap_or_else(PoisonError::into_inner) {
            let code = code.to_string();
            scrape.count(&metrics::catalogue::CONTROL_REQUESTS, [&code], *count);
        }
        let left_out = scrape.left_out();
        scrape.count(&metrics::catalogue::SCRAPE_LEFT_OUT, [], left_out);
        // The series that says how many series there are is one of them.
        let series = scrape.series().saturating_add(1) as f64;
        scrape.gauge(&metrics::catalogue::SCRAPE_SERIES, [], series);
        scrape
    }
}

/// What anybody may read who reaches the TCP port.
pub(crate) fn open(shared: Shared) -> Router {
    Router::new()
        .route("/", get(status_page))
        .route("/metrics", get(metrics_text))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .fallback(no_such_page)
        .layer(middleware::from_fn_with_state(
            shared.clone(),
            count_answers,
        ))
        .with_state(shared)
}

/// What the owner of the unix socket may read and do.
pub(crate) fn private(shared: Shared) -> Router {
    Router::new()
        .route("/metrics", get(metrics_text))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .route("/v1/status", get(status))
        .route("/v1/history", get(history))
        .route("/v1/peers", get(peers))
        .route("/v1/peers/{peer}", get(peer))
        .route("/v1/sas", get(sas))
        .route("/v1/why-dead/{peer}", get(why_dead))
        .route("/v1/events", get(events))
        .route("/v1/trace", get(trace))
        .route("/v1/initiate", post(initiate))
        .route("/v1/terminate", post(terminate))
        .route("/v1/rekey", post(rekey))
        .route("/v1/clear", post(clear))
        .fallback(no_such_page)
        .layer(middleware::from_fn_with_state(
            shared.clone(),
            count_answers,
        ))
        .with_state(shared)
}

async fn count_answers(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let mut answered = shared
        .answered
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let count = answered.entry(response.status().as_u16()).or_insert(0);
    *count = count.saturating_add(1);
    drop(answered);
    response
}

/// Asks the service on a thread that may wait.
async fn ask<T: Send + 'static>(
    shared: Shared,
    question: impl FnOnce(&Shared) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let answer = tokio::task::spawn_blocking(move || question(&shared)).await;
    answer.map_err(|_| Refusal::Busy("the service failed to answer; see its log".to_owned()))
}

/// The answer as JSON, or the refusal with its status code.
async fn ask_json<T: Serialize + Send + 'static>(
    shared: Shared,
    question: impl FnOnce(&dyn Headend) -> Result<T, Refusal> + Send + 'static,
) -> Response {
    match ask(shared, move |shared| question(&*shared.headend)).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(refusal)) | Err(refusal) => refuse(&refusal),
    }
}

fn refuse(refusal: &Refusal) -> Response {
    let code = match refusal {
        Refusal::NotFound(_) => StatusCode::NOT_FOUND,
        Refusal::Invalid(_) => StatusCode::BAD_REQUEST,
        Refusal::Ambiguous(_) => StatusCode::CONFLICT,
        Refusal::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (
        code,
        Json(Problem {
            error: refusal.to_string(),
        }),
    )
        .into_response()
}

async fn no_such_page() -> Response {
    refuse(&Refusal::NotFound(
        "there is nothing at this path".to_owned(),
    ))
}

async fn metrics_text(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let format = metrics::Format::accepted(accept);
    match ask(shared, move |shared| shared.scrape().render(format)).await {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

async fn readiness(State(shared): State<Shared>) -> Response {
    match ask(shared, |shared| shared.headend.readiness()).await {
        Ok(readiness) if readiness.ready => Json(readiness).into_response(),
        Ok(readiness) => (StatusCode::SERVICE_UNAVAILABLE, Json(readiness)).into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

async fn status_page(
    State(shared): State<Shared>,
    Query(HistoryQuery { span }): Query<HistoryQuery>,
) -> Response {
    let question = move |shared: &Shared| {
        let status = shared.headend.status()?;
        Ok(page::render(&status, &shared.headend.history(span), span))
    };
    match ask(shared, question).await {
        Ok(Ok(page)) => (
            [(header::CONTENT_SECURITY_POLICY, page::POLICY)],
            Html(page),
        )
            .into_response(),
        Ok(Err(refusal)) | Err(refusal) => refuse(&refusal),
    }
}

async fn history(
    State(shared): State<Shared>,
    Query(HistoryQuery { span }): Query<HistoryQuery>,
) -> Response {
    ask_json(shared, move |headend| Ok(headend.history(span))).await
}

async fn status(State(shared): State<Shared>) -> Response {
    ask_json(shared, |headend| headend.status()).await
}

async fn peers(State(shared): State<Shared>, Query(query): Query<PeerQuery>) -> Response {
    ask_json(shared, move |headend| headend.peers(&query)).await
}

async fn peer(State(shared): State<Shared>, Path(peer): Path<String>) -> Response {
    ask_json(shared, move |headend| headend.peer(&peer)).await
}

async fn sas(State(shared): State<Shared>, Query(query): Query<PeerQuery>) -> Response {
    ask_json(shared, move |headend| headend.sas(&query)).await
}

async fn why_dead(State(shared): State<Shared>, Path(peer): Path<String>) -> Response {
    ask_json(shared, move |headend| headend.why_dead(&peer)).await
}

/// Which events a reader wants.
#[derive(Deserialize)]
struct EventQuery {
    /// Words for kinds, separated by commas; all kinds if it is left out.
    event: Option<String>,
}

async fn events(State(shared): State<Shared>, Query(query): Query<EventQuery>) -> Response {
    let kinds = match Kinds::named(query.event.as_deref()) {
        Ok(kinds) => kinds,
        Err(word) => {
            let refusal = format!("`{word}` is no kind of event");
            return refuse(&Refusal::Invalid(refusal));
        }
    };
    let body = Body::new(LineBody::events(shared.events.subscribe(kinds)));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

async fn trace(State(shared): State<Shared>, Query(query): Query<TraceQuery>) -> Response {
    let begin = move |shared: &Shared| {
        let source = shared.headend.watch(&query)?;
        watch::forward(source).map_err(|error| Refusal::Busy(error.to_string()))
    };
    match ask(shared, begin).await {
        Ok(Ok(lines)) => (
            [(header::CONTENT_TYPE, "application/x-ndjson")],
            Body::new(lines),
        )
            .into_response(),
        Ok(Err(refusal)) | Err(refusal) => refuse(&refusal),
    }
}

#[derive(Deserialize)]
struct Child {
    connection: Option<String>,
    child: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    peer: String,
    child: Option<String>,
}

async fn initiate(State(shared): State<Shared>, Json(wanted): Json<Child>) -> Response {
    let command = Command::Initiate {
        connection: wanted.connection,
        child: wanted.child,
    };
    ask_json(shared, move |headend| headend.command(&command)).await
}

async fn terminate(State(shared): State<Shared>, Json(target): Json<Target>) -> Response {
    let command = Command::Terminate {
        peer: target.peer,
        child: target.child,
    };
    ask_json(shared, move |headend| headend.command(&command)).await
}

async fn clear(State(shared): State<Shared>, Json(request): Json<ClearRequest>) -> Response {
    ask_json(shared, move |headend| headend.clear(&request)).await
}

async fn rekey(State(shared): State<Shared>, Json(target): Json<Target>) -> Response {
    let command = Command::Rekey {
        peer: target.peer,
        child: target.child,
    };
    ask_json(shared, move |headend| headend.command(&command)).await
}
