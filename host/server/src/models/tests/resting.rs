//! Goal: a model that only fails by a route is left alone for a while, by that route, and the next one is asked at once.

use std::time::Duration;

use super::*;

/// What is asked by routes one after the other, of one memory of what rests.
struct Asked {
    catalog: Catalog,
    script: Script,
    meters: ModelMeters,
    rests: Guard,
}

impl Asked {
    fn new() -> Self {
        let (config, problems) = config::read(CONFIG);
        assert_eq!(problems, []);
        let script = Script { answers: Mutex::default(), came: Mutex::default() };
        Self {
            catalog: Catalog::new(&config, Scripts::default()),
            script,
            meters: ModelMeters::default(),
            rests: Guard::default(),
        }
    }

    /// Which model answered or failed last, and how many requests left.
    async fn by(&self, route: &str, answers: Vec<Answer>) -> (Result<String, Failed>, usize) {
        self.script.answers.lock().unwrap().extend(answers);
        let (books, before) = (Ledger::default(), Answers::default());
        let Self { catalog, script, meters, rests } = self;
        let means = Means { catalog, sends: script, books: &books, meters, answers: &before, rests };
        let secrets = BTreeMap::from([("cloud".parse().unwrap(), "v1.sealed".to_owned())]);
        let told = ask(means, call(route), secrets).await;
        assert_eq!(self.script.answers.lock().unwrap().len(), 0, "it is asked too seldom");
        let left = std::mem::take(&mut *self.script.came.lock().unwrap()).len();
        let said = told.map(|answer| answer.spent.model.unwrap().to_string()).map_err(|failed| failed.why);
        (said, left)
    }

    fn rested(&self) -> u64 {
        self.meters.steps().into_iter().filter(|(of, _)| of.step.name() == "rest").map(|(_, count)| count).sum()
    }
}

/// What fails by all tries of a model, and leads to no wait that matters.
fn overloaded() -> Vec<Answer> {
    vec![status(503), status(503)]
}

#[tokio::test(start_paused = true)]
async fn a_model_that_only_fails_by_a_route_rests_and_the_next_one_is_asked_at_once() {
    let asked = Asked::new();
    for _ in 0..5 {
        let answers = overloaded().into_iter().chain([fine()]).collect();
        assert_eq!(asked.by("triage", answers).await, (Ok("large".to_owned()), 3));
    }
    assert_eq!(asked.by("triage", vec![fine()]).await, (Ok("large".to_owned()), 1));
    // It is this route's matter only.
    assert_eq!(asked.by("plain", vec![fine()]).await, (Ok("small".to_owned()), 1));
    assert_eq!(asked.rested(), 1);
    tokio::time::advance(Duration::from_secs(10)).await;
    // One call finds out.
    assert_eq!(asked.by("triage", vec![fine()]).await, (Ok("small".to_owned()), 1));
    assert_eq!(asked.by("triage", vec![fine()]).await, (Ok("small".to_owned()), 1));
}

#[tokio::test(start_paused = true)]
async fn a_route_of_one_model_that_rests_says_so_and_asks_nobody() {
    let asked = Asked::new();
    for _ in 0..5 {
        assert!(matches!(asked.by("plain", overloaded()).await, (Err(Failed::Overloaded(_)), 2)));
    }
    let (said, left) = asked.by("plain", Vec::new()).await;
    let said = said.unwrap_err().to_string();
    assert!(
        left == 0 && said.contains("`small` is not asked by this route: the last 5 requests there failed"),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_model_answers_is_no_reason_to_rest_whatever_it_is() {
    let asked = Asked::new();
    for _ in 0..6 {
        assert!(matches!(asked.by("plain", vec![status(400)]).await, (Err(_), 1)));
    }
    for _ in 0..4 {
        asked.by("plain", overloaded()).await.0.unwrap_err();
    }
    asked.by("plain", vec![status(404)]).await.0.unwrap_err();
    for _ in 0..4 {
        asked.by("plain", overloaded()).await.0.unwrap_err();
    }
    assert_eq!(asked.by("plain", vec![fine()]).await, (Ok("small".to_owned()), 1));
}
