//! The server by itself: says where it listens, and serves until its stdin ends.

use std::io::Read as _;

use wharf_models::{ACCESS_KEY, KEY, SECRET_KEY, Server};

fn main() {
    let server = Server::start();
    let port = server.port;
    println!("{}", serde_json::json!({"port": port, "key": KEY, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}));
    let mut rest = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut rest);
}
