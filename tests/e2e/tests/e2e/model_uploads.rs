//! Goal: an upload of a model is the tenant's that sent it, and of no other tenant of that name; and a tenant that sends slowly keeps nobody else
//! from it.
//! Method: uploads whose bytes come in two parts, with something else in between.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};
use wharf_models::onnx;

use crate::{
    host::{Host, sha256},
    infer::site,
    killed::until,
    routes::connected,
};

/// An upload that lacks its last byte.
struct Upload(TcpStream, u8);

impl Upload {
    fn begin(host: &Host, path: &str, bytes: &[u8]) -> Self {
        let mut stream = connected(host);
        let (last, first) = bytes.split_last().unwrap();
        let authority = host.url.trim_start_matches("http://");
        let head = format!("PUT {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
        write!(stream, "{head}content-length: {}\r\n\r\n", bytes.len()).unwrap();
        stream.write_all(first).unwrap();
        Self(stream, *last)
    }

    fn end(mut self) -> String {
        self.0.write_all(&[self.1]).unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn path(tenant: &str, model: &str, bytes: &[u8]) -> String {
    format!("/v1/tenants/{tenant}/models/{model}/versions/{}", sha256(bytes))
}

/// Files that are being written.
fn parts(folder: &std::path::Path) -> usize {
    let all = std::fs::read_dir(folder.join("data/components")).unwrap();
    all.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part")).count()
}

#[test]
fn an_upload_that_spans_its_tenant_is_not_the_next_ones() {
    let site = site(&[("of-file", onnx::sum())], &[]);
    let host = site.start("serve");
    assert_eq!(host.put("/v1/tenants/other", None, "{}").0, 201);
    let bytes = onnx::sum();
    let upload = Upload::begin(&host, &path("other", "fraud", &bytes), &bytes);
    until("that it began", || parts(site.folder.path()) == 1);
    assert_eq!(host.delete("/v1/tenants/other?confirm=other"), 202);
    until("that the name is free", || host.put("/v1/tenants/other", None, "{}").0 == 201);
    let answer = upload.end();
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("tenant-unknown"), "{answer}");
    assert_eq!(host.get("/v1/tenants/other/models"), (200, json!([])));
    assert_eq!(host.put(&path("other", "fraud", &bytes), None, &bytes).0, 201);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_tenant_that_uploads_slowly_leaves_places_to_others() {
    let site = site(&[("of-file", onnx::sum())], &[]);
    let host = site.start("serve");
    assert_eq!(host.put("/v1/tenants/other", None, "{}").0, 201);
    let bytes = onnx::sum();
    let begun: Vec<_> = (0..3).map(|n| Upload::begin(&host, &path("acme", &format!("m{n}"), &bytes), &bytes)).collect();
    until("that they began", || parts(site.folder.path()) == 3);
    let (status, _, refused): (u16, String, Value) = host.put(&path("acme", "m3", &bytes), None, &bytes);
    assert_eq!((status, &refused["code"]), (503, &json!("overloaded")), "{refused}");
    assert_eq!(host.put(&path("other", "m", &bytes), None, &bytes).0, 201);
    for upload in begun {
        let answer = upload.end();
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }
    assert_eq!(host.put(&path("acme", "m3", &bytes), None, &bytes).0, 201);
    assert_eq!(host.stop(), Some(0));
}
