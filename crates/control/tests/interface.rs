//! The control interface over real sockets, in front of a service made of cardboard.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use control::trace::{Next, Step, TraceQuery, TraceRecord, TraceSource};
use control::view::{
    ClearRequest, Cleared, Command, DeathRecord, Done, Event, EventKind, PeerDetail, PeerPage,
    PeerQuery, PeerView, Readiness, SaPage, Sample, SessionView, Span, Status, TryView,
};
use control::{
    Client, ClientError, Control, Endpoints, EventHub, Headend, Refusal, StartError, path_segment,
};
use metrics::{Scrape, catalogue};
use serde_json::json;

#[derive(Default)]
struct Cardboard {
    ready: AtomicBool,
    /// Set when a watch has ended.
    watched: Arc<AtomicBool>,
}

/// So many records, and then nothing.
struct Watched {
    left: u64,
    ended: Arc<AtomicBool>,
}

impl TraceSource for Watched {
    fn next(&mut self) -> Next {
        if self.left == 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            return Next::Nothing;
        }
        self.left -= 1;
        Next::Record(Box::new(TraceRecord::missed(self.left)))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
    }
}

impl Headend for Cardboard {
    fn metrics(&self) -> Scrape {
        let mut scrape = Scrape::new();
        scrape.gauge(&catalogue::IKE_SAS, ["established"], 7.0);
        scrape
    }

    fn readiness(&self) -> Readiness {
        let ready = self.ready.load(Ordering::Relaxed);
        Readiness {
            ready,
            reason: if ready {
                String::new()
            } else {
                "starting".into()
            },
        }
    }

    fn status(&self) -> Result<Status, Refusal> {
        Ok(Status {
            version: "1.2.3".into(),
            ike_established: 7,
            ..Status::default()
        })
    }

    fn history(&self, span: Span) -> Vec<Sample> {
        let count = match span {
            Span::Minutes => 3,
            Span::Day => 1,
        };
        vec![Sample::default(); count]
    }

    fn peers(&self, query: &PeerQuery) -> Result<PeerPage, Refusal> {
        let first: usize = match &query.cursor {
            None => 0,
            Some(cursor) => cursor
                .parse()
                .map_err(|_| Refusal::Invalid(format!("`{cursor}` is no cursor")))?,
        };
        let last = first.saturating_add(query.limit_or_default()).min(250);
        let view = |number: usize| PeerView {
            id: number.to_string(),
            ..PeerView::default()
        };
        let next = (last < 250).then(|| last.to_string());
        Ok(PeerPage {
            peers: (first..last).map(view).collect(),
            next,
        })
    }

    fn peer(&self, peer: &str) -> Result<PeerDetail, Refusal> {
        match peer {
            "a/b c@example.org" => Ok(PeerDetail::default()),
            "two" => Err(Refusal::Ambiguous("2 peers match `two`".into())),
            other => Err(Refusal::NotFound(format!("no peer `{other}`"))),
        }
    }

    fn sas(&self, _: &PeerQuery) -> Result<SaPage, Refusal> {
        Err(Refusal::Busy("worker 1 did not answer in time".into()))
    }

    fn why_dead(&self, peer: &str) -> Result<Vec<DeathRecord>, Refusal> {
        Ok(vec![death(peer)])
    }

    fn clear(&self, request: &ClearRequest) -> Result<Cleared, Refusal> {
        if request.is_about_all() && !request.all {
            return Err(Refusal::Invalid("which ones?".into()));
        }
        Ok(Cleared {
            sessions: vec![SessionView {
                identity: request.id.clone().unwrap_or_default(),
                told: !request.dry_run,
                ..SessionView::default()
            }],
            next: None,
        })
    }

    fn watch(&self, query: &TraceQuery) -> Result<Box<dyn TraceSource>, Refusal> {
        match query.peer.as_deref() {
            Some("nobody") => Err(Refusal::Invalid("`nobody` is nobody".into())),
            Some("many") => Ok(Box::new(Watched {
                left: 10_000,
                ended: self.watched.clone(),
            })),
            _ => Ok(Box::new(Watched {
                left: 3,
                ended: self.watched.clone(),
            })),
        }
    }

    fn command(&self, command: &Command) -> Result<Done, Refusal> {
        Ok(Done {
            affected: 1,
            text: format!("{command:?}"),
        })
    }
}

fn death(peer: &str) -> DeathRecord {
    let tries = vec![TryView {
        number: 1,
        before_verdict_s: 2.0,
        counted: "yes".into(),
    }];
    DeathRecord {
        identity: peer.into(),
        tries,
        silent_s: 12.5,
        ..DeathRecord::default()
    }
}

/// Tells of an event as the service does.
trait Happens {
    fn happens(&self, event: Event);
}

