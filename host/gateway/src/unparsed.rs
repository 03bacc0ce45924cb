//! An answer with a body for bytes that are no HTTP request.
//!
//! hyper answers those itself, with a head and nothing behind it, and ends the connection; it has no hook to say more. So a
//! stream stands between hyper and the socket that keeps such a head back when it is the last that was written. When the
//! connection then ends because a request could not be parsed, a problem goes out in its place.
//!
//! Invariant: in every other case the socket gets each byte that hyper wrote, in order: what is kept back goes out as it is
//! once hyper writes more, waits for something, or ends in another way. No answer of this gateway looks like a bare head,
//! since all have a media type; should bytes of a body do, they are late and never lost.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use wharf_event::Code;

use crate::limits::{DRAIN_BYTES_MAX, HEAD_BYTES_MAX, HEADER_LINES_MAX, LINGER};
use crate::problem::Problem;

/// The status lines of hyper's own answers, without the version.
const STATUSES: [&str; 3] = [" 400 Bad Request", " 414 URI Too Long", " 431 Request Header Fields Too Large"];

/// How the heads of all answers begin, up to the digit of the version.
const VERSION: &[u8] = b"HTTP/1.";

/// The bytes of hyper's longest own answer, and some room.
const BARE_BYTES_MAX: usize = 256;

/// What a stream keeps back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    let_go: bool,
}

impl Tail {
    fn with<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets go of what is kept back, at the stream's next flush. Answers whether there is anything.
    pub(crate) fn let_go(&self) -> bool {
        self.with(|kept| {
            kept.let_go = !kept.bytes.is_empty();
            kept.let_go
        })
    }
}

