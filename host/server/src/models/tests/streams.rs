//! Answers in pieces: who is asked, what the guest gets while they come, and what is paid however they end.

use tokio::sync::mpsc;
use wharf_llm::{OutputSchema, Piece, Reply};

use super::*;

/// A provider's chunk of words.
fn chunk(text: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"delta": {"content": text}}]}))
}

/// What a provider sends in pieces.
fn streams(text: &str) -> Answer {
    let words = text.split_inclusive(' ').map(chunk).collect::<String>();
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 1_000, "completion_tokens": 10}});
    came(format!("{words}data: {usage}\n\ndata: [DONE]\n\n"))
}

fn came(body: String) -> Answer {
    Ok((200, Json::String(body), HeaderMap::new()))
}

/// Asks for an answer in pieces, and gives those too.
async fn streamed(
    books: &Ledger,
    mut call: LlmCall,
    answers: Vec<Answer>,
) -> (Result<LlmAnswer, LlmFailed>, Vec<HttpRequest>, Vec<String>) {
    let (sender, mut receiver) = mpsc::channel(100);
    call.pieces = Pieces::of(sender);
    let (told, came) = asked_with(books, call, answers).await;
    let mut pieces = Vec::new();
    while let Ok(Piece::Text(text)) = receiver.try_recv() {
        pieces.push(text);
    }
    (told, came, pieces)
}

#[tokio::test]
async fn an_answer_passes_on_as_it_comes_and_another_model_answers_only_before_it_does() {
    let books = Ledger::default();
    let (told, came_in, pieces) = streamed(&books, call("triage"), vec![status(404), streams("one two")]).await;
    let LlmAnswer { told, spent } = told.unwrap();
    assert!(matches!(told, Told::Reply(Reply { content, .. }) if content == [Part::Text("one two".into())]));
    assert_eq!((pieces, spent.guessed), (vec!["one ".to_owned(), "two".to_owned()], false));
    assert_eq!((&body(&came_in[1])["stream"], &body(&came_in[1])["model"]), (&json!(true), &json!("llama")));
    // What broke off behind its first words is not gone on with by another.
    let (told, _, pieces) = streamed(&books, call("triage"), vec![came(chunk("one "))]).await;
    assert_eq!((told.unwrap_err().why, pieces.len()), (Failed::Provider("the answer broke off".into()), 1));
    // More than the attempt may get is not passed on.
    let mut small = call("triage");
    small.answer_bytes_max = 5;
    let (told, _, pieces) = streamed(&books, small, vec![streams("one two three")]).await;
    assert!(matches!(told.unwrap_err().why, Failed::Limit(_)) && pieces.len() == 1, "{pieces:?}");
}

#[tokio::test]
async fn what_is_to_be_looked_at_first_is_passed_on_by_nobody() {
    let mut typed = call("triage");
    if let Ask::Converse(conversation) = &mut typed.ask {
        let schema = json!({"type": "object"}).to_string();
        conversation.output = Some(OutputSchema { name: "kind".into(), schema });
    }
    let whole = json!({"message": {"role": "assistant", "content": "{}"}, "finish_reason": "stop"});
    let whole = json!({"choices": [whole], "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    for call in [typed, call("guarded")] {
        let answer = Ok((200, whole.clone(), HeaderMap::new()));
        let (told, came, pieces) = streamed(&Ledger::default(), call, vec![answer]).await;
        assert!(told.is_ok() && pieces.is_empty() && body(&came[0])["stream"].is_null(), "{pieces:?}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_anybody_counted_is_paid_by_what_came_and_leaves_its_budgets() {
    // It breaks off, or goes on for longer than there is time; so much came of it, or nothing.
    let late = || Err(HttpFailed { may_be_done: true, ..HttpFailed::new(Code::HttpTimeout, "too late") });
    for (answers, output_tokens) in [(vec![came(chunk("one "))], 4), (vec![late(), late()], 100)] {
        let books = Ledger::default();
        let tries = answers.len();
        let (told, came, _) = streamed(&books, call("bounded"), answers).await;
        let failed = told.unwrap_err();
        assert!(failed.spent.guessed, "{failed:?}");
        let spent = spent(&books);
        assert_eq!((spent.len(), books.reserved.lock().unwrap().len()), (tries, tries));
        for ((reserved, cost), request) in spent.iter().zip(&came) {
            let wanted = (request.body.len() as u64, output_tokens);
            assert!(*reserved && (cost.input_tokens, cost.output_tokens) == wanted, "{cost:?}");
        }
        assert_eq!(failed.spent.cost, spent.iter().map(|(_, cost)| cost.money).sum::<u64>());
    }
    // What was never reached costs nothing, and an error that comes whole neither.
    let away = || Err(HttpFailed::new(Code::HttpUnreachable, "nobody is there"));
    for answers in [vec![away(), away(), away(), away()], vec![status(400)]] {
        let books = Ledger::default();
        let (told, _, _) = streamed(&books, call("bounded"), answers).await;
        assert!(!told.unwrap_err().spent.guessed);
        assert!(spent(&books).iter().all(|spent| *spent == (true, Cost::default())), "{:?}", spent(&books));
    }
}

/// Sends one chunk of an answer, and then nothing more.
struct Stalls(String);

impl Sends for Stalls {
    fn send(&self, _: HttpRequest, _: Auth) -> BoxFuture<'_, Result<HttpAnswer, HttpFailed>> {
        std::future::pending().boxed()
    }

    fn stream<'a>(
        &'a self,
        _: HttpRequest,
        _: Auth,
        takes: &'a mut dyn Takes,
    ) -> BoxFuture<'a, Result<HttpAnswer, HttpFailed>> {
        async move {
            takes.take(bytes::Bytes::from(self.0.clone())).await;
            std::future::pending().await
        }
        .boxed()
    }
}

#[tokio::test]
async fn whoever_lets_go_of_a_stream_pays_for_what_came_of_it() {
    let counted = json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}});
    for (sent, wanted) in [(chunk("one "), None), (format!("{}data: {counted}\n\n", chunk("one ")), Some((7, 2)))] {
        let (books, sends, meters) = (Ledger::default(), Stalls(sent), ModelMeters::default());
        let (catalog, answers) = (Catalog::new(&config::read(CONFIG).0, Scripts::default()), Answers::default());
        let means = Means {
            catalog: &catalog,
            sends: &sends,
            books: &books,
            meters: &meters,
            answers: &answers,
            rests: &Guard::default(),
        };
        let (sender, mut receiver) = mpsc::channel(100);
        let mut call = call("bounded");
        call.pieces = Pieces::of(sender);
        let secrets = BTreeMap::from([("cloud".parse().unwrap(), "v1.sealed".to_owned())]);
        let mut asking = Box::pin(ask(means, call, secrets));
        assert!((&mut asking).now_or_never().is_none());
        assert_eq!(receiver.try_recv().unwrap(), Piece::Text("one ".into()));
        assert_eq!(spent(&books), []);
        drop(asking);
        let [(true, cost)] = spent(&books)[..] else { panic!("{:?}", spent(&books)) };
        let most = books.reserved.lock().unwrap()[0].most;
        assert_eq!((cost.input_tokens, cost.output_tokens), wanted.unwrap_or((most.input_tokens, 4)));
        let asked = meters.read();
        assert_eq!(asked[0].1.took_us.keys().copied().collect::<Vec<_>>(), ["let-go"]);
        assert_eq!(asked[0].1.cost, cost.money);
    }
}