impl Happens for EventHub {
    fn happens(&self, event: Event) {
        if self.happened(event.event) {
            self.publish(event);
        }
    }
}

fn event(kind: EventKind, identity: &str) -> Event {
    Event {
        unix_ns: 1,
        monotonic_ns: 2,
        shard: 3,
        event: kind,
        peer: "00ff".into(),
        identity: identity.into(),
        connection: "rw".into(),
        local: String::new(),
        remote: "192.0.2.1:4500".into(),
        detail: String::new(),
        evidence: (kind == EventKind::Dead).then(|| Box::new(death(identity))),
    }
}

struct Stage {
    control: Option<Control>,
    headend: Arc<Cardboard>,
    events: EventHub,
    socket: PathBuf,
    directory: PathBuf,
}

impl Stage {
    fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("palisade-control-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let socket = directory.join("control.sock");
        let (headend, events) = (Arc::new(Cardboard::default()), EventHub::new());
        let tcp = Some("127.0.0.1:0".parse().expect("an address"));
        let endpoints = Endpoints {
            tcp,
            socket: socket.clone(),
        };
        let control = Control::start(endpoints, headend.clone(), events.clone()).expect("starts");
        Self {
            control: Some(control),
            headend,
            events,
            socket,
            directory,
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.socket).expect("a client")
    }

    /// Status code, headers and body of a GET over TCP.
    fn get(&self, path: &str, accept: &str) -> (u16, String, String) {
        let address = self
            .control
            .as_ref()
            .and_then(Control::tcp_address)
            .expect("an address");
        let mut stream = TcpStream::connect(address).expect("connects");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let code = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a code");
        (code, head.to_ascii_lowercase(), body.to_owned())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.control.take());
        std::fs::remove_dir_all(&self.directory).expect("cleaned up");
    }
}

#[test]
fn metrics_health_and_status_are_served_over_tcp() {
    let stage = Stage::new("tcp");
    let (code, head, body) = stage.get("/metrics", "*/*");
    assert_eq!(code, 200);
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    assert!(
        body.contains("palisade_ike_sas{state=\"established\"} 7\n"),
        "{body}"
    );
    assert!(
        body.contains("palisade_events_total{event=\"dead\"} 0\n"),
        "{body}"
    );
    let (_, head, body) = stage.get("/metrics", "application/openmetrics-text; version=1.0.0");
    assert!(
        head.contains("content-type: application/openmetrics-text"),
        "{head}"
    );
    assert!(
        body.contains("palisade_control_requests_total{code=\"200\"} 1\n"),
        "{body}"
    );
    let series = body.lines().filter(|line| !line.starts_with('#')).count();
    assert!(
        body.contains(&format!("palisade_scrape_series {series}\n")),
        "{series}: {body}"
    );
    assert_eq!(stage.get("/healthz", "*/*").0, 200);
    let (code, _, body) = stage.get("/readyz", "*/*");
    assert_eq!((code, body.contains("starting")), (503, true));
    stage.headend.ready.store(true, Ordering::Relaxed);
    assert_eq!(stage.get("/readyz", "*/*").0, 200);
    let (code, _, body) = stage.get("/", "text/html");
    assert!(code == 200 && body.contains("Palisade 1.2.3"), "{body}");
    assert_eq!(stage.get("/?span=day", "text/html").0, 200);
    assert_eq!(stage.get("/?span=week", "text/html").0, 400);
}

#[test]
fn nothing_but_that_is_served_over_tcp() {
    let stage = Stage::new("closed");
    for path in [
        "/v1/status",
        "/v1/peers",
        "/v1/events",
        "/v1/terminate",
        "/../x",
    ] {
        assert_eq!(stage.get(path, "*/*").0, 404, "{path}");
    }
}

