//! The peer: Debian's `docker-registry` on a free port of this machine.
//!
//! Invariant: it does not outlive its owner, listens on loopback only, and keeps its files in the folder that it is given.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::host::child::last_words;
use crate::interrupt::Interrupt;
use crate::poll;

/// How long it may take until it answers.
const READY_S_MAX: Duration = Duration::from_secs(20);

/// Whom a registry with a door lets in, and the password by bcrypt, as it wants to read them.
const USERS: &str = "me:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";

/// The same, `me:secret`, as `docker login` writes it.
pub const LOGIN: &str = "bWU6c2VjcmV0";

/// A running registry.
pub struct Registry {
    child: Child,
    address: SocketAddr,
}

impl Registry {
    /// Starts `program` with its files in a new folder, and waits until it answers. With `door` it wants to know who comes.
    pub fn start(program: &Path, folder: &Path, door: bool) -> Result<Self> {
        fs::create_dir(folder).with_context(|| format!("making {}", folder.display()))?;
        // It cannot be asked to choose a port, so one that was free a moment ago is taken.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut config = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {:?}}}}}\nhttp: {{addr: \"{address}\"}}\n",
            folder.join("kept")
        );
        if door {
            let users = folder.join("users");
            fs::write(&users, USERS)?;
            config.push_str(&format!("auth: {{htpasswd: {{realm: here, path: {users:?}}}}}\n"));
        }
        let file = folder.join("config.yml");
        fs::write(&file, config).with_context(|| format!("writing {}", file.display()))?;
        let log = folder.join("log");
        let mut command = Command::new(program);
        command.arg("serve").arg(&file).current_dir(folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(&log)?);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let mut registry = Self { child, address };
        poll::until("the registry to answer", READY_S_MAX, &Interrupt::never(), || {
            if let Some(status) = registry.child.try_wait()? {
                bail!("the registry ended with {status}: {}", last_words(&log));
            }
            Ok(TcpStream::connect(address).is_ok().then_some(()))
        })?;
        Ok(registry)
    }

    /// Where it is, as references begin.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended already, which is all that is wanted; its files are thrown away.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
