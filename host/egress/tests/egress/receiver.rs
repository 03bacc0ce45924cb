//! A server that answers each request with the next of the texts that it was given, byte for byte.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// The server, and what it saw.
pub struct Receiver {
    pub address: SocketAddr,
    pub requests: Arc<Mutex<Vec<String>>>,
    pub connections: Arc<AtomicUsize>,
}

/// A server that gives these answers, the last one again and again; an empty one is none, and the connection breaks.
pub async fn answering(at: &str, answers: &'static [&'static str]) -> Receiver {
    let listener = TcpListener::bind((at, 0)).await.unwrap();
    let receiver =
        Receiver { address: listener.local_addr().unwrap(), requests: Arc::default(), connections: Arc::default() };
    let (requests, connections) = (Arc::clone(&receiver.requests), Arc::clone(&receiver.connections));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(stream, Arc::clone(&requests), answers));
        }
    });
    receiver
}

async fn serve(stream: TcpStream, requests: Arc<Mutex<Vec<String>>>, answers: &'static [&'static str]) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut text, mut length) = (String::new(), 0);
        while !text.ends_with("\r\n\r\n") {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            text += &line;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let number = {
            let mut requests = requests.lock().unwrap();
            requests.push(text + &String::from_utf8(body).unwrap());
            requests.len() - 1
        };
        let answer = answers.get(number).or(answers.last()).unwrap();
        if answer.is_empty() {
            return;
        }
        stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
        if answer.contains("connection: close") {
            return;
        }
    }
}
