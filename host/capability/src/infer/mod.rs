//! Capability: `wharf:infer/models`. Which questions are asked is decided here; which version of a model answers, and where it runs, is not known here.
//!
//! Invariant: a model is asked only where a grant names it, and never more often or with more bytes than the attempt may. What is refused is an
//! error of the guest's, a code in the attempt, and a line of its log. Each question has one line of that log, whatever came of it.

mod contract;
mod port;

use std::time::Duration;

use wasmtime::component::{HasSelf, Linker};
use wharf_delivery::{Details, LogLevel};
use wharf_event::{Code, Grants, ModelName};
use wharf_infer::{Tensor, tensors_to_bytes};
use wharf_recording::Call;

pub use port::{InferCall, InferFailed, InferOut, InferSpent, Inferred, Inferring, NoModels};

use crate::{
    Attempt,
    bindings::{infer::wharf::infer::models, wasi::logging::logging::Level},
    effects::bytes,
};

/// Adds it to `linker`.
pub(crate) fn link(linker: &mut Linker<Attempt>) -> wasmtime::Result<()> {
    models::add_to_linker::<_, HasSelf<Attempt>>(linker, |attempt| attempt)
}

/// What the questions of an attempt come to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    calls: u32,
    bytes_in: u64,
    bytes_out: u64,
    /// How long models ran for it.
    took: Duration,
    /// What questions were refused for, each once.
    met: Vec<Code>,
    /// The model that is asked at this moment.
    open: Option<String>,
}

impl Tally {
    /// Adds how long a model ran on a processor of the host.
    fn add(&mut self, spent: &InferSpent) {
        if !spent.outside {
            self.took += spent.took;
        }
    }

    /// Adds what the questions came to. (Each has a line of the log, which is counted as a call of the host.) A model's time is processor time of
    /// the attempt, since its worker has one processor.
    pub(crate) fn tell(self, details: &mut Details) {
        self.met.iter().for_each(|code| details.met(*code));
        if let Some(model) = self.open {
            details.log.push(LogLevel::Warn, "infer", &format!("{model}: the attempt ended before its answer"));
        }
        let used = details.used.get_or_insert_default();
        used.bytes_out += self.bytes_out;
        used.bytes_in += self.bytes_in;
        let whole = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        used.cpu_ns = used.cpu_ns.saturating_add(whole(self.took.as_nanos()));
        details.cpu_us = details.cpu_us.saturating_add(whole(self.took.as_micros()));
    }
}

impl models::Host for Attempt {
    async fn infer(
        &mut self,
        model: String,
        inputs: Vec<models::Tensor>,
    ) -> wasmtime::Result<Result<models::Answer, models::InferError>> {
        let shown: String = model.chars().take(64).collect();
        let inputs = contract::tensors(inputs);
        let asked = self.context.tape.ask(|| {
            Call::of("wharf:infer/models.infer").asked("model", model.as_str()).asked("inputs", recorded(&inputs))
        });
        let inferred = match self.question(&model, inputs) {
            Ok(call) => {
                self.infer.open = Some(shown.clone());
                let inferring = self.context.infer.infer(call);
                let inferred = inferring.await;
                self.infer.open = None;
                inferred.and_then(|inferred| self.within(inferred))
            }
            Err(failed) => Err(failed),
        };
        self.context.tape.close(asked, |call| match &inferred {
            Ok(inferred) => {
                call.told("version", inferred.version.to_string()).told("outputs", recorded(&inferred.outputs))
            }
            Err(failed) => call.told("error", failed.code().as_str()).told("why", failed.to_string()),
        });
        // A log that is full ends the attempt when the guest writes the next line.
        Ok(match inferred {
            Ok(inferred) => {
                let _ = self.log.line(Level::Info, "infer", &format!("{shown}{}", told(&inferred.spent)));
                Ok(contract::answer(inferred))
            }
            Err(failed) => {
                let code = failed.code();
                if !self.infer.met.contains(&code) {
                    self.infer.met.push(code);
                }
                let spent = match &failed {
                    InferFailed::Asked(_, spent) | InferFailed::Outside(_, _, spent) => {
                        self.infer.add(spent);
                        told(spent)
                    }
                    _ => String::new(),
                };
                let _ = self.log.line(Level::Warn, "infer", &format!("{code}: {shown}{spent}: {failed}"));
                Err(contract::failed(failed))
            }
        })
    }
}

impl Attempt {
    /// The question, if it may be asked.
    fn question(&mut self, model: &str, inputs: Vec<Tensor>) -> Result<InferCall, InferFailed> {
        let (limits, context) = (self.limits.host, &self.context);
        let name = model.parse::<ModelName>();
        if !context.grants.may_infer(model) {
            let line = name.as_ref().ok().map(|model| {
                let more = Grants { infer: vec![model.clone()], ..Grants::default() };
                format!("; {}", context.grants_line(&more))
            });
            let named: String = model.chars().take(64).collect();
            let why = format!("the model `{named}` is not granted{}", line.unwrap_or_default());
            return Err(InferFailed::Denied(Code::InferDenied, why));
        }
        let name = name.map_err(|error| InferFailed::Denied(Code::InferDenied, error.to_string()))?;
        if self.infer.calls >= limits.infer_calls {
            return Err(InferFailed::Limit(format!("an attempt may ask models {} times", limits.infer_calls)));
        }
        self.infer.calls += 1;
        let size = inputs.iter().map(Tensor::bytes).sum::<usize>() as u64;
        if size > self.bytes_left() {
            return Err(too_many_bytes(limits.infer_kib));
        }
        self.infer.bytes_out += size;
        Ok(InferCall {
            tenant: self.context.tenant.clone(),
            plugin: self.context.plugin.clone(),
            occasion: self.context.occasion.to_string(),
            model: name,
            inputs,
            trace: self.context.received.extension("traceparent").map(ToString::to_string),
            timeout: Duration::from_millis(limits.infer_ms.min(self.limits.wall_ms).into()),
            // Whoever knows of an attempt before says so on its way.
            is_first: true,
        })
    }

    fn bytes_left(&self) -> u64 {
        let may = bytes(self.limits.host.infer_kib) as u64;
        may.saturating_sub(self.infer.bytes_out + self.infer.bytes_in)
    }

    /// The answer, if the attempt may have as many bytes. The model has run for it, whether or not.
    fn within(&mut self, inferred: Inferred) -> Result<Inferred, InferFailed> {
        self.infer.add(&inferred.spent);
        let size = inferred.outputs.iter().map(Tensor::bytes).sum::<usize>() as u64;
        if size > self.bytes_left() {
            return Err(too_many_bytes(self.limits.host.infer_kib));
        }
        self.infer.bytes_in += size;
        Ok(inferred)
    }
}

/// Tensors as they are recorded: nothing of those that are no question of any model.
fn recorded(tensors: &[Tensor]) -> Vec<u8> {
    tensors_to_bytes(tensors).unwrap_or_default()
}

fn too_many_bytes(kib: u32) -> InferFailed {
    InferFailed::Limit(format!("an attempt may give to models and get of them {kib} KiB"))
}

/// What a question came to, in words.
fn told(spent: &InferSpent) -> String {
    let InferSpent { version, took, waited, outside } = spent;
    let Some(version) = version else { return String::new() };
    let ms = |time: &Duration| format!("{}.{:03} ms", time.as_micros() / 1_000, time.as_micros() % 1_000);
    if *outside {
        return format!("@{}, {} outside of the host", version.short(), ms(took));
    }
    format!("@{}, {} behind {} of waiting", version.short(), ms(took), ms(waited))
}
