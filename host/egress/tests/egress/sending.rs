//! What becomes of a request.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::sync::Semaphore;
use wharf_egress::{Egress, EgressError, Granted, Outgoing, Settings};

use super::receiver::answering;

/// A request of `acme` that may reach these networks.
pub fn request(url: &str, granted: &[&str]) -> Outgoing {
    Outgoing {
        owner: "acme".into(),
        place: Arc::new(url.parse().unwrap()),
        method: Method::POST,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"body"),
        granted: Granted::parse(granted.iter().copied()).unwrap(),
        timeout: Duration::from_secs(20),
        room: Arc::new(Semaphore::new(8)),
        passed: Arc::default(),
    }
}

fn egress() -> Egress {
    Egress::new(Settings::default()).unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const HERE: &[&str] = &["127.0.0.1"];

#[tokio::test]
async fn a_request_arrives_as_it_was_and_connections_are_used_again_by_whom_they_are() {
    let receiver = answering("127.0.0.1", &[OK]).await;
    let (egress, url) = (egress(), format!("http://{}/hook?a=b", receiver.address));
    for owner in ["acme", "acme", "other", "acme"] {
        let answer = egress.send(Outgoing { owner: owner.into(), ..request(&url, HERE) }).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body[..], answer.is_cut), (200, b"ok".as_slice(), false));
    }
    let first = receiver.requests.lock().unwrap()[0].clone();
    assert!(first.starts_with("POST /hook?a=b HTTP/1.1\r\n") && first.ends_with("\r\n\r\nbody"), "{first}");
    assert!(first.contains(&format!("host: {}\r\n", receiver.address)), "{first}");
    assert_eq!(receiver.connections.load(Ordering::Relaxed), 2, "one for each owner");
}

#[tokio::test]
async fn what_is_not_public_is_refused_before_anybody_hears_of_it() {
    let receiver = answering("127.0.0.1", &[OK]).await;
    let port = receiver.address.port();
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "169.254.169.254", "[64:ff9b::7f00:1]"] {
        let refused = egress().send(request(&format!("http://{host}:{port}/"), &[])).await;
        assert!(matches!(refused, Err(EgressError::Refused { .. })), "{host}: {refused:?}");
    }
    assert_eq!(receiver.connections.load(Ordering::Relaxed), 0);
    // A connection that waits is no way around a grant that was taken back.
    let (egress, url) = (egress(), format!("http://127.0.0.1:{port}/"));
    egress.send(request(&url, HERE)).await.unwrap();
    assert!(matches!(egress.send(request(&url, &[])).await, Err(EgressError::Refused { .. })));
    assert_eq!(receiver.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nobody_goes_there() {
    let elsewhere = answering("127.0.0.1", &[OK]).await;
    const MOVED: &str = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n";
    let receiver = answering("127.0.0.1", &[MOVED]).await;
    let answer = egress().send(request(&format!("http://{}/", receiver.address), HERE)).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.headers["location"]), (302, &"http://127.0.0.1/".parse().unwrap()));
    assert_eq!(elsewhere.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn of_a_long_answer_the_beginning_is_kept() {
    let receiver = answering("127.0.0.1", &["HTTP/1.1 500 No\r\ncontent-length: 12\r\n\r\nhello, world"]).await;
    let outgoing = request(&format!("http://{}/", receiver.address), HERE);
    let passed = Arc::clone(&outgoing.passed);
    let answer = egress().send(outgoing).await.unwrap();
    assert_eq!((passed.sent(), passed.received()), (4, 12));
    assert_eq!((answer.status.as_u16(), &answer.body[..], answer.is_cut), (500, b"hello, w".as_slice(), true));
}

#[tokio::test]
async fn answers_that_share_their_room_have_no_more_than_that_together() {
    let receiver = answering("127.0.0.1", &[OK]).await;
    let (egress, room) = (egress(), Arc::new(Semaphore::new(5)));
    let outgoing = Outgoing { room, ..request(&format!("http://{}/", receiver.address), HERE) };
    let mut kept = Vec::new();
    for _ in 0..4 {
        let answer = egress.send(outgoing.clone()).await.unwrap();
        kept.push((answer.body.len(), answer.is_cut));
    }
    assert_eq!(kept, [(2, false), (2, false), (1, true), (0, true)]);
}

#[tokio::test]
async fn what_is_no_answer_is_told_by_what_it_was() {
    let send = async |answers, millis| {
        let receiver = answering("127.0.0.1", answers).await;
        let outgoing = request(&format!("http://{}/", receiver.address), HERE);
        let passed = Arc::clone(&outgoing.passed);
        let error = egress().send(Outgoing { timeout: Duration::from_millis(millis), ..outgoing }).await.unwrap_err();
        (error, passed.sent(), passed.received())
    };
    assert!(matches!(send(&[""], 20_000).await, (EgressError::Broken(_), 4, 0)));
    assert!(matches!(send(&["no HTTP at all\r\n\r\n"], 20_000).await, (EgressError::Broken(_), 4, 0)));
    const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 20\r\nconnection: close\r\n\r\nshort";
    assert!(matches!(send(&[CUT], 20_000).await, (EgressError::Broken(_), 4, 5)), "what came counts");
    // The answer has no end, so it comes to one by its time.
    assert!(matches!(
        send(&["HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nshort"], 50).await,
        (EgressError::Timeout(50), 4, _)
    ));
    // A port that was free a moment ago.
    let gone = answering("127.0.0.1", &[OK]).await.address;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_ne!(port, gone.port());
    let outgoing = request(&format!("http://127.0.0.1:{port}/"), HERE);
    let passed = Arc::clone(&outgoing.passed);
    let refused = egress().send(outgoing).await;
    assert!(matches!(refused, Err(EgressError::Connect { .. })), "{refused:?}");
    assert_eq!(passed.sent(), 0, "nothing left");
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_waited_costs_nothing() {
    // The server closes behind each answer without saying so: the second request finds that out.
    let receiver =
        answering("127.0.0.1", &["HTTP/1.1 200 OK\r\nx: connection: close\r\ncontent-length: 2\r\n\r\nok"]).await;
    let (egress, url) = (egress(), format!("http://{}/", receiver.address));
    for _ in 0..20 {
        egress.send(request(&url, HERE)).await.unwrap();
    }
    assert_eq!(receiver.requests.lock().unwrap().len(), 20);
}

/// Sockets of this machine that somebody has open towards a port: field 9 of a line of proc_pid_net(5) is theirs.
fn open_to(port: u16) -> usize {
    let all = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let towards = format!(":{port:04X}");
    let is_open = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[2].ends_with(&towards) && fields[9] != "0"
    };
    all.lines().skip(1).filter(is_open).count()
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_nothing_behind_however_little_its_receiver_takes() {
    // Nobody ever reads from it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let body = Bytes::from(vec![b'x'; 32 << 20]);
    let timeout = Duration::from_millis(200);
    let outgoing = Outgoing { body, timeout, ..request(&format!("http://{address}/"), HERE) };
    assert!(matches!(egress().send(outgoing).await, Err(EgressError::Timeout(200))));
    let gone = async {
        while open_to(address.port()) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("its socket stays open");
}
