//! Capability: `wharf:secrets/held`. Whether a plugin may have a value is decided here; where it is kept, and under which key, is not known here.
//!
//! Invariant: a value is given only where a grant of its own kind names the secret, and is in nothing that the host shows of the call from then on:
//! its log and the reasons that it gives are written without it, also in later calls of the same instance, whose memory may have it still.

use std::{borrow::Cow, fmt, pin::Pin};

use wasmtime::component::{HasSelf, Linker};
use wharf_delivery::{Details, Failure, clipped, limits::ERROR_TEXT_BYTES_MAX};
use wharf_event::{Code, Grants, SecretName, TenantName};
use wharf_recording::{Call, Holds};
pub use wharf_vault::Value as Secret;
use wharf_vault::{Hidden, SECRET_BYTES_MAX, Shown};

use crate::{
    Attempt,
    bindings::{secrets::wharf::secrets::held, wasi::logging::logging::Level},
};

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotHeld {
    /// The stable code.
    pub code: Code,
    /// What happened, in words.
    pub reason: String,
}

/// What comes of a wish for a value.
pub type Opening = Pin<Box<dyn Future<Output = Result<Secret, NotHeld>> + Send>>;

/// Opens secrets of tenants.
pub trait HeldSecrets: Send + Sync {
    /// The value of a secret as it is kept now.
    fn open(&self, tenant: &TenantName, secret: &SecretName) -> Opening;
}

/// Where there are no secrets.
#[derive(Clone, Copy, Debug)]
pub struct NoSecrets;

impl HeldSecrets for NoSecrets {
    fn open(&self, _: &TenantName, secret: &SecretName) -> Opening {
        let reason = format!("there is no secret `{secret}`: none are kept here");
        Box::pin(async { Err(NotHeld { code: Code::SecretUnknown, reason }) })
    }
}

/// Values that an instance was given, to be found in what it says: as they are, and as they stand in strings of JSON.
#[derive(Clone, Default)]
pub(crate) struct Given {
    values: Vec<(SecretName, Secret)>,
    hidden: Hidden,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values.iter().map(|(name, _)| name.as_str())).finish()
    }
}

impl Given {
    fn add(&mut self, name: &SecretName, value: &Secret) {
        if self.values.iter().any(|(held, same)| (held, same) == (name, value)) {
            return;
        }
        self.values.push((name.clone(), value.clone()));
        self.hidden.add(name.as_str(), value);
        let json = std::str::from_utf8(value.reveal()).ok().and_then(|text| serde_json::to_string(text).ok());
        if let Some(inner) = json.as_deref().and_then(|json| json.strip_prefix('"')?.strip_suffix('"')) {
            self.hidden.add(name.as_str(), &Secret::new(inner.as_bytes().to_vec()));
        }
    }

    /// The value of a secret, if it was given.
    fn value(&self, secret: &SecretName) -> Option<&Secret> {
        self.values.iter().find(|(name, _)| name == secret).map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// A text without the values, of which no more than its first `most` bytes are to be shown: what is behind them is looked at no further than a value may reach.
    pub(crate) fn redact<'a>(&self, text: &'a str, most: usize) -> Cow<'a, str> {
        let most = text.floor_char_boundary(most.saturating_add(SECRET_BYTES_MAX));
        if most < text.len() {
            self.redact_begun(text.get(..most).unwrap_or_default())
        } else {
            self.redact_whole(text)
        }
    }

    /// A text without the values.
    fn redact_whole<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.hidden.without(text.as_bytes()) {
            Some(shown) => String::from_utf8_lossy(&shown).into_owned().into(),
            None => text.into(),
        }
    }

    /// A text that was longer without the values, and without the beginning of one at its end.
    pub(crate) fn redact_begun<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Shown { bytes, held } = self.hidden.begun(text.as_bytes());
        match bytes {
            Some(shown) => String::from_utf8_lossy(&shown).into_owned().into(),
            None => text.get(..text.floor_char_boundary(text.len() - held)).unwrap_or_default().into(),
        }
    }

    /// Bytes without the values.
    pub(crate) fn redact_bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.hidden.without(bytes)
    }
}

