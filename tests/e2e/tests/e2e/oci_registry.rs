//! A registry of OCI artifacts on a loopback port, in this process: as much of the distribution protocol as pushing and pulling need.
//!
//! It believes every digest that it is told, and forgets all when it is dropped. What a real one says, `cargo xtask oci` finds out.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// What it keeps, and whom it lets in.
#[derive(Default)]
pub struct Kept {
    pub blobs: HashMap<String, Vec<u8>>,
    /// By tag and by digest, of any repository.
    pub manifests: HashMap<String, Vec<u8>>,
    upload: Vec<u8>,
    /// The value of `Authorization` that it wants.
    pub wants: Option<String>,
    /// What it was asked for, line by line.
    pub asked: Vec<String>,
}

pub struct OciRegistry {
    pub kept: Arc<Mutex<Kept>>,
    pub address: String,
}

impl OciRegistry {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let shared = Arc::clone(&kept);
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { kept, address }
    }

    /// The reference of a tag.
    pub fn reference(&self, tag: &str) -> String {
        format!("oci://{}/team/probe:{tag}", self.address)
    }
}

struct Request {
    method: String,
    path: String,
    authorization: Option<String>,
    body: Vec<u8>,
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, authorization, body })
}

fn answer(mut stream: TcpStream, kept: &Mutex<Kept>) {
    let Some(request) = read(&stream) else { return };
    let is_head = request.method == "HEAD";
    let (status, headers, body) = answered(request, &mut kept.lock().unwrap());
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    let _ = stream.write_all(head.as_bytes());
    if !is_head {
        let _ = stream.write_all(&body);
    }
}

fn answered(request: Request, kept: &mut Kept) -> (u16, String, Vec<u8>) {
    let Request { method, path, authorization, body } = request;
    kept.asked.push(format!("{method} {path}"));
    if kept.wants.is_some() && authorization != kept.wants {
        return (401, "www-authenticate: Basic realm=\"here\"\r\n".to_owned(), Vec::new());
    }
    let last = path.rsplit('/').next().unwrap_or_default().to_owned();
    let location = "location: /v2/team/probe/blobs/uploads/1\r\n".to_owned();
    match (method.as_str(), path.as_str()) {
        (_, "/v2/") => (200, String::new(), Vec::new()),
        ("POST", _) => {
            kept.upload.clear();
            (202, location, Vec::new())
        }
        ("PATCH", _) => {
            kept.upload.extend(body);
            (202, format!("{location}range: 0-{}\r\n", kept.upload.len() - 1), Vec::new())
        }
        ("PUT", path) if path.contains("/blobs/") => {
            let digest = path.split_once("digest=").unwrap().1.replace("%3A", ":");
            kept.upload.extend(body);
            let upload = std::mem::take(&mut kept.upload);
            kept.blobs.insert(digest, upload);
            (201, location, Vec::new())
        }
        ("PUT", _) => {
            kept.manifests.insert(last, body);
            (201, location, Vec::new())
        }
        (_, path) => {
            let (of, kind) = match path.contains("/blobs/") {
                true => (&kept.blobs, "application/octet-stream"),
                false => (&kept.manifests, "application/vnd.oci.image.manifest.v1+json"),
            };
            match of.get(&last) {
                Some(bytes) => (200, format!("content-type: {kind}\r\n"), bytes.clone()),
                None => (404, String::new(), br#"{"errors": [{"code": "MANIFEST_UNKNOWN"}]}"#.to_vec()),
            }
        }
    }
}
