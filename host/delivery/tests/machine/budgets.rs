//! What models may cost: reserved before they are asked, settled with what they did cost, and exact whatever becomes of the host.

use proptest::prelude::*;
use wharf_delivery::{
    Answer, Budget, BudgetOf, BudgetPer, BudgetUnit, Cost, ForgetRequest, Refused, Request, ReserveRequest, Reserved,
    SpendRequest, SpentRow, Table, hour_of,
};
use wharf_event::Code;

use crate::bench::{Partition, tenant};

const HOUR_MS: u64 = 3_600_000;

fn cost(input_tokens: u64, output_tokens: u64, money: u64) -> Cost {
    Cost { input_tokens, output_tokens, money }
}

fn budget(of: &str, unit: BudgetUnit, per: BudgetPer, most: u64) -> Budget {
    Budget { of: BudgetOf::of_text(of).unwrap(), unit, per, most }
}

fn reserve(p: &mut Partition, plugin: &str, most: Cost, budgets: &[Budget]) -> Result<Reserved, Refused> {
    let (plugin, route) = (plugin.parse().unwrap(), "triage".parse().unwrap());
    let request = ReserveRequest { tenant: tenant(), plugin, route, most, budgets: budgets.to_vec() };
    p.ask(Request::Reserve(Box::new(request))).0.map(|answer| match answer {
        Answer::Reserved(reserved) => reserved,
        other => panic!("{other:?}"),
    })
}

fn spend(p: &mut Partition, plugin: &str, reserved: Option<Reserved>, cost: Cost) {
    let (plugin, route) = (plugin.parse().unwrap(), "triage".parse().unwrap());
    let request = SpendRequest { tenant: tenant(), plugin, route, reserved, cost };
    p.ask(Request::Spend(Box::new(request))).0.unwrap();
}

fn sum(p: &Partition, of: &str, per: BudgetPer) -> SpentRow {
    let of = BudgetOf::of_text(of).unwrap();
    SpentRow::sum(&p.tables, &tenant(), &of, (hour_of(p.now_ms), per)).unwrap()
}

#[test]
fn a_budget_counts_what_is_under_way_until_it_is_known() {
    let mut p = Partition::new();
    let of_route = [budget("route/triage", BudgetUnit::Tokens, BudgetPer::Hour, 1_000)];
    let most = cost(300, 300, 9);
    let first = reserve(&mut p, "a", most, &of_route).unwrap();
    let spent = reserve(&mut p, "b", most, &of_route).unwrap_err();
    assert_eq!((spent.code(), p.tables_of(Table::Models)), (Code::BudgetExceeded, 3));
    assert!(
        spent.to_string().contains("may cost 600 tokens, and of the 1000 tokens a hour of route `triage` 600 tokens"),
        "{spent}"
    );
    spend(&mut p, "a", Some(first), cost(10, 20, 5));
    reserve(&mut p, "b", most, &of_route).unwrap();
    let row = sum(&p, "route/triage", BudgetPer::Hour);
    assert_eq!((row.calls, row.spent, row.reserved), (1, cost(10, 20, 5), most));
    let own = |name: &str| sum(&p, name, BudgetPer::Hour).used(BudgetUnit::Money);
    assert_eq!(["tenant", "plugin/a", "plugin/b", "route/triage", "route/other"].map(own), [14, 5, 9, 14, 0]);
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn a_budget_is_of_an_hour_or_of_a_day() {
    let mut p = Partition::new();
    p.now_ms = 48 * HOUR_MS - 1;
    let budgets = |per| [budget("tenant", BudgetUnit::Money, per, 10)];
    let (hour, day) = (budgets(BudgetPer::Hour), budgets(BudgetPer::Day));
    let late = reserve(&mut p, "a", cost(1, 1, 10), &hour).unwrap();
    assert!(reserve(&mut p, "a", cost(1, 1, 1), &hour).is_err() && reserve(&mut p, "a", cost(1, 1, 1), &day).is_err());
    // The next hour is of the next day.
    p.now_ms += 1;
    let next = reserve(&mut p, "a", cost(1, 1, 10), &day).unwrap();
    // What began before counts where it began.
    spend(&mut p, "a", Some(late), cost(1, 1, 7));
    spend(&mut p, "a", Some(next), cost(1, 1, 4));
    p.now_ms += HOUR_MS;
    assert_eq!([BudgetPer::Hour, BudgetPer::Day].map(|per| sum(&p, "tenant", per).spent.money), [0, 4]);
    assert!(reserve(&mut p, "a", cost(1, 1, 7), &day).is_err());
    reserve(&mut p, "a", cost(1, 1, 7), &hour).unwrap();
    assert_eq!(p.replayed(), p.tables);
}

#[test]
fn a_call_without_a_budget_is_counted_and_old_sums_go() {
    let mut p = Partition::new();
    spend(&mut p, "a", None, cost(10, 20, 5));
    assert_eq!(sum(&p, "tenant", BudgetPer::Day).spent, cost(10, 20, 5));
    let first = hour_of(p.now_ms);
    p.now_ms += 2 * HOUR_MS;
    spend(&mut p, "a", None, cost(1, 1, 1));
    p.ask(Request::Forget(ForgetRequest { tenant: tenant(), from_hour: first + 1 })).0.unwrap();
    assert_eq!((p.tables_of(Table::Models), sum(&p, "tenant", BudgetPer::Hour).spent), (3, cost(1, 1, 1)));
    assert_eq!(p.replayed(), p.tables);
    p.erase(2);
    assert!(p.of_tenant().is_empty(), "{:?}", p.of_tenant());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in which order, and whatever segments go: what was spent is exact, what is under way is reserved, and no budget is exceeded by both.
    #[test]
    fn a_budget_is_never_exceeded_by_what_is_reserved_and_spent(
        steps in proptest::collection::vec((0_u64..40, 0_u64..30, 0_u8..8), 1..60)
    ) {
        let mut p = Partition::new();
        let budgets = [budget("tenant", BudgetUnit::Money, BudgetPer::Day, 300)];
        let (mut open, mut paid, mut lost) = (Vec::new(), 0, 0);
        for (most, did, what) in steps {
            match what {
                0..=3 => open.extend(reserve(&mut p, "a", cost(1, 1, most), &budgets)),
                4 | 5 => if let Some(reserved) = open.pop() {
                    let money = did.min(reserved.cost.money);
                    spend(&mut p, "a", Some(reserved), cost(1, 0, money));
                    paid += money;
                },
                // Nobody knows of it any more.
                6 => lost += open.pop().map_or(0, |reserved| reserved.cost.money),
                _ => p.clean(),
            }
            let row = sum(&p, "tenant", BudgetPer::Day);
            let under_way: u64 = open.iter().map(|reserved| reserved.cost.money).sum();
            prop_assert_eq!((row.spent.money, row.reserved.money), (paid, lost + under_way));
            prop_assert!(row.used(BudgetUnit::Money) <= 300);
        }
        prop_assert_eq!(p.replayed(), p.tables.clone());
    }
}
