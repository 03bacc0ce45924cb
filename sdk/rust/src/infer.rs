//! Models of the plugin's tenant, asked with tensors, where the plugin is granted them.
//!
//! Invariant: a plugin names a model, never a file or a version: which one answers is its tenant's to say, and told with the answer. Asking is no
//! effect of the attempt.

use crate::infer_bindings::wharf::infer::models as contract;

pub use contract::Values;

/// A model of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    name: String,
}

/// A tensor: a name, how long it is in each direction, and its values in the order of rows.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// The input that it is for, or the output that it is.
    pub name: String,
    /// How long it is in each direction.
    pub shape: Vec<u32>,
    /// As many values as these lengths multiplied.
    pub values: Values,
}

/// What a model gave.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its outputs, in its order.
    pub outputs: Vec<Tensor>,
    /// Which version of the model it was.
    pub version: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// No grant of the plugin names the model, or there is none. The attempt's log has the line that would grant it.
    #[error("the model is not there for this plugin: {0}")]
    Denied(String),
    /// The tensors do not fit the model.
    #[error("the model cannot be asked like this: {0}")]
    Invalid(String),
    /// The attempt has asked as much as it may.
    #[error("the attempt may ask no more: {0}")]
    Limit(String),
    /// No place was free in time.
    #[error("as many models run as may")]
    Busy,
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
    /// The model failed.
    #[error("{0}")]
    Failed(String),
    /// The model cannot be asked, or the host failed.
    #[error("{0}")]
    Unavailable(String),
    /// The answer is not what it should be.
    #[error("the answer is not what it should be: {0}")]
    Answer(String),
}

impl InferError {
    /// Whether another attempt may do better.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Busy | Self::Timeout | Self::Denied(_) | Self::Unavailable(_))
    }
}

impl From<contract::InferError> for InferError {
    fn from(error: contract::InferError) -> Self {
        match error {
            contract::InferError::Denied(why) => Self::Denied(why),
            contract::InferError::Invalid(why) => Self::Invalid(why),
            contract::InferError::Limit(why) => Self::Limit(why),
            contract::InferError::Busy => Self::Busy,
            contract::InferError::Timeout => Self::Timeout,
            contract::InferError::Failed(why) => Self::Failed(why),
            contract::InferError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl Model {
    pub(crate) const fn new(name: String) -> Self {
        Self { name }
    }

    /// Asks the model, and waits for its answer.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn infer(&self, inputs: impl IntoIterator<Item = Tensor>) -> Result<Answer, InferError> {
        let told = |Tensor { name, shape, values }| contract::Tensor { name, shape, values };
        let inputs: Vec<_> = inputs.into_iter().map(told).collect();
        let contract::Answer { outputs, version } = ask(&self.name, &inputs)?;
        let heard = |contract::Tensor { name, shape, values }| Tensor { name, shape, values };
        Ok(Answer { outputs: outputs.into_iter().map(heard).collect(), version })
    }
}

#[cfg(target_arch = "wasm32")]
fn ask(model: &str, inputs: &[contract::Tensor]) -> Result<contract::Answer, InferError> {
    Ok(contract::infer(model, inputs)?)
}

/// In a plugin's own tests there are no models.
#[cfg(not(target_arch = "wasm32"))]
fn ask(model: &str, _: &[contract::Tensor]) -> Result<contract::Answer, InferError> {
    Err(InferError::Unavailable(format!("the model `{model}` is asked in a host only")))
}

impl Tensor {
    /// One of any values.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<u32>>, values: Values) -> Self {
        Self { name: name.into(), shape: shape.into(), values }
    }

    /// One of 32-bit floats.
    pub fn f32(name: impl Into<String>, shape: impl Into<Vec<u32>>, values: impl Into<Vec<f32>>) -> Self {
        Self::new(name, shape, Values::Floats(values.into()))
    }

    /// One of 64-bit floats.
    pub fn f64(name: impl Into<String>, shape: impl Into<Vec<u32>>, values: impl Into<Vec<f64>>) -> Self {
        Self::new(name, shape, Values::Doubles(values.into()))
    }

    /// One of 64-bit whole numbers.
    pub fn i64(name: impl Into<String>, shape: impl Into<Vec<u32>>, values: impl Into<Vec<i64>>) -> Self {
        Self::new(name, shape, Values::Longs(values.into()))
    }

    /// One of texts.
    pub fn strings<T: Into<String>>(
        name: impl Into<String>,
        shape: impl Into<Vec<u32>>,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        Self::new(name, shape, Values::Strings(values.into_iter().map(Into::into).collect()))
    }
}

impl Answer {
    /// The output of that name.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn output(&self, name: &str) -> Result<&Tensor, InferError> {
        let found = self.outputs.iter().find(|output| output.name == name);
        found.ok_or_else(|| InferError::Answer(format!("there is no output `{name}`")))
    }

    /// The values of that output, which are 32-bit floats.
    ///
    /// # Errors
    ///
    /// When there is no such output, or it is of something else.
    pub fn f32(&self, name: &str) -> Result<&[f32], InferError> {
        match &self.output(name)?.values {
            Values::Floats(values) => Ok(values),
            _ => Err(InferError::Answer(format!("the output `{name}` is not of 32-bit floats"))),
        }
    }

    /// The values of that output, which are 64-bit whole numbers.
    ///
    /// # Errors
    ///
    /// When there is no such output, or it is of something else.
    pub fn i64(&self, name: &str) -> Result<&[i64], InferError> {
        match &self.output(name)?.values {
            Values::Longs(values) => Ok(values),
            _ => Err(InferError::Answer(format!("the output `{name}` is not of 64-bit whole numbers"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_the_names_of_its_outputs() {
        let outputs = vec![Tensor::f32("p", [1, 2], [0.25, 0.75]), Tensor::i64("label", [1], [1])];
        let answer = Answer { outputs, version: String::new() };
        assert_eq!(answer.f32("p"), Ok(&[0.25, 0.75][..]));
        assert_eq!(answer.i64("label"), Ok(&[1][..]));
        assert!(matches!(answer.f32("label"), Err(InferError::Answer(_))));
        assert!(matches!(answer.i64("other"), Err(InferError::Answer(_))));
    }

    #[test]
    fn a_plugins_own_tests_are_told_that_there_are_no_models() {
        let refused = Model::new("fraud".to_owned()).infer([Tensor::f32("x", [1], [1.0])]).unwrap_err();
        assert_eq!(refused, InferError::Unavailable("the model `fraud` is asked in a host only".to_owned()));
        assert!(refused.may_pass());
    }
}