/// What a call was given and refused.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    /// Of this call: what it was given once it is given again.
    open: Given,
    met: Vec<Code>,
}

impl Holding {
    pub(crate) fn tell(self, details: &mut Details) {
        self.met.iter().for_each(|code| details.met(*code));
    }
}

/// Adds it to `linker`.
pub(crate) fn link(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    held::add_to_linker::<_, HasSelf<Attempt>>(linker, |attempt| attempt)
}

impl held::Host for Attempt {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<String, held::SecretError>> {
        let begun = self.context.tape.begin();
        let given = match self.may_hold(&name) {
            Ok(secret) => self.opened(&secret).await,
            Err(refused) => Err(refused),
        };
        self.context.tape.note(begun, || {
            let call = Call::of("wharf:secrets/held.get").asked("name", name.as_str());
            match &given {
                Ok(_) => call.told("value", format!("[secret:{name}]")),
                Err(NotHeld { code, reason }) => call.told("error", code.as_str()).told("why", reason.as_str()),
            }
        });
        Ok(given.map_err(|NotHeld { code, reason }| {
            if !self.holding.met.contains(&code) {
                self.holding.met.push(code);
            }
            // A log that is full ends the attempt when the guest writes the next line.
            let _ = self.log.line(Level::Warn, "hold", &format!("{code}: {reason}"));
            match code {
                Code::HoldDenied => held::SecretError::Denied(reason),
                Code::SecretUnknown => held::SecretError::Unknown(reason),
                _ => held::SecretError::Unavailable(reason),
            }
        }))
    }
}

impl Attempt {
    fn may_hold(&self, name: &str) -> Result<SecretName, NotHeld> {
        let denied = |reason| NotHeld { code: Code::HoldDenied, reason };
        let secret = name.parse::<SecretName>().map_err(|error| denied(error.to_string()))?;
        if self.context.grants.may_hold(name) {
            return Ok(secret);
        }
        let line = self.context.grants_line(&Grants { hold: vec![secret], ..Grants::default() });
        Err(denied(format!("holding the secret `{name}` is not granted; {line}")))
    }

    async fn opened(&mut self, secret: &SecretName) -> Result<String, NotHeld> {
        let value = match self.holding.open.value(secret).cloned() {
            Some(value) => value,
            None => {
                let opening = self.context.secrets.open(&self.context.tenant, secret);
                let value = opening.await?;
                self.holding.open.add(secret, &value);
                self.log.hide(|given| given.add(secret, &value));
                value
            }
        };
        self.effects.gave(value.reveal().len());
        String::from_utf8(value.reveal().to_vec())
            .map_err(|_| NotHeld { code: Code::SecretClosed, reason: format!("the secret `{secret}` is no text") })
    }

    /// Ends what is recorded: without what the plugin was given to hold. An event that has it in it is not kept at all.
    pub(crate) fn end_tape(&self) {
        let tape = &self.context.tape;
        if !tape.is_on() {
            return;
        }
        let held = if self.log.hidden() == 0 {
            Holds::Nothing
        } else {
            let mut event = Vec::new();
            self.context.event.encode(&mut event);
            if self.log.redact_bytes(&event).is_some() { Holds::InEvent } else { Holds::Elsewhere }
        };
        tape.end(held, |bytes| self.log.redact_bytes(bytes));
    }

    /// A failure as it is kept: without what the plugin was given to hold, and then as long as a reason may be.
    #[must_use]
    pub fn redacted(&self, failure: Failure) -> Failure {
        let reason = self.log.redact(&failure.reason, ERROR_TEXT_BYTES_MAX);
        Failure { reason: clipped(reason), ..failure }
    }
}

#[cfg(test)]
pub(crate) mod tests;
