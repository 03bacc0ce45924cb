//! Names, asked of a DNS server that changes its mind.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QTYPE, ResourceRecord, TYPE,
    rdata::{A, CNAME, RData},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};
use wharf_egress::{Egress, EgressError, Settings};

use super::{receiver::answering, sending::request};

/// How it answers.
#[derive(Clone, Copy)]
enum Way {
    Plain,
    /// By an alias of an alias.
    Aliases,
    /// By TCP, since it does not fit.
    Tcp,
    /// With an address of another name.
    Foreign,
    /// There is no such name.
    None,
}

fn reply(question: &[u8], address: Ipv4Addr, way: Way, is_tcp: bool) -> Vec<u8> {
    let mut packet = Packet::parse(question).unwrap().into_reply();
    let asked = packet.questions[0].clone();
    let is_v4 = asked.qtype == QTYPE::TYPE(TYPE::A);
    let record = |name: &Name<'static>, data| ResourceRecord::new(name.clone(), CLASS::IN, 0, data);
    let own = asked.qname.clone().into_owned();
    let name = |text: &'static str| Name::new(text).unwrap();
    let a = RData::A(A { address: address.to_bits() });
    match way {
        Way::Tcp if !is_tcp => packet.set_flags(PacketFlag::TRUNCATION),
        Way::None => *packet.rcode_mut() = simple_dns::RCODE::NameError,
        _ if !is_v4 => {}
        Way::Aliases => packet.answers.extend([
            record(&name("two.test"), a),
            record(&own, RData::CNAME(CNAME(name("one.test")))),
            record(&name("one.test"), RData::CNAME(CNAME(name("two.test")))),
        ]),
        Way::Foreign => packet.answers.push(record(&name("other.test"), a)),
        Way::Plain | Way::Tcp => packet.answers.push(record(&own, a)),
    }
    packet.build_bytes_vec().unwrap()
}

/// A DNS server that gives each of these addresses once, the last one again and again. It says how often it was asked for one.
async fn server(way: Way, addresses: &'static [[u8; 4]]) -> (SocketAddr, Arc<AtomicUsize>) {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            break (udp, tcp);
        }
    };
    let (address, asked) = (udp.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let next = move |question: &[u8], is_tcp: bool| {
        let is_v4 = Packet::parse(question).unwrap().questions[0].qtype == QTYPE::TYPE(TYPE::A);
        let n = if is_v4 { count.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let address = addresses.get(n).or(addresses.last()).unwrap();
        reply(question, (*address).into(), way, is_tcp)
    };
    let by_tcp = next.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
            // Somebody guesses numbers.
            let mut guess = next(&buffer[..length], false);
            let real = guess.clone();
            guess[0] ^= 0xff;
            udp.send_to(&guess, from).await.unwrap();
            udp.send_to(&real, from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut question).await.unwrap();
            let answer = by_tcp(&question, true);
            stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    (address, asked)
}

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time_leads_nowhere() {
    let receiver = answering("127.0.0.1", &[OK]).await;
    // What stands for a public address here is one that is granted; the other one is not.
    let (dns, asked) = server(Way::Plain, &[[127, 0, 0, 1], [127, 0, 0, 2]]).await;
    let egress = Egress::new(Settings { dns: vec![dns] }).unwrap();
    let url = format!("http://hook.test:{}/", receiver.address.port());
    assert_eq!(egress.send(request(&url, &["127.0.0.1"])).await.unwrap().status, 200);
    assert_eq!(asked.load(Ordering::Relaxed), 1, "what was checked is what was connected to: nobody asked again");
    match egress.send(request(&url, &["127.0.0.1"])).await {
        Err(EgressError::Refused { address, .. }) => assert_eq!(address.to_string(), "127.0.0.2"),
        other => panic!("{other:?}"),
    }
    assert_eq!(receiver.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_address_is_found_behind_aliases_and_by_tcp_and_not_under_another_name() {
    let receiver = answering("127.0.0.1", &[OK]).await;
    let url = format!("http://hook.test:{}/", receiver.address.port());
    for (way, arrives) in [(Way::Aliases, true), (Way::Tcp, true), (Way::Foreign, false), (Way::None, false)] {
        let (dns, _) = server(way, &[[127, 0, 0, 1]]).await;
        let egress = Egress::new(Settings { dns: vec![dns] }).unwrap();
        match egress.send(request(&url, &["127.0.0.1"])).await {
            Ok(_) => assert!(arrives),
            Err(EgressError::NoAddress(host)) => assert!(!arrives && host == "hook.test"),
            other => panic!("{other:?}"),
        }
    }
}
