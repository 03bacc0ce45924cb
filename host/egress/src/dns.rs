//! A name asked of DNS servers: the addresses of both kinds, by UDP, and by TCP where an answer does not fit.
//!
//! Invariant: an answer counts if it comes from the server that was asked, by the number and for the question that it was asked with, and an
//! address in it if the name, or an alias that leads on from it, has it. It keeps nothing, and follows no server but those that it is given:
//! they are to do the rest.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE, rdata::RData};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use crate::limits::{DNS_ALIASES_MAX, DNS_ANSWER_BYTES_MAX, DNS_ROUNDS, DNS_WAIT};

/// The addresses of a name. None is no error: there is no such name, or it has none.
pub(crate) async fn lookup(servers: &[SocketAddr], host: &str) -> io::Result<Vec<IpAddr>> {
    let (v4, v6) = tokio::join!(of_kind(servers, host, TYPE::A), of_kind(servers, host, TYPE::AAAA));
    match (v4, v6) {
        (Ok(mut found), Ok(more)) => {
            found.extend(more);
            Ok(found)
        }
        // What one question brought is worth something where the other one failed.
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

async fn of_kind(servers: &[SocketAddr], host: &str, kind: TYPE) -> io::Result<Vec<IpAddr>> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "there is no DNS server to ask");
    for _ in 0..DNS_ROUNDS {
        for server in servers {
            match timeout(DNS_WAIT, ask(*server, host, kind)).await {
                Ok(Ok(found)) => return Ok(found),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{server} does not answer")),
            }
        }
    }
    Err(last)
}

async fn ask(server: SocketAddr, host: &str, kind: TYPE) -> io::Result<Vec<IpAddr>> {
    let id = rand::random();
    let question = question(id, host, kind)?;
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    // Once connected, it hears nobody else.
    socket.connect(server).await?;
    socket.send(&question).await?;
    let mut buffer = vec![0; DNS_ANSWER_BYTES_MAX];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match answer(buffer.get(..length).unwrap_or_default(), id, host, kind) {
            Ok(Heard::Addresses(found)) => return Ok(found),
            Ok(Heard::Cut) => return by_tcp(server, id, &question, host, kind).await,
            // Somebody guesses numbers: the answer may still come.
            Ok(Heard::Foreign) => {}
            Err(error) => return Err(error),
        }
    }
}

async fn by_tcp(server: SocketAddr, id: u16, question: &[u8], host: &str, kind: TYPE) -> io::Result<Vec<IpAddr>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let mut buffer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut buffer).await?;
    match answer(&buffer, id, host, kind)? {
        Heard::Addresses(found) => Ok(found),
        Heard::Cut | Heard::Foreign => Err(unreadable("it is not the answer to the question")),
    }
}

fn unreadable(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer of the DNS server is not understood: {what}"))
}

fn question(id: u16, host: &str, kind: TYPE) -> io::Result<Vec<u8>> {
    let name =
        Name::new(host.trim_end_matches('.')).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    packet.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().map_err(io::Error::other)
}

/// What came.
enum Heard {
    Addresses(Vec<IpAddr>),
    /// It does not fit.
    Cut,
    /// It answers no question of ours.
    Foreign,
}

fn answer(bytes: &[u8], id: u16, host: &str, kind: TYPE) -> io::Result<Heard> {
    let packet = Packet::parse(bytes).map_err(unreadable)?;
    let asked = host.trim_end_matches('.');
    let ours = |question: &Question<'_>| {
        question.qtype == QTYPE::TYPE(kind) && question.qname.to_string().eq_ignore_ascii_case(asked)
    };
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) || !packet.questions.iter().any(ours) {
        return Ok(Heard::Foreign);
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Ok(Heard::Cut);
    }
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Ok(Heard::Addresses(Vec::new())),
        other => return Err(io::Error::other(format!("the DNS server answers with {other:?}"))),
    }
    let mut name = asked.to_ascii_lowercase();
    for _ in 0..DNS_ALIASES_MAX {
        let of_name = || packet.answers.iter().filter(|it| it.name.to_string().eq_ignore_ascii_case(&name));
        let found: Vec<IpAddr> = of_name().filter_map(|it| address(&it.rdata)).collect();
        let alias = of_name().find_map(|it| match &it.rdata {
            RData::CNAME(alias) => Some(alias.0.to_string().to_ascii_lowercase()),
            _ => None,
        });
        match alias {
            Some(alias) if found.is_empty() => name = alias,
            _ => return Ok(Heard::Addresses(found)),
        }
    }
    Err(unreadable("its aliases do not end"))
}

fn address(data: &RData<'_>) -> Option<IpAddr> {
    match data {
        RData::A(it) => Some(IpAddr::V4(it.address.into())),
        RData::AAAA(it) => Some(IpAddr::V6(it.address.into())),
        _ => None,
    }
}
