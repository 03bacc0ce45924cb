//! Asks models of its tenant what an event has for it, and publishes what came of each question, so that a test can see what a model was asked and
//! what of its answer arrives.
//!
//! Invariant: it hides nothing and gives up nothing.

use serde::{Deserialize, Serialize};
use wharf::{Answer, Context, Draft, Event, InferError, Outcome, Tensor, Values};

/// A question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    model: String,
    inputs: Vec<Input>,
}

/// A tensor that goes in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(default)]
    name: String,
    shape: Vec<u32>,
    values: Said,
}

/// The values of a tensor.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Said {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    Bools(Vec<bool>),
    Strings(Vec<String>),
}

/// What came of it.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Came {
    Answer { outputs: Vec<(String, Vec<u32>, Said)>, version: String },
    Refused(String),
}

#[wharf::handler]
fn estimator(event: Event<Vec<Asked>>, cx: &Context) -> Outcome {
    let came: Vec<_> = event.data.into_iter().map(|asked| came(cx, asked)).collect();
    cx.publish(Draft::new("estimated").json(&came)?)?;
    Ok(())
}

fn came(cx: &Context, asked: Asked) -> Came {
    told(cx, asked).unwrap_or_else(|error| Came::Refused(format!("{error:?}")))
}

fn told(cx: &Context, asked: Asked) -> Result<Came, InferError> {
    let inputs = asked.inputs.into_iter().map(|Input { name, shape, values }| {
        let values = match values {
            Said::F32(values) => Values::Floats(values),
            Said::F64(values) => Values::Doubles(values),
            Said::I32(values) => Values::Ints(values),
            Said::I64(values) => Values::Longs(values),
            Said::Bools(values) => Values::Bools(values),
            Said::Strings(values) => Values::Strings(values),
        };
        Tensor::new(name, shape, values)
    });
    let Answer { outputs, version } = cx.model(asked.model).infer(inputs)?;
    let outputs = outputs.into_iter().map(|Tensor { name, shape, values }| {
        let values = match values {
            Values::Floats(values) => Said::F32(values),
            Values::Doubles(values) => Said::F64(values),
            Values::Ints(values) => Said::I32(values),
            Values::Longs(values) => Said::I64(values),
            Values::Bools(values) => Said::Bools(values),
            Values::Strings(values) => Said::Strings(values),
        };
        (name, shape, values)
    });
    Ok(Came::Answer { outputs: outputs.collect(), version })
}
