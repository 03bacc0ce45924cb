//! A DNS server that changes its mind: the first address is one that is granted, every later one is not.

use std::net::{SocketAddr, UdpSocket};
use std::thread;

use anyhow::{Context as _, Result};

/// What it answers.
const FIRST: [u8; 4] = [127, 0, 0, 1];
const LATER: [u8; 4] = [127, 0, 0, 9];

/// The type of a question for IPv4 addresses, and where it stands from the end of a question.
const A: u8 = 1;
const TYPE_FROM_END: usize = 3;

/// The server.
pub struct Names(SocketAddr);

impl Names {
    /// Listens on loopback.
    pub fn start() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").context("listening for questions about names")?;
        let address = socket.local_addr()?;
        thread::spawn(move || {
            let (mut buffer, mut asked) = ([0; 512], 0_u32);
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let Some(answer) = buffer.get(..length).and_then(|question| answer(question, &mut asked)) else {
                    continue;
                };
                // Whoever asked may have gone away.
                let _ = socket.send_to(&answer, from);
            }
        });
        Ok(Self(address))
    }

    pub fn address(&self) -> SocketAddr {
        self.0
    }
}

/// The question with a bit that makes it an answer, and with an address where it is for those of IPv4.
fn answer(question: &[u8], asked: &mut u32) -> Option<Vec<u8>> {
    let kind = *question.get(question.len().checked_sub(TYPE_FROM_END)?)?;
    let mut answer = question.to_vec();
    *answer.get_mut(2)? |= 0x80;
    if kind == A {
        *answer.get_mut(7)? = 1;
        // The name of the question, type and class, no time to keep it, four bytes.
        answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04");
        answer.extend(if *asked == 0 { FIRST } else { LATER });
        *asked += 1;
    }
    Some(answer)
}