#[test]
fn the_socket_belongs_to_its_owner() {
    let stage = Stage::new("mode");
    let mode = std::fs::metadata(&stage.socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn questions_are_answered_or_refused_with_reasons() {
    let stage = Stage::new("questions");
    let client = stage.client();
    let status: Status = client.get("/v1/status").expect("an answer");
    assert_eq!(status.ike_established, 7);
    let lengths = ["", "?span=minutes", "?span=day"].map(|query| {
        let history: Vec<Sample> = client
            .get(&format!("/v1/history{query}"))
            .expect("an answer");
        history.len()
    });
    assert_eq!(lengths, [3, 3, 1]);
    let path = format!("/v1/peers/{}", path_segment("a/b c@example.org"));
    client.get::<PeerDetail>(&path).expect("an answer");
    let refused = |path: &str| match client.get::<serde_json::Value>(path) {
        Err(ClientError::Refusal { code, message }) => (code, message),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(refused("/v1/peers/x"), (404, "no peer `x`".into()));
    assert_eq!(refused("/v1/peers/two").0, 409);
    assert_eq!(
        refused("/v1/peers?cursor=zzz"),
        (400, "`zzz` is no cursor".into())
    );
    assert_eq!(refused("/v1/sas").0, 503);
    assert_eq!(refused("/v1/nothing").0, 404);
    assert_eq!(refused("/v1/peers?limit=minus").0, 400);
    let deaths: Vec<DeathRecord> = client.get("/v1/why-dead/peer1").expect("an answer");
    assert_eq!(deaths, [death("peer1")]);
}

#[test]
fn pages_follow_each_other() {
    let stage = Stage::new("pages");
    let client = stage.client();
    let mut seen = Vec::new();
    let mut path = "/v1/peers?limit=99".to_owned();
    loop {
        let page: PeerPage = client.get(&path).expect("a page");
        seen.extend(page.peers.into_iter().map(|peer| peer.id));
        let Some(next) = page.next else { break };
        path = format!("/v1/peers?limit=99&cursor={next}");
    }
    assert_eq!(
        seen,
        (0..250)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
    );
}

#[test]
fn commands_reach_the_service() {
    let stage = Stage::new("commands");
    let client = stage.client();
    let done: Done = client
        .post("/v1/initiate", &json!({"child": "net"}))
        .expect("done");
    assert!(
        done.text
            .contains("Initiate { connection: None, child: Some(\"net\") }"),
        "{}",
        done.text
    );
    let done: Done = client
        .post("/v1/terminate", &json!({"peer": "p"}))
        .expect("done");
    assert!(
        done.text.contains("Terminate { peer: \"p\", child: None }"),
        "{}",
        done.text
    );
    let done: Done = client
        .post("/v1/rekey", &json!({"peer": "p", "child": "c"}))
        .expect("done");
    assert!(done.text.contains("Rekey"), "{}", done.text);
    let wrong = client.post::<Done>("/v1/terminate", &json!({"child": "c"}));
    assert!(
        matches!(wrong, Err(ClientError::Refusal { code: 422, .. })),
        "{wrong:?}"
    );
}

#[test]
fn events_arrive_in_order_from_the_moment_of_subscription() {
    let stage = Stage::new("events");
    stage
        .events
        .happens(event(EventKind::Established, "too early"));
    let (client, hub) = (stage.client(), stage.events.clone());
    let mut seen = Vec::new();
    let publish = move || {
        for number in 0..100 {
            hub.happens(event(EventKind::Established, &number.to_string()));
        }
        hub.happens(event(EventKind::Dead, "last"));
    };
    let each = |event: Event| {
        let last = event.event == EventKind::Dead;
        seen.push(event);
        !last
    };
    client.events(publish, each).expect("a stream");
    assert_eq!(seen.len(), 101);
    assert_eq!(seen[99], event(EventKind::Established, "99"));
    assert_eq!(seen[100].evidence, Some(Box::new(death("last"))));
    let (_, _, body) = stage.get("/metrics", "*/*");
    assert!(
        body.contains("palisade_events_total{event=\"established\"} 101\n"),
        "{body}"
    );
}

#[test]
fn a_reader_of_some_kinds_hears_no_others() {
    let stage = Stage::new("kinds");
    let (client, hub) = (stage.client(), stage.events.clone());
    let publish = move || {
        for kind in [EventKind::Established, EventKind::Suspect, EventKind::Dead] {
            hub.happens(event(kind, "x"));
        }
    };
    let mut seen = Vec::new();
    let each = |event: Event| {
        seen.push(event.event);
        event.event != EventKind::Dead
    };
    let path = "/v1/events?event=suspect,dead";
    client.follow(path, None, publish, each).expect("a stream");
    assert_eq!(seen, [EventKind::Suspect, EventKind::Dead]);
    let unknown: Result<serde_json::Value, _> = client.get("/v1/events?event=undead");
    assert!(matches!(
        unknown,
        Err(ClientError::Refusal { code: 400, .. })
    ));
}

#[test]
fn a_reader_that_lags_is_told_how_much_it_missed() {
    let stage = Stage::new("lag");
    let (client, hub) = (stage.client(), stage.events.clone());
    let mut missed = None;
    // More than the hub and the socket hold together, published before the reader reads on.
    let publish = move || {
        for _ in 0..200_000 {
            hub.happens(event(EventKind::Deleted, "x"));
        }
        hub.happens(event(EventKind::Dead, "last"));
    };
    let each = |event: Event| {
        if event.event == EventKind::Missed {
            missed = Some(event.detail.clone());
        }
        event.event != EventKind::Dead
    };
    client.events(publish, each).expect("a stream");
    let detail = missed.expect("a gap is told");
    assert!(detail.contains("events were missed"), "{detail}");
}

#[test]
fn sessions_are_cleared_by_what_they_have_in_common() {
    let stage = Stage::new("clear");
    let client = stage.client();
    let clear = |body: serde_json::Value| client.post::<Cleared>("/v1/clear", &body);
    let cleared = clear(json!({"id": "joe", "dry_run": true})).expect("cleared");
    assert_eq!(cleared.sessions.len(), 1);
    assert!(!cleared.sessions[0].told);
    assert!(clear(json!({"all": true})).expect("cleared").sessions[0].told);
    let code = |body| match clear(body) {
        Err(ClientError::Refusal { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(json!({})), 400);
    // A misspelt filter must not end more than was meant.
    assert_eq!(code(json!({"all": true, "remoet": "192.0.2.1"})), 422);
}

#[test]
fn a_watch_is_a_stream_that_ends_with_its_reader() {
    let stage = Stage::new("watch");
    let client = stage.client();
    let mut counts = Vec::new();
    let each = |record: TraceRecord| {
        if let Step::Missed { count } = record.step {
            counts.push(count);
        }
        counts.len() < 3
    };
    let path = "/v1/trace?topic=dpd";
    client.follow(path, None, || {}, each).expect("a stream");
    assert_eq!(counts, [2, 1, 0]);
    drop(client);
    let ended = || stage.headend.watched.load(Ordering::Acquire);
    let patience = std::time::Instant::now();
    while !ended() && patience.elapsed().as_secs() < 10 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(ended(), "the service is told that nobody watches any more");
    let client = stage.client();
    let refused = client.follow(
        "/v1/trace?topic=dpd&peer=nobody",
        None,
        || {},
        |_: TraceRecord| true,
    );
    assert!(
        matches!(refused, Err(ClientError::Refusal { code: 400, .. })),
        "{refused:?}"
    );
    let unknown = client.follow(
        "/v1/trace?topic=weather",
        None,
        || {},
        |_: TraceRecord| true,
    );
    assert!(
        matches!(unknown, Err(ClientError::Refusal { code: 400, .. })),
        "{unknown:?}"
    );
}

#[test]
fn a_watch_may_last_for_a_limited_time() {
    let stage = Stage::new("limit");
    let mut seen = 0;
    let limit = Some(std::time::Duration::from_millis(300));
    let each = |_: TraceRecord| {
        seen += 1;
        true
    };
    stage
        .client()
        .follow("/v1/trace?topic=dpd&peer=many", limit, || {}, each)
        .expect("ends when its time is over");
    assert!(seen > 0);
}

#[test]
fn the_interface_stops_in_bounded_time_although_somebody_reads_events() {
    let mut stage = Stage::new("stop");
    let client = stage.client();
    let (told, subscribed) = mpsc::channel();
    let reader =
        std::thread::spawn(move || client.events(|| told.send(()).expect("heard"), |_| true));
    subscribed.recv().expect("subscribed");
    let before = std::time::Instant::now();
    drop(stage.control.take());
    assert!(before.elapsed().as_secs() < 3);
    assert!(!stage.socket.exists());
    // The stream ends, whether cleanly or not.
    let _ = reader.join().expect("ends");
    let gone = stage.client().get::<Status>("/v1/status");
    assert!(matches!(gone, Err(ClientError::Missing(_))), "{gone:?}");
}

#[test]
fn a_second_service_is_refused_and_a_stale_socket_is_replaced() {
    let stage = Stage::new("twice");
    let endpoints = Endpoints {
        tcp: None,
        socket: stage.socket.clone(),
    };
    let second = Control::start(endpoints, stage.headend.clone(), EventHub::new());
    assert!(matches!(second.err(), Some(StartError::InUse { .. })));
    let stale = stage.directory.join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).expect("a socket"));
    let refused = Client::new(&stale)
        .expect("a client")
        .get::<Status>("/v1/status");
    assert!(
        matches!(refused, Err(ClientError::Refused(_))),
        "{refused:?}"
    );
    let endpoints = Endpoints {
        tcp: None,
        socket: stale.clone(),
    };
    let third = Control::start(endpoints, stage.headend.clone(), EventHub::new());
    let third = third.expect("takes the place of a dead service");
    Client::new(&stale)
        .expect("a client")
        .get::<Status>("/v1/status")
        .expect("answers");
    third.stop();
}

#[test]
fn kinds_of_events_are_spelt_alike_in_json_and_in_metrics() {
    for (position, kind) in EventKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, position);
        assert_eq!(json!(kind), json!(kind.as_str()));
    }
}

#[test]
fn the_operators_page_explains_every_event() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/operating/control.md"
    );
    let page = std::fs::read_to_string(path).expect("docs/operating/control.md");
    let (_, events) = page.split_once("## Events").expect("a section on events");
    let explained: Vec<_> = events
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|word| *word != "event")
        .collect();
    let mut known: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let mut sorted = explained.clone();
    known.sort_unstable();
    sorted.sort_unstable();
    assert_eq!(sorted, known);
}
