//! Goal: the machine opens and closes when it has to, and at no other time. Method: scripts of calls and pauses, each with what follows.

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn by() -> BreakerDocument {
    BreakerDocument {
        failures: 3,
        share: 50,
        calls: 6,
        within_ms: 1_000,
        open_ms: 100,
        open_max_ms: 350,
        ..BreakerDocument::default()
    }
}

/// A call at a time.
fn call(breaker: &mut Breaker, sign: Sign, at: u64) -> Option<Turn> {
    let leave = breaker.begin(MS(at)).expect("no call may begin");
    breaker.end(leave, sign, MS(at))
}

fn opened(breaker: &mut Breaker, at: u64) {
    for _ in 0..2 {
        assert_eq!(call(breaker, Sign::Bad, at), None);
    }
    assert!(matches!(call(breaker, Sign::Bad, at), Some(Turn::Opened { row: 3, .. })));
}

#[test]
fn failures_in_a_row_open_it_and_one_that_is_none_of_the_target_s_does_not_count() {
    let mut breaker = Breaker::new(by());
    for sign in [Sign::Bad, Sign::Bad, Sign::Good, Sign::Bad, Sign::None, Sign::Bad] {
        assert_eq!(call(&mut breaker, sign, 10), None);
        assert_eq!(breaker.state(MS(10)), BreakerState::Closed);
    }
    assert_eq!(call(&mut breaker, Sign::Bad, 10), Some(Turn::Opened { row: 3, calls: 6, failed: 5 }));
    assert_eq!((breaker.state(MS(10)), breaker.row()), (BreakerState::Open, 3));
    assert!(breaker.holds(MS(109)) && breaker.begin(MS(109)).is_none() && !breaker.holds(MS(110)));
}

#[test]
fn a_share_of_failures_opens_it_where_there_were_calls_enough_within_the_time() {
    let mut breaker = Breaker::new(BreakerDocument { failures: 1_000, ..by() });
    for (sign, at) in [(Sign::Bad, 0), (Sign::Bad, 100), (Sign::Good, 200), (Sign::Bad, 300), (Sign::Good, 400)] {
        assert_eq!(call(&mut breaker, sign, at), None, "{at}");
    }
    assert_eq!(call(&mut breaker, Sign::Good, 500), None, "only a failure opens it, though three of six are half");
    // The first is too long ago, and then others are.
    assert_eq!(call(&mut breaker, Sign::Bad, 1_050), Some(Turn::Opened { row: 1, calls: 6, failed: 3 }));
    let mut breaker = Breaker::new(BreakerDocument { failures: 1_000, ..by() });
    for n in 0..40 {
        assert_eq!(call(&mut breaker, Sign::Bad, n * 250), None, "there are never six within a second");
    }
    let mut breaker = Breaker::new(BreakerDocument { failures: 1_000, ..by() });
    (0..100)
        .for_each(|n| assert_eq!(call(&mut breaker, if n % 5 > 2 { Sign::Bad } else { Sign::Good }, n), None, "{n}"));
}

#[test]
fn one_probe_at_a_time_closes_it_or_opens_it_for_twice_as_long_up_to_a_bound() {
    let mut breaker = Breaker::new(by());
    opened(&mut breaker, 1_000);
    let mut at = 1_000;
    for pause in [100, 200, 350, 350] {
        assert!(breaker.begin(MS(at + pause - 1)).is_none(), "{pause}");
        at += pause;
        assert_eq!(breaker.state(MS(at)), BreakerState::HalfOpen);
        let probe = breaker.begin(MS(at)).unwrap();
        assert!(breaker.holds(MS(at)) && breaker.begin(MS(at)).is_none() && breaker.until().is_none());
        assert_eq!(breaker.end(probe, Sign::Bad, MS(at)), Some(Turn::Reopened));
    }
    at += 350;
    assert_eq!(call(&mut breaker, Sign::None, at), Some(Turn::Freed), "it said nothing");
    assert_eq!(call(&mut breaker, Sign::Good, at), Some(Turn::Closed(MS(at - 1_000))));
    assert_eq!((breaker.state(MS(at)), breaker.row(), breaker.open_for(MS(at))), (BreakerState::Closed, 0, None));
    opened(&mut breaker, at);
    assert_eq!(breaker.until(), Some(MS(at + 100)), "it begins anew");
}

#[test]
fn a_call_that_began_before_it_opened_says_nothing_of_it_any_more() {
    let mut breaker = Breaker::new(by());
    let [early, late] = [0, 0].map(|at| breaker.begin(MS(at)).unwrap());
    opened(&mut breaker, 10);
    assert_eq!(breaker.end(early, Sign::Good, MS(20)), None);
    assert_eq!(breaker.state(MS(20)), BreakerState::Open);
    let probe = breaker.begin(MS(200)).unwrap();
    assert_eq!(breaker.end(late, Sign::Good, MS(210)), None, "it is not the probe");
    assert!(breaker.holds(MS(210)));
    assert_eq!(breaker.end(probe, Sign::Good, MS(220)), Some(Turn::Closed(MS(210))));
}

#[test]
fn what_counts_is_what_the_target_did() {
    let failed = |code| Failure::new(code, "");
    let bad = [
        Code::HandlerTrap,
        Code::HandlerRetry,
        Code::LimitWall,
        Code::LimitMemory,
        Code::WebhookTimeout,
        Code::WebhookUnreachable,
        Code::WebhookRedirect,
        Code::AddressDenied,
    ];
    for code in bad {
        assert_eq!(Sign::of(&failed(code)), Sign::Bad, "{code}");
    }
    for (status, sign) in [(500, Sign::Bad), (404, Sign::Bad), (429, Sign::Bad), (422, Sign::Good), (400, Sign::Good)] {
        let answered = Failure { status: Some(status), ..failed(Code::WebhookStatus) };
        assert_eq!(Sign::of(&answered), sign, "{status}");
    }
    for code in
        [Code::Conflict, Code::Overloaded, Code::Internal, Code::ReleaseUnready, Code::QuotaKv, Code::TargetInput]
    {
        assert_eq!(Sign::of(&failed(code)), Sign::None, "{code}");
    }
    assert_eq!(Sign::of(&failed(Code::HandlerReject)), Sign::Good);
}
