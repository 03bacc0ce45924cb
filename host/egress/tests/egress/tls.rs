//! TLS: the certificate has to be the name's, and the protocol is what both sides speak.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use wharf_egress::{Egress, EgressError, Settings};

use super::sending::request;

const CA: &[u8] = include_bytes!("data/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("data/server.pem");
const KEY: &[u8] = include_bytes!("data/server.key");

/// A server that answers with what it speaks and the host that it was asked for.
async fn server(protocols: &[&[u8]]) -> SocketAddr {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let name = stream.get_ref().1.server_name().unwrap_or_default().to_owned();
                let is_two = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let answer = service_fn(move |request: Request<Incoming>| {
                    let host = request.uri().host().map(str::to_owned);
                    let host = host.or_else(|| Some(request.headers().get("host")?.to_str().ok()?.to_owned()));
                    let text = format!("{:?} {name} {}", request.version(), host.unwrap_or_default());
                    async move { Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(text)))) }
                });
                if is_two {
                    drop(
                        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await,
                    );
                } else {
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
                }
            });
        }
    });
    address
}

/// A DNS server for which every name is this machine.
async fn names() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let mut answer = buffer[..length].to_vec();
            answer[2] |= 0x80;
            // The type of the question is right behind its name.
            if answer[length - 3] == 1 {
                answer[7] = 1;
                answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x7f\0\0\x01");
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

async fn egress() -> Egress {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(CA).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    Egress::with_tls(Settings { dns: vec![names().await] }, builder.with_no_client_auth())
}

#[tokio::test]
async fn it_speaks_what_the_other_side_speaks_and_names_whom_it_means() {
    for (protocols, version) in
        [(&[b"h2".as_slice(), b"http/1.1"][..], "HTTP/2.0"), (&[b"http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")]
    {
        let (egress, port) = (egress().await, server(protocols).await.port());
        for _ in 0..2 {
            let mut outgoing = request(&format!("https://hook.test:{port}/"), &["127.0.0.1"]);
            outgoing.room = Arc::new(Semaphore::new(100));
            let answer = egress.send(outgoing).await.unwrap();
            let wanted = if version == "HTTP/2.0" {
                "HTTP/2.0 hook.test hook.test".to_owned()
            } else {
                format!("HTTP/1.1 hook.test hook.test:{port}")
            };
            assert_eq!(str::from_utf8(&answer.body).unwrap(), wanted);
        }
    }
}

#[tokio::test]
async fn a_certificate_of_another_name_or_of_nobody_that_is_known_is_refused() {
    let port = server(&[]).await.port();
    let refused = egress().await.send(request(&format!("https://other.test:{port}/"), &["127.0.0.1"])).await;
    assert!(matches!(refused, Err(EgressError::Tls { .. })), "{refused:?}");
    let machine = Egress::new(Settings { dns: vec![names().await] }).unwrap();
    let refused = machine.send(request(&format!("https://hook.test:{port}/"), &["127.0.0.1"])).await;
    assert!(matches!(refused, Err(EgressError::Tls { .. })), "{refused:?}");
}
