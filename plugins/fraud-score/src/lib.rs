//! Scores payments with a model of the tenant, and publishes `payment.scored`: how likely it is fraud, and whether that is enough to hold it.
//!
//! Invariant: what is published comes from the model, and says which version of it that was; a payment that cannot be scored is tried again or rejected,
//! and never passed as harmless.
//!
//! The model takes rows of five features and gives two probabilities; `model/train.py` makes one.
//!
//! ```toml
//! [tenants.acme.models.fraud]
//! file = "fraud.onnx"
//! [tenants.acme.plugins.fraud-score]
//! component = "fraud-score.wasm"
//! grants = { publish = ["payment.scored"], infer = ["fraud"] }
//! config = { hold_above = 0.5 }
//! ```

use serde::{Deserialize, Serialize};
use wharf::{Context, Draft, Event, Failure, InferError, Outcome, Tensor};

/// Above this a payment is held, where the configuration says nothing else.
const HOLD_ABOVE: f32 = 0.5;

/// A payment as it came in.
#[derive(Deserialize)]
struct Payment {
    id: String,
    amount: f32,
    age_days: f32,
    distance_km: f32,
    hour: f32,
    foreign: bool,
}

/// What the model says of it.
#[derive(Debug, PartialEq, Serialize)]
struct Scored<'a> {
    id: &'a str,
    risk: f32,
    hold: bool,
    model: &'a str,
}

wharf::needs! { publish = ["payment.scored"], infer = ["fraud"] }

#[wharf::handler]
fn fraud_score(event: Event<Payment>, cx: &Context) -> Outcome {
    let payment = event.data;
    let hold_above = cx.config_as("hold_above")?.unwrap_or(HOLD_ABOVE);
    let answer = cx.model("fraud").infer([features(&payment)]).map_err(failure)?;
    let risk = risk(answer.f32("probabilities").map_err(failure)?)?;
    let scored = Scored { id: &payment.id, risk, hold: risk > hold_above, model: &answer.version };
    cx.publish(Draft::new("payment.scored").json(&scored)?)?;
    Ok(())
}

/// One row of what the model was trained with, in its order.
fn features(payment: &Payment) -> Tensor {
    let Payment { amount, age_days, distance_km, hour, foreign, .. } = *payment;
    Tensor::f32("payments", [1, 5], [amount, age_days, distance_km, hour, f32::from(u8::from(foreign))])
}

/// The second of the two probabilities of the only row.
fn risk(probabilities: &[f32]) -> Result<f32, Failure> {
    match probabilities {
        [_, risk] if risk.is_finite() => Ok(*risk),
        other => Err(Failure::reject(format!("the model gave {other:?} in place of two probabilities"))),
    }
}

/// Another attempt does better only where the model was not to be had.
fn failure(error: InferError) -> Failure {
    if error.may_pass() { Failure::retry(error) } else { Failure::reject(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf::Values;

    #[test]
    fn features_stand_in_the_order_that_the_model_was_trained_in() {
        let id = "p".to_owned();
        let payment = Payment { id, amount: 1.0, age_days: 2.0, distance_km: 3.0, hour: 4.0, foreign: true };
        let Tensor { shape, values, .. } = features(&payment);
        assert_eq!(shape, [1, 5]);
        assert!(matches!(values, Values::Floats(values) if values == [1.0, 2.0, 3.0, 4.0, 1.0]));
    }

    #[test]
    fn what_is_no_score_is_no_harmless_payment() {
        assert_eq!(risk(&[0.25, 0.75]).ok(), Some(0.75));
        for wrong in [&[][..], &[0.5], &[0.5, f32::NAN], &[0.1, 0.2, 0.7]] {
            assert!(matches!(risk(wrong), Err(Failure::Reject { .. })), "{wrong:?}");
        }
        assert!(matches!(failure(InferError::Busy), Failure::Retry { .. }));
        assert!(matches!(failure(InferError::Invalid("x".to_owned())), Failure::Reject { .. }));
    }
}
