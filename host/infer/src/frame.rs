//! What a host and its worker say to each other: a length (four bytes, little-endian), a letter, and as many bytes less one.
//!
//! | letter | from | what follows |
//! |---|---|---|
//! | `L` | host | the bytes of a model |
//! | `D` | worker | its description, JSON |
//! | `R` | host | tensors |
//! | `T` | worker | microseconds that the model ran (eight bytes), tensors |
//! | `F` | worker | why not, JSON |
//!
//! Tensors are their number (two bytes), and of each the length of its name (two), the name, its element (one), its dimensions (one) and their
//! lengths (four each), the number of its values (eight), and these; a text has its length (four) before it.
//!
//! Invariant: whoever reads takes nothing for granted. A worker runs what somebody else made, and a host believes it no more than that.

use std::io::{self, Read, Write};

use crate::{
    description::Element,
    limits::{DIMS_MAX, ELEMENTS_MAX, FRAME_BYTES_MAX, NAME_BYTES_MAX, PORTS_MAX},
    tensor::{Tensor, Values},
};

pub(crate) const LOAD: u8 = b'L';
pub(crate) const DESCRIBED: u8 = b'D';
pub(crate) const RUN: u8 = b'R';
pub(crate) const TENSORS: u8 = b'T';
pub(crate) const FAILED: u8 = b'F';

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// Says something.
pub(crate) fn write(into: &mut dyn Write, letter: u8, body: &[&[u8]]) -> io::Result<()> {
    let length = 1 + body.iter().map(|part| part.len()).sum::<usize>();
    if length > FRAME_BYTES_MAX {
        return Err(invalid("a message that is too long"));
    }
    let length = u32::try_from(length).map_err(|_| invalid("a message that is too long"))?;
    into.write_all(&length.to_le_bytes())?;
    into.write_all(&[letter])?;
    body.iter().try_for_each(|part| into.write_all(part))?;
    into.flush()
}

/// What is said next; none where nothing is said any more.
pub(crate) fn read(from: &mut dyn Read) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 5];
    match from.read(&mut head)? {
        0 => return Ok(None),
        n => from.read_exact(head.get_mut(n..).unwrap_or_default())?,
    }
    let [a, b, c, d, letter] = head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length == 0 || length > FRAME_BYTES_MAX {
        return Err(invalid("a message without a length"));
    }
    let mut body = Vec::new();
    // What is promised need not come: nothing is set aside for it.
    from.take(length as u64 - 1).read_to_end(&mut body)?;
    if body.len() != length - 1 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((letter, body)))
}

fn number(of: Element) -> u8 {
    match of {
        Element::F32 => 1,
        Element::F64 => 2,
        Element::I32 => 3,
        Element::I64 => 4,
        Element::Bool => 5,
        Element::String => 6,
    }
}

/// Tensors as bytes.
///
/// # Errors
/// When they are more, or have more dimensions, than a model may have.
pub fn encode(tensors: &[Tensor]) -> io::Result<Vec<u8>> {
    let mut all = Vec::with_capacity(tensors.iter().map(|tensor| tensor.bytes() + 32).sum());
    let short = |number: usize| u16::try_from(number).map(u16::to_le_bytes).map_err(|_| invalid("too many"));
    all.extend(short(tensors.len())?);
    for tensor in tensors {
        all.extend(short(tensor.name.len())?);
        all.extend(tensor.name.as_bytes());
        all.push(number(tensor.values.element()));
        all.push(u8::try_from(tensor.shape.len()).map_err(|_| invalid("too many dimensions"))?);
        tensor.shape.iter().for_each(|length| all.extend(length.to_le_bytes()));
        all.extend((tensor.values.len() as u64).to_le_bytes());
        match &tensor.values {
            Values::F32(values) => values.iter().for_each(|value| all.extend(value.to_le_bytes())),
            Values::F64(values) => values.iter().for_each(|value| all.extend(value.to_le_bytes())),
            Values::I32(values) => values.iter().for_each(|value| all.extend(value.to_le_bytes())),
            Values::I64(values) => values.iter().for_each(|value| all.extend(value.to_le_bytes())),
            Values::Bool(values) => all.extend(values.iter().map(|value| u8::from(*value))),
            Values::String(values) => {
                for text in values {
                    let length = u32::try_from(text.len()).map_err(|_| invalid("a text that is too long"))?;
                    all.extend(length.to_le_bytes());
                    all.extend(text.as_bytes());
                }
            }
        }
    }
    Ok(all)
}

/// Bytes that are left.
struct Left<'a>(&'a [u8]);

