//! A bare hyper server: it reads each request to its end and answers the same bytes. It is the peer of `cargo xtask bench http`.
//!
//! Usage: `wharf-bench-http STATUS BYTES`, where the answers have that status and so many bytes. It says its port on one line of stdout, and
//! serves until it is killed.

use std::{convert::Infallible, net::Ipv4Addr, process::ExitCode};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match served() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wharf-bench-http: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn served() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let status: u16 = arguments.next().context("which status?")?.parse()?;
    let bytes: usize = arguments.next().context("how many bytes?")?.parse()?;
    let (status, body) = (StatusCode::from_u16(status)?, Bytes::from("x".repeat(bytes)));
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    threads.block_on(async move {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let body = body.clone();
            let service = service_fn(move |request| answer(request, status, body.clone()));
            // A client that goes away ends its connection, and that is all.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    status: StatusCode,
    body: Bytes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    // What does not come whole has no answer that anybody waits for.
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    Ok(response)
}
