//! The smallest configuration in which every key has a place.

/// What all cases begin with.
pub(super) const BASE: &str = r#"
[egress]
networks = ["10.0.0.0/8"]
[llm.providers.cloud]
kind = "openai"
endpoint = "https://a.test/v1"
[llm.providers.other]
kind = "echo"
[llm.providers.aws]
kind = "sagemaker"
region = "eu-central-1"
[llm.providers.told]
kind = "replay"
answers = "a.jsonl"
[llm.providers.unasked]
kind = "bedrock"
region = "eu-central-1"
[llm.providers.ours]
kind = "sagemaker"
region = "eu-central-1"
[llm.models.small]
provider = "cloud"
model = "gpt"
[llm.models.vectors]
provider = "aws"
model = "v"
input_price = "0"
[llm.models.others]
provider = "aws"
model = "o"
input_price = "0"
[tenants.acme.llm.routes.triage]
models = ["small", "echo"]
[tenants.acme.llm.routes.near]
models = ["echo"]
cache = "1h"
similar = { model = "others" }
[tenants.acme.llm.routes.other]
models = ["echo"]
[tenants.acme.llm.prompts.classify]
route = "triage"
user = "{{ text }}"
[tenants.acme.buses.audit]
[tenants.acme.plugins.p]
component = "p.wasm"
[tenants.acme.plugins.q]
component = "q.wasm"
[tenants.acme.plugins.s]
component = "s.wasm"
[tenants.acme.plugins.o]
component = "o.wasm"
[tenants.acme.rules.r]
pattern = { type = ["t"] }
targets = [{ plugin = "p" }, { plugin = "s", input_transformer = { template = "1" } }, { plugin = "o", order_by = "$.id", retry = { on = [{ code = "handler-trap" }] } }]
[tenants.acme.webhooks.w]
url = "https://example.com/hook"
[tenants.acme.queues.j]
consumer = { plugin = "p" }
[tenants.acme.routes."/r"]
plugin = "p"
[tenants.acme.topics.n.subscriptions.x]
targets = [{ plugin = "p" }, { plugin = "s", input_transformer = { template = "1" } }, { plugin = "o", order_by = "$.id", retry = { on = [{ code = "handler-trap" }] } }]
[tenants.acme.topics.m.subscriptions.y]
targets = [{ plugin = "p" }]
[tenants.acme.models.small]
file = "small.onnx"
batch = 9
[tenants.acme.models.theirs]
provider = "aws"
endpoint = "e"
[tenants.acme.schemas.s]
file = "s.json"
[tenants.acme.schedules.c]
expression = "rate(1 day)"
type = "t"
[tenants.acme.schedules.d]
expression = "rate(1 day)"
type = "t"
targets = [{ plugin = "p" }, { plugin = "s", input_transformer = { template = "1" } }, { plugin = "o", order_by = "$.id", retry = { on = [{ code = "handler-trap" }] } }]
"#;
