//! Where the key comes from that secrets are sealed under: the environment, a file that is named there, or one in the data folder.
//!
//! Invariant: the first of them that is there counts, and one that is there and is no key is an error, never passed over: what was sealed
//! under another key would not open. The file in the data folder is made when the first secret is kept, for its owner only.

use std::{
    io::{self, Write as _},
    os::unix::ffi::OsStrExt as _,
    sync::{Mutex, OnceLock, PoisonError},
};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use wharf_event::Code;
use wharf_vault::{Key, SealError};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The variable with the key itself.
const KEY: &str = "WHARF_SECRET_KEY";

/// The variable with the name of a file that has it.
const KEY_FILE: &str = "WHARF_SECRET_KEY_FILE";

/// The file in the data folder.
const OWN_FILE: &str = "secret.key";

/// The same before it is whole.
const NEW_FILE: &str = "secret.key.new";

/// The key, or where one would be made.
pub struct SecretKey {
    key: OnceLock<Key>,
    making: Mutex<()>,
    folder: Dir,
}

fn unusable(message: String) -> Failure {
    Failure::of_text(Code::SecretClosed, message)
}

impl SecretKey {
    /// What there is now.
    ///
    /// # Errors
    /// When what should be a key is none, or cannot be read.
    pub fn find(folder: Dir) -> Result<Self, Failure> {
        let text = if let Some(text) = std::env::var_os(KEY) {
            Some((Zeroizing::new(String::from_utf8_lossy(text.as_bytes()).into_owned()), format!("the variable {KEY}")))
        } else if let Some(file) = std::env::var_os(KEY_FILE) {
            let text = std::fs::read_to_string(&file).map_err(|error| {
                unusable(format!("{KEY_FILE} names {}, which cannot be read: {error}", file.display()))
            })?;
            Some((Zeroizing::new(text), format!("the file of {KEY_FILE}")))
        } else {
            match folder.read_to_string(OWN_FILE) {
                Ok(text) => Some((Zeroizing::new(text), format!("{OWN_FILE} in the data folder"))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(unusable(format!("{OWN_FILE} in the data folder cannot be read: {error}"))),
            }
        };
        let key = OnceLock::new();
        if let Some((text, place)) = text {
            let read: Key = text.parse::<Key>().map_err(|error| unusable(format!("{place} has no key: {error}")))?;
            let _ = key.set(read);
        }
        Ok(Self { key, making: Mutex::default(), folder })
    }

    /// The key, where there is one: without one nothing was ever sealed.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self) -> Result<&Key, SealError> {
        self.key.get().ok_or(SealError::NoKey)
    }

    /// The key, made where there is none.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn made(&self) -> Result<&Key, SealError> {
        let _turn = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = Key::random().map_err(|_| SealError::Machine)?;
        if let Err(error) = self.keep(&key) {
            tracing::error!("the key of secrets cannot be kept in the data folder: {error}");
            return Err(SealError::Machine);
        }
        Ok(self.key.get_or_init(|| key))
    }

    fn keep(&self, key: &Key) -> io::Result<()> {
        // A host that is killed here leaves a beginning under another name.
        let options = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).to_owned();
        let mut file = self.folder.open_with(NEW_FILE, &options)?;
        file.write_all(key.reveal().as_bytes())?;
        file.sync_all()?;
        self.folder.rename(NEW_FILE, &self.folder, OWN_FILE)?;
        // Its name is durable before anything is sealed under it.
        self.folder.open(".")?.sync_all()
    }
}
