//! Shares and conditions as people write them.

use wharf_catalog::{Condition, Share};

#[test]
fn shares_are_read_as_they_are_written() {
    for (text, hundredths) in [("10%", 1_000), ("0.5%", 50), ("0.01%", 1), ("99.99%", 9_999), ("33.25%", 3_325)] {
        let share: Share = text.parse().unwrap();
        assert_eq!((share.hundredths(), share.to_string().as_str()), (hundredths, text));
    }
    assert_eq!("10.50%".parse::<Share>().unwrap().to_string(), "10.5%");
    for wrong in ["", "%", "10", "0%", "100%", "-1%", "1.234%", "1.%", ".5%", "1e1%", "10 %", "99999999999999999999%"] {
        assert!(wrong.parse::<Share>().is_err(), "{wrong}");
    }
}

#[test]
fn conditions_are_read_as_they_are_written() {
    for text in ["error_rate>2%", "error_rate>0.25%", "error_rate>2x", "p99>2x", "p95>1.5x", "p50>250ms"] {
        assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
    }
    assert_eq!("p99 > 500 ms".parse::<Condition>().ok(), None, "a unit stands at its number");
    assert_eq!("p99 > 500ms".parse::<Condition>().unwrap().to_string(), "p99>500ms");
    for wrong in [
        "",
        "p99",
        "p99>",
        ">2%",
        "p98>2x",
        "error_rate<2%",
        "error_rate>100%",
        "error_rate>500ms",
        "p99>2%",
        "p99>0.5x",
        "p99>-1ms",
        "error_rate>two%",
        "p99>2x>3x",
    ] {
        assert!(wrong.parse::<Condition>().is_err(), "{wrong}");
    }
    let wrong = "p98>2x".parse::<Condition>().unwrap_err().to_string();
    assert_eq!(wrong, "there is no figure `p98`: there are error_rate, p50, p95 and p99");
    let wrong = "error_rate>500ms".parse::<Condition>().unwrap_err().to_string();
    assert_eq!(
        wrong,
        "`500ms` is no bound of error_rate: give a percentage such as `2%`, or a factor from 1 on such as `2x`"
    );
    assert_eq!(Condition::list("error_rate>2%, p99>2x").unwrap().len(), 2);
}