/// A stream that keeps a bare head back.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    tail: Tail,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    pub(crate) fn new(stream: S) -> (Self, Tail) {
        let tail = Tail::default();
        (Self { stream, tail: tail.clone() }, tail)
    }

    /// Writes what is kept back.
    fn poll_let_go(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, tail } = self;
        tail.with(|kept| {
            while !kept.bytes.is_empty() {
                match ready!(Pin::new(&mut *stream).poll_write(cx, &kept.bytes))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => drop(kept.bytes.drain(..written)),
                }
            }
            kept.let_go = false;
            Poll::Ready(Ok(()))
        })
    }

    /// Ends the stream, with `problem` in the place of a bare head that was the last that hyper wrote.
    ///
    /// # Errors
    /// When the client is gone.
    pub(crate) async fn end(mut self, problem: Option<&Problem>) -> io::Result<()> {
        let bare = self.tail.with(|kept| std::mem::take(&mut kept.bytes));
        let answer = match problem {
            Some(problem) if !bare.is_empty() => answer(&bare, problem)?,
            _ => bare,
        };
        self.stream.write_all(&answer).await?;
        self.stream.shutdown().await?;
        if problem.is_some() {
            // A socket that is closed before all was read resets the connection, and the answer with it.
            let (mut rest, mut nowhere) = (self.stream.take(DRAIN_BYTES_MAX as u64), tokio::io::sink());
            // Whether the client stopped by then or not, this was the end.
            let _ = tokio::time::timeout(LINGER, tokio::io::copy(&mut rest, &mut nowhere)).await;
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

// Without vectored writes hyper gives all that it has in one slice, so a bare head is never cut in two.
impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_let_go(cx))?;
        let (before, bare) = buf.split_at(start_of_bare_head(buf).unwrap_or(buf.len()));
        if before.is_empty() && !bare.is_empty() {
            self.tail.with(|kept| kept.bytes.extend_from_slice(bare));
            return Poll::Ready(Ok(bare.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, before)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.tail.with(|kept| kept.let_go) {
            ready!(self.poll_let_go(cx))?;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_let_go(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What to say about a request that hyper could not parse; none if the connection ended in another way.
pub(crate) fn problem(error: &hyper::Error) -> Option<Problem> {
    if !error.is_parse() {
        return None;
    }
    Some(if error.is_parse_too_large() {
        let detail = format!(
            "the request line and the headers have more than {HEAD_BYTES_MAX} bytes or {HEADER_LINES_MAX} lines"
        );
        Problem::new(Code::RequestHeadTooLarge, detail)
    } else {
        Problem::new(Code::RequestMalformed, format!("the request cannot be read: {error}"))
    })
}

/// Where a bare head begins, if it is the last of these bytes.
fn start_of_bare_head(bytes: &[u8]) -> Option<usize> {
    let window = bytes.len().saturating_sub(BARE_BYTES_MAX);
    let last = bytes.get(window..)?.windows(VERSION.len()).rposition(|seen| seen == VERSION)?;
    let start = window + last;
    is_bare_head(bytes.get(start..)?).then_some(start)
}

/// Whether these bytes are one whole answer of hyper itself.
fn is_bare_head(bytes: &[u8]) -> bool {
    let Some(head) = str::from_utf8(bytes).ok().and_then(|head| head.strip_suffix("\r\n\r\n")) else { return false };
    let mut lines = head.split("\r\n");
    // One digit stands between what was found and the status.
    let status = lines.next().and_then(|line| line.get(VERSION.len() + 1..)).unwrap_or_default();
    STATUSES.contains(&status)
        && lines.all(|line| line == "connection: close" || line == "content-length: 0" || is_date(line))
}

fn is_date(line: &str) -> bool {
    line.starts_with("date: ")
}

/// The answer that stands in the place of a bare head: of its version and date, with the problem as its body.
fn answer(bare: &[u8], problem: &Problem) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(problem)?;
    let bare = String::from_utf8_lossy(bare);
    let version = bare.get(..VERSION.len() + 1).unwrap_or("HTTP/1.1");
    let reason = http::StatusCode::from_u16(problem.status).ok().and_then(|status| status.canonical_reason());
    let date = bare.split("\r\n").find(|line| is_date(line)).map(|line| format!("{line}\r\n")).unwrap_or_default();
    let head = format!(
        "{version} {} {}\r\ncontent-type: application/problem+json\r\nx-content-type-options: nosniff\r\n\
         content-length: {}\r\nconnection: close\r\n{date}\r\n",
        problem.status,
        reason.unwrap_or_default(),
        body.len()
    );
    Ok([head.into_bytes(), body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: Thu, 26 Nov 2026 20:00:00 GMT\r\n\r\n";

    /// A socket that takes a few bytes at a time, and often none.
    #[derive(Default)]
    struct Slow {
        took: Vec<u8>,
        random: u32,
    }

    impl Slow {
        fn next(&mut self, below: u32) -> u32 {
            self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.random >> 16) % below
        }
    }

    impl AsyncRead for Slow {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Slow {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            if self.next(3) == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let taken = buf.len().min(self.next(200) as usize + 1);
            self.took.extend_from_slice(&buf[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What the socket has after these writes, with or without the connection's waiting between them, and the end.
    async fn through(writes: &[&[u8]], random: u32, problem: Option<&Problem>) -> Vec<u8> {
        let mut slow = Slow { random, ..Slow::default() };
        let (mut watched, tail) = Watched::new(&mut slow);
        for write in writes {
            watched.write_all(write).await.unwrap();
            watched.flush().await.unwrap();
            if watched.stream.next(2) == 0 && tail.let_go() {
                watched.flush().await.unwrap();
                assert!(!tail.let_go(), "what was let go is gone");
            }
        }
        watched.end(problem).await.unwrap();
        slow.took
    }

    #[tokio::test]
    async fn no_byte_is_altered_where_nothing_was_wrong_with_a_request() {
        let pieces: [&[u8]; 7] = [
            BARE.as_bytes(),
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nabc",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            b"\r\n\r\n",
            b"HTTP/1.",
            b"\xff\0",
            &[b'x'; 700],
        ];
        for random in 0..500 {
            let mut choice = Slow { random, ..Slow::default() };
            let mut write =
                || (0..=choice.next(4)).map(|_| pieces[choice.next(7) as usize]).collect::<Vec<_>>().concat();
            let writes: Vec<Vec<u8>> = (0..4).map(|_| write()).collect();
            let writes: Vec<&[u8]> = writes.iter().map(Vec::as_slice).collect();
            assert_eq!(through(&writes, random, None).await, writes.concat(), "{random}");
        }
    }

    #[tokio::test]
    async fn a_bare_head_at_the_end_makes_place_for_the_problem() {
        let problem = Problem::new(Code::RequestMalformed, "no");
        let body = serde_json::to_string(&problem).unwrap();
        let good = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nabc";
        let expected = format!(
            "{good}HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n\
             x-content-type-options: nosniff\r\ncontent-length: {}\r\nconnection: close\r\n\
             date: Thu, 26 Nov 2026 20:00:00 GMT\r\n\r\n{body}",
            body.len()
        );
        let together = format!("{good}{BARE}");
        for (random, last) in (0..50).flat_map(|random| [(random, good), (random, together.as_str())]) {
            let writes: &[&[u8]] = if last == good { &[good.as_bytes()] } else { &[last.as_bytes()] };
            let mut slow = Slow { random, ..Slow::default() };
            let (mut watched, _) = Watched::new(&mut slow);
            for write in writes {
                watched.write_all(write).await.unwrap();
            }
            if last == good {
                watched.write_all(BARE.as_bytes()).await.unwrap();
            }
            watched.flush().await.unwrap();
            watched.end(Some(&problem)).await.unwrap();
            assert_eq!(String::from_utf8(slow.took).unwrap(), expected, "{random}");
        }
        // An end without a bare head has nothing to replace.
        assert_eq!(through(&[good.as_bytes()], 1, Some(&problem)).await, good.as_bytes());
    }

    #[test]
    fn only_hypers_own_answers_are_bare_heads() {
        let dated = |status: &str| format!("HTTP/1.1 {status}\r\ndate: Thu, 26 Nov 2026 20:00:00 GMT\r\n\r\n");
        for bare in [
            BARE.to_owned(),
            dated("431 Request Header Fields Too Large"),
            dated("414 URI Too Long"),
            BARE.replace("1.1", "1.0"),
        ] {
            assert_eq!(start_of_bare_head(bare.as_bytes()), Some(0), "{bare}");
            assert_eq!(start_of_bare_head(format!("HTTP/1.1 200 OK\r\n\r\n{bare}").as_bytes()), Some(19), "{bare}");
        }
        for other in [
            String::new(),
            dated("200 OK"),
            dated("404 Not Found"),
            BARE.replace("content-length: 0", "content-length: 1"),
            BARE.replace("connection: close", "content-type: text/plain"),
            BARE.trim_end().to_owned(),
            format!("{BARE}x"),
        ] {
            assert_eq!(start_of_bare_head(other.as_bytes()), None, "{other}");
        }
    }
}