impl<'a> Left<'a> {
    fn take(&mut self, many: usize) -> io::Result<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(many).ok_or_else(|| invalid("tensors that break off"))?;
        self.0 = left;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| invalid("tensors that break off"))
    }

    fn text(&mut self, bytes: usize) -> io::Result<String> {
        String::from_utf8(self.take(bytes)?.to_vec()).map_err(|_| invalid("a text that is none"))
    }

    fn values<const N: usize, T>(&mut self, many: usize, read: impl Fn([u8; N]) -> T) -> io::Result<Vec<T>> {
        let bytes = self.take(many.checked_mul(N).ok_or_else(|| invalid("too many values"))?)?;
        let (each, _) = bytes.as_chunks::<N>();
        Ok(each.iter().map(|bytes| read(*bytes)).collect())
    }
}

/// Bytes as tensors.
pub(crate) fn decode(bytes: &[u8]) -> io::Result<Vec<Tensor>> {
    let mut left = Left(bytes);
    let many = u16::from_le_bytes(left.fixed()?) as usize;
    if many > PORTS_MAX {
        return Err(invalid("too many tensors"));
    }
    let mut tensors = Vec::new();
    for _ in 0..many {
        let length = u16::from_le_bytes(left.fixed()?) as usize;
        if length > NAME_BYTES_MAX {
            return Err(invalid("a name that is too long"));
        }
        let name = left.text(length)?;
        let ([element], [dims]) = (left.fixed()?, left.fixed()?);
        if dims as usize > DIMS_MAX {
            return Err(invalid("too many dimensions"));
        }
        let shape = left.values(dims as usize, u32::from_le_bytes)?;
        let values = u64::from_le_bytes(left.fixed()?);
        if values > ELEMENTS_MAX {
            return Err(invalid("too many values"));
        }
        let values = usize::try_from(values).map_err(|_| invalid("too many values"))?;
        let values = match element {
            1 => Values::F32(left.values(values, f32::from_le_bytes)?),
            2 => Values::F64(left.values(values, f64::from_le_bytes)?),
            3 => Values::I32(left.values(values, i32::from_le_bytes)?),
            4 => Values::I64(left.values(values, i64::from_le_bytes)?),
            5 => Values::Bool(left.values(values, |[byte]| byte != 0)?),
            6 => {
                let mut texts = Vec::new();
                for _ in 0..values {
                    let bytes = u32::from_le_bytes(left.fixed()?) as usize;
                    texts.push(left.text(bytes)?);
                }
                Values::String(texts)
            }
            _ => return Err(invalid("an element that there is not")),
        };
        let tensor = Tensor { name, shape, values };
        if tensor.elements() != tensor.values.len() as u64 {
            return Err(invalid("a tensor with another number of values than its shape has"));
        }
        tensors.push(tensor);
    }
    if left.0.is_empty() { Ok(tensors) } else { Err(invalid("tensors with something behind them")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors() -> Vec<Tensor> {
        let of =
            |name: &str, values: Values| Tensor { name: name.to_owned(), shape: vec![values.len() as u32], values };
        vec![
            of("a", Values::F32(vec![1.5, f32::MIN])),
            of("b", Values::F64(vec![f64::EPSILON])),
            of("c", Values::I32(vec![-1, i32::MAX])),
            of("d", Values::I64(vec![i64::MIN])),
            of("e", Values::Bool(vec![true, false, true])),
            of("f", Values::String(vec![String::new(), "ä".to_owned()])),
            Tensor { name: String::new(), shape: vec![], values: Values::F32(vec![7.0]) },
        ]
    }

    #[test]
    fn what_is_said_is_heard() {
        let bytes = encode(&tensors()).unwrap();
        assert_eq!(decode(&bytes).unwrap(), tensors());
        let mut said = Vec::new();
        write(&mut said, RUN, &[&bytes]).unwrap();
        let mut rest = &*said;
        assert_eq!(read(&mut rest).unwrap(), Some((RUN, bytes)));
        assert_eq!(read(&mut rest).unwrap(), None);
    }

    #[test]
    fn whatever_breaks_off_or_lies_is_refused() {
        let bytes = encode(&tensors()).unwrap();
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        assert!(decode(&[&*bytes, &[0]].concat()).is_err());
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0xff;
            // It may be other tensors, but never a panic.
            let _ = decode(&other);
        }
        for head in [[0, 0, 0, 0, b'R'], [255, 255, 255, 255, b'R'], [9, 0, 0, 0, b'R']] {
            assert!(read(&mut &head[..]).is_err(), "{head:?}");
        }
    }
}
