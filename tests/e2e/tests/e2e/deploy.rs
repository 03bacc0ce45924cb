//! `wharf deploy`: a host becomes what a wharf.toml says, is left alone when it is that, and is not touched when it cannot be.

use std::{
    io::{Read as _, Write as _},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::host::{Host, Site, guest, wharf};

const PLUGIN: &str = "/v1/tenants/acme/plugins/probe";

/// A host with a tenant that has nothing, and what is deployed to it beside its own file.
fn site() -> Site {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n[tenants.acme.buses.audit]\n");
    site.write("probe.wasm", std::fs::read(guest("probe")).unwrap());
    site.write("bend.wasm", std::fs::read(guest("transform-probe")).unwrap());
    site.write("order.json", r#"{"type": "object", "required": ["id"]}"#);
    site.write("project.toml", PROJECT);
    site
}

const PROJECT: &str = r#"
[tenants.acme.buses.audit]
[tenants.acme.plugins.probe]
component = "probe.wasm"
grants = { publish = ["probe.*"], kv = ["probe"] }
[tenants.acme.plugins.bend]
component = "bend.wasm"
[tenants.acme.schemas.order]
file = "order.json"
mode = "warn"
[tenants.acme.rules.probe]
pattern = { type = [{ prefix = "probe." }] }
targets = [{ plugin = "probe", retry = { attempts = 2 }, dead_letter = "dead" }]
[tenants.acme.rules.bent]
bus = "audit"
pattern = { type = ["bent"] }
transforms = ["bend"]
targets = [{ plugin = "probe" }]
"#;

/// Runs `wharf deploy …` in the site's folder, with nobody at a terminal: exit status, stdout, stderr.
fn deploy(site: &Site, host: &Host, words: &[&str]) -> (i32, String, String) {
    let mut command = wharf();
    command.current_dir(site.folder.path()).args(["deploy", "-c", "project.toml"]).args(words);
    let output = command.env("WHARF_URL", &host.url).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The same for programs.
fn document(site: &Site, host: &Host, words: &[&str]) -> (i32, Value) {
    let (exit, said, talk) = deploy(site, host, &[words, &["-o", "json"]].concat());
    (exit, serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}{talk}")))
}

fn lines(said: &str) -> Vec<&str> {
    said.lines().map(str::trim).collect()
}

/// How many changes of each kind were made or are to be made.
fn applied(document: &Value) -> Vec<String> {
    let changes = document["changes"].as_array().unwrap().iter();
    let done = changes.filter(|change| change["applied"] == json!(true));
    done.map(|change| format!("{} {}", change["kind"].as_str().unwrap(), change["name"].as_str().unwrap())).collect()
}

#[test]
fn a_host_becomes_what_the_file_says_and_the_same_again_changes_nothing() {
    let site = site();
    let host = site.start("serve");
    let (exit, said, talk) = deploy(&site, &host, &["--dry-run"]);
    assert_eq!((exit, talk.as_str()), (0, ""));
    let said = lines(&said);
    assert_eq!(said.len(), 11, "{said:?}");
    assert_eq!(
        [said[0], said[1], said[2], said[5], said[8], said[9], said[10]],
        [
            "tenant acme",
            "+ plugin bend",
            "+ plugin probe (grants publish probe.*, grants kv probe)",
            "+ schema order (order on default, warn)",
            "+ rule bent (to probe)",
            "+ rule probe (to probe)",
            "9 changes; 3 objects are as the file says",
        ]
    );
    assert!(said[4].starts_with("+ release probe ") && said[4].ends_with("KB)"), "{said:?}");
    assert!(said[7].starts_with("+ traffic probe (none -> "), "{said:?}");
    assert_eq!(host.get(PLUGIN).0, 404, "nothing is changed by showing");

    let (exit, said, talk) = deploy(&site, &host, &[]);
    assert_eq!((exit, lines(&said).len()), (2, 11), "{talk}");
    assert!(talk.starts_with("error: nothing was applied: there is no terminal to ask on\nhelp: --yes "), "{talk}");
    assert_eq!(host.get(PLUGIN).0, 404, "nothing is changed without a word");

    let (exit, done) = document(&site, &host, &["--yes", "-m", "the first"]);
    assert_eq!((exit, &done["ok"], applied(&done).len()), (0, &json!(true), 9), "{done}");
    host.send("1", "probe.increment");
    assert_eq!(host.settled("acme")["dead_letters"], json!(0));
    assert_eq!(host.get(PLUGIN).1["history"][0]["reason"], json!("the first"));
    let before = host.get(PLUGIN).1["version"].clone();
    for again in [&["--yes"][..], &[], &["--dry-run"]] {
        let (exit, said, _) = deploy(&site, &host, again);
        assert_eq!((exit, said.as_str()), (0, "= nothing changes: 10 objects are as the file says\n"));
    }
    assert_eq!(host.get(PLUGIN).1["version"], before);
    host.kill();
    let host = site.start("serve");
    assert_eq!(deploy(&site, &host, &[]).1, "= nothing changes: 10 objects are as the file says\n");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_differs_is_changed_and_what_the_file_does_not_name_goes_only_when_it_is_to() {
    let site = site();
    let host = site.start("serve");
    assert_eq!(document(&site, &host, &["--yes"]).0, 0);
    let old = host.get(PLUGIN).1["stable"].as_str().unwrap().to_owned();
    // A custom section that says nothing makes another release that does the same.
    let mut wasm = std::fs::read(guest("probe")).unwrap();
    wasm.extend_from_slice(&[0, 4, 2, b'v', b'n', 2]);
    site.write("probe.wasm", wasm);
    let project = PROJECT.replace("kv = [\"probe\"] }", "kv = [\"probe\", \"more\"] }\nlimits = { wall_ms = 900 }");
    let project = project.replace("attempts = 2", "attempts = 3").replace("mode = \"warn\"", "mode = \"enforce\"");
    let (project, _) = project.split_once("[tenants.acme.rules.bent]").unwrap();
    site.write("project.toml", project.replace("component = \"bend.wasm\"", "component = \"bend.wasm\"\nconfig = {}"));
    // A transform takes no `config`: that is told as `wharf check` tells it.
    let (exit, _, talk) = deploy(&site, &host, &["--yes"]);
    assert!(exit == 10 && talk.contains("which takes no `config`") && talk.contains("project.toml:"), "{talk}");
    let (exit, wrong) = document(&site, &host, &["--yes"]);
    assert_eq!((exit, &wrong["ok"], wrong["mistakes"].as_array().unwrap().len()), (10, &json!(false), 1), "{wrong}");
    site.write("project.toml", project);

    let (exit, said, _) = deploy(&site, &host, &["--dry-run"]);
    let said = lines(&said);
    assert_eq!((exit, said.len()), (0, 8), "{said:?}");
    assert!(said[1].starts_with("+ release probe "), "{said:?}");
    assert_eq!(said[2], "~ schema order (warn -> enforce)");
    assert_eq!(said[3], "~ plugin probe (grants kv more, wall_ms 10000 -> 900)");
    assert!(said[4].starts_with(&format!("~ traffic probe ({} -> ", &old[7..19])), "{said:?}");
    assert_eq!(said[5], "~ rule probe (settings of targets)");
    assert_eq!(said[6], "? rule bent is not in the file and stays; --prune removes it");
    let (exit, said, talk) = deploy(&site, &host, &["--yes"]);
    assert_eq!((exit, talk.as_str()), (0, ""));
    assert_eq!(said.lines().last(), Some("deployed  5 changes"));
    assert_ne!(host.get(PLUGIN).1["stable"].as_str(), Some(old.as_str()));

    let without = project.replace("[tenants.acme.plugins.bend]\ncomponent = \"bend.wasm\"\n", "");
    site.write("project.toml", without);
    let (_, kept) = document(&site, &host, &["--yes"]);
    assert_eq!((kept["changes"].clone(), kept["unlisted"].as_array().unwrap().len()), (json!([]), 2), "{kept}");
    let (exit, said, _) = deploy(&site, &host, &["--prune", "--yes"]);
    assert_eq!(exit, 0);
    let said = lines(&said);
    assert_eq!(said[1..3], ["- rule bent (not in the file)", "- plugin bend (not in the file)"]);
    assert_eq!(host.get("/v1/tenants/acme/plugins/bend").0, 404);
    assert_eq!(host.get("/v1/tenants/acme/buses/audit/rules").1, json!([]));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_is_in_the_way_is_told_at_once_and_nothing_is_applied() {
    let site = site();
    let own = format!(
        "[tenants.acme.plugins.own]\ncomponent = '{}'\n[tenants.acme.plugins.same]\ncomponent = 'bend.wasm'\n\
         [tenants.acme.rules.own]\npattern = {{ type = ['own'] }}\ntargets = [{{ plugin = 'own' }}]\n",
        guest("counter").display()
    );
    site.write("wharf.toml", format!("default_tenant = 'acme'\n[tenants.acme.buses.audit]\n{own}"));
    let host = site.start("serve");
    assert_eq!(document(&site, &host, &["--yes"]).0, 0);
    let project = PROJECT.replace("[tenants.acme.rules.bent]\nbus = \"audit\"", "[tenants.acme.rules.bent]");
    site.write("order.json", r#"{"type": "object", "required": ["id", "at"]}"#);
    let more = own.replace("pattern = { type = ['own'] }", "pattern = { type = ['other'] }");
    let more = more.replace(&guest("counter").display().to_string(), "probe.wasm");
    let project =
        project.replace("buses.audit]", "buses.audit.retention]\nage = \"1d\"\n[tenants.acme]\nsuspended = true");
    site.write("project.toml", format!("{project}{more}[tenants.acme.buses.none]\n[tenants.other]\n"));
    let (exit, told) = document(&site, &host, &["--yes"]);
    let mut codes: Vec<_> =
        told["troubles"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(exit, 10);
    let wanted =
        ["bus-of-file", "plugin-of-file", "rule-elsewhere", "rule-of-file", "schema-incompatible", "tenant-of-file"];
    assert_eq!(codes, wanted, "{told}");
    assert_eq!(applied(&told), Vec::<String>::new());
    let (exit, _, talk) = deploy(&site, &host, &["--dry-run"]);
    assert!(exit == 10 && talk.ends_with("6 things are in the way: nothing was applied\n"), "{talk}");
    let (exit, _, talk) = deploy(&site, &host, &["--dry-run", "-t", "nobody"]);
    assert_eq!((exit, talk.lines().next()), (3, Some("error: project.toml has no tenant `nobody`")));
    // What stands in the host's own file and is the same is in nobody's way.
    site.write("order.json", r#"{"type": "object", "required": ["id"]}"#);
    site.write("project.toml", format!("{PROJECT}{own}"));
    let (exit, said, talk) = deploy(&site, &host, &["--dry-run"]);
    assert_eq!((exit, said.as_str(), talk.as_str()), (0, "= nothing changes: 13 objects are as the file says\n", ""));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_step_that_fails_says_what_was_applied_and_the_same_command_goes_on() {
    let site = site();
    // Which types have a schema already is the host's to know.
    let own = "default_tenant = 'acme'\n[tenants.acme.buses.audit]\n[tenants.acme.schemas.own]\ntype = 'order'\nfile = 'order.json'\n";
    site.write("wharf.toml", own);
    let host = site.start("serve");
    let (exit, failed) = document(&site, &host, &["--yes"]);
    let done = ["plugin bend", "plugin probe", "release bend", "release probe"];
    assert_eq!(
        (exit, &failed["ok"], applied(&failed)),
        (5, &json!(false), done.map(str::to_owned).to_vec()),
        "{failed}"
    );
    let failure = &failed["failure"];
    assert_eq!(
        (&failure["code"], &failure["kind"], &failure["name"]),
        (&json!("schema-taken"), &json!("schema"), &json!("order"))
    );
    let (exit, _, talk) = deploy(&site, &host, &["--yes"]);
    assert_eq!(exit, 5);
    assert!(
        talk.starts_with("error[schema-taken]: schema order: ")
            && talk.ends_with("nothing was changed: the same command goes on from there\n"),
        "{talk}"
    );
    site.write("project.toml", PROJECT.replace("mode = \"warn\"", "mode = \"warn\"\ntype = \"other\""));
    let (exit, done) = document(&site, &host, &["--yes"]);
    assert_eq!((exit, applied(&done).len()), (0, 5), "{done}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_tenant_and_its_buses_are_made_and_what_the_file_does_not_say_of_them_stays() {
    let site = site();
    let project = PROJECT.replace("acme", "north");
    site.write("project.toml", &project);
    let host = site.start("serve");
    let (exit, said, talk) = deploy(&site, &host, &["--dry-run"]);
    let said = lines(&said);
    assert_eq!((exit, talk.as_str(), said.len()), (0, "", 13), "{said:?}");
    assert_eq!(said[..3], ["tenant north", "+ tenant north", "+ bus audit"]);
    assert_eq!(host.get("/v1/tenants/north").0, 404, "nothing is changed by showing");
    let (exit, said, _) = deploy(&site, &host, &["--yes"]);
    assert!(exit == 0 && said.contains("\nadded  tenant north\nadded  bus north/audit\n"), "{said}");
    let host = {
        host.kill();
        site.start("serve")
    };
    assert_eq!(deploy(&site, &host, &[]).1, "= nothing changes: 10 objects are as the file says\n");

    let more = project.replace("[tenants.north.buses.audit]", "[tenants.north.buses.audit.retention]\nage = \"30d\"");
    let more =
        format!("{more}[tenants.north.buses.new.retention]\nsize = \"1MiB\"\n[tenants.north]\nsuspended = true\n");
    site.write("project.toml", &more);
    let (exit, said, _) = deploy(&site, &host, &["--dry-run"]);
    let said = lines(&said);
    let wanted =
        ["~ tenant north (suspended false -> true)", "~ bus audit (age 7d -> 30d)", "+ bus new (keeps 7d and 1MiB)"];
    assert_eq!((exit, &said[1..4]), (0, &wanted[..]));
    assert_eq!(document(&site, &host, &["--yes"]).0, 0);
    assert_eq!(host.get("/v1/tenants/north").1["suspended"], json!(true));
    assert_eq!(host.get("/v1/tenants/north/buses/audit").1["retention"]["age"], json!("30d"));
    assert!(deploy(&site, &host, &[]).1.starts_with("= nothing changes: "));

    // A file that is silent of both lets nobody go on, and lets no events go.
    site.write("project.toml", &project);
    let (exit, said, _) = deploy(&site, &host, &["--yes"]);
    assert_eq!((exit, lines(&said)[1]), (0, "? bus new is not in the file and stays; --prune removes it"));
    assert_eq!(host.get("/v1/tenants/north").1["suspended"], json!(true));
    let rule =
        ["rules", "add", "here", "--bus", "new", "-t", "north", "--pattern", "{\"type\":[\"x\"]}", "--target", "probe"];
    assert!(wharf().args(rule).env("WHARF_URL", &host.url).output().unwrap().status.success());
    let (exit, done) = document(&site, &host, &["--yes", "--prune"]);
    assert_eq!((exit, applied(&done)), (0, vec!["rule here".to_owned(), "bus new".to_owned()]), "{done}");
    assert_eq!(host.get("/v1/tenants/north/buses/new").0, 404);
    site.write("project.toml", more.replace("suspended = true", "suspended = false"));
    assert_eq!(document(&site, &host, &["--yes"]).0, 0);
    assert_eq!(host.get("/v1/tenants/north").1["suspended"], json!(false));
    // One component makes no tenant: a name that is written wrong is not to become one.
    let (exit, _, talk) = deploy(&site, &host, &["probe.wasm", "--plugin", "probe", "-t", "south", "--yes"]);
    assert!(exit == 10 && talk.starts_with("error[tenant-unknown]: tenant south: "), "{exit} {talk}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn one_component_becomes_the_release_of_all_traffic_and_all_else_of_the_plugin_stays() {
    let site = site();
    let host = site.start("serve");
    assert_eq!(document(&site, &host, &["--yes"]).0, 0);
    let grants = host.get(PLUGIN).1["grants"].clone();
    let counter = guest("counter").display().to_string();
    let (exit, done) = document(&site, &host, &[&counter, "--plugin", "probe", "--yes"]);
    assert_eq!((exit, applied(&done)), (0, vec!["release probe".to_owned(), "traffic probe".to_owned()]), "{done}");
    assert_eq!(
        (&host.get(PLUGIN).1["stable"], &host.get(PLUGIN).1["grants"]),
        (&done["changes"][1]["release"], &grants)
    );
    let (exit, said, _) = deploy(&site, &host, &[&counter, "--plugin", "probe"]);
    assert_eq!((exit, said.as_str()), (0, "= nothing changes: 1 object is as the file says\n"));
    // Going back to what was taken back is said.
    assert!(
        wharf().args(["rollback", "probe", "-m", "no"]).env("WHARF_URL", &host.url).output().unwrap().status.success()
    );
    let (_, said, _) = deploy(&site, &host, &[&counter, "--plugin", "probe", "--dry-run"]);
    assert!(lines(&said)[1].ends_with(", which was taken back: no)"), "{said}");
    // What a release asks for is granted by somebody, and not by deploying it.
    let other = ["probe.wasm", "--plugin", "other", "--yes"];
    let (exit, _, talk) = deploy(&site, &host, &other);
    assert!(exit == 5 && talk.starts_with("error[grant-needed]: release other: "), "{exit} {talk}");
    assert!(talk.contains("`wharf grant approve other`"), "{talk}");
    let mut grant = wharf();
    grant.args(["grant", "approve", "other", "--publish", "probe.*", "--kv", "probe"]).env("WHARF_URL", &host.url);
    assert!(grant.output().unwrap().status.success());
    let (exit, done) = document(&site, &host, &other);
    assert_eq!((exit, applied(&done)), (0, vec!["traffic other".to_owned()]), "{done}");
    let (exit, _, talk) = deploy(&site, &host, &["order.json", "--plugin", "probe", "--yes"]);
    assert!(exit == 10 && talk.starts_with("error[component-not-wasm]: component order.json: "), "{exit} {talk}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_a_plugin_says_of_its_quarantine_is_deployed_and_goes_when_the_file_says_so_no_more() {
    let site = site();
    let host = site.start("serve");
    let limits = "kv = [\"probe\"] }\nlimits = { wall_ms = 900, quarantine = \"dead-letter\" }";
    site.write("project.toml", PROJECT.replace("kv = [\"probe\"] }", limits));
    let (exit, done) = document(&site, &host, &["--yes"]);
    assert_eq!(exit, 0, "{done}");
    let shown = || host.get(PLUGIN).1["limits"].clone();
    assert_eq!((&shown()["quarantine"], &shown()["wall_ms"]), (&json!("dead-letter"), &json!(900)));
    assert_eq!(deploy(&site, &host, &[]).1, "= nothing changes: 10 objects are as the file says\n");

    site.write("project.toml", PROJECT.replace("kv = [\"probe\"] }", "kv = [\"probe\"] }\nlimits = { wall_ms = 900 }"));
    let (exit, said, _) = deploy(&site, &host, &["--dry-run"]);
    assert_eq!((exit, lines(&said)[1]), (0, "~ plugin probe (quarantine dead-letter -> wait)"), "{said}");
    assert_eq!(document(&site, &host, &["--yes"]).0, 0);
    assert_eq!(shown()["quarantine"], "wait");
}

#[test]
fn schedules_and_a_queue_that_a_new_plugin_consumes_are_deployed_and_go_with_prune() {
    let site = site();
    site.write("sums.wasm", std::fs::read(guest("batch-probe")).unwrap());
    let more = r#"
[tenants.acme.plugins.sums]
component = "sums.wasm"
grants = { kv = ["sums"], publish = ["probe.*"] }
[tenants.acme.queues.jobs]
consumer = { plugin = "sums", batch = 10 }
[tenants.acme.topics.orders]
[tenants.acme.schedules.nightly]
expression = "cron(0 3 * * ? *)"
timezone = "Europe/Berlin"
end = "2199-01-01T00:00:00Z"
type = "nightly"
data = '["full", 1.50]'
[tenants.acme.schedules.jobs]
expression = "rate(1 hour)"
type = "hourly"
targets = [{ queue = "jobs" }, { topic = "orders" }, { plugin = "probe", retry = { attempts = 3 } }]
"#;
    site.write("project.toml", format!("{PROJECT}{more}"));
    let host = site.start("serve");
    let (exit, done) = document(&site, &host, &["--yes"]);
    assert_eq!((exit, applied(&done).len()), (0, 16), "{done}");
    assert_eq!(host.get("/v1/tenants/acme/queues/jobs").1.get("consumer_waits"), None, "its consumer is ready");
    let nightly = || host.get("/v1/tenants/acme/schedules/nightly").1;
    assert_eq!((&nightly()["data"], &nightly()["origin"]), (&json!(["full", 1.5]), &json!("api")));
    assert_eq!(deploy(&site, &host, &[]).1, "= nothing changes: 16 objects are as the file says\n");

    site.write("project.toml", format!("{PROJECT}{more}").replace("Europe/Berlin", "Asia/Tokyo"));
    let (exit, said, _) = deploy(&site, &host, &["--yes"]);
    assert_eq!((exit, lines(&said)[1]), (0, "~ schedule nightly (timezone)"), "{said}");
    assert_eq!(nightly()["timezone"], "Asia/Tokyo");

    site.write("project.toml", PROJECT);
    let (_, said, _) = deploy(&site, &host, &["--dry-run"]);
    assert!(lines(&said).contains(&"? schedule nightly is not in the file and stays; --prune removes it"), "{said}");
    let (exit, done) = document(&site, &host, &["--yes", "--prune"]);
    let gone = ["schedule jobs", "schedule nightly", "queue jobs", "plugin sums", "topic orders"];
    assert_eq!((exit, applied(&done)), (0, gone.map(String::from).into()), "{done}");
    assert_eq!(host.stop(), Some(0));
}

/// A component that says more of itself: a custom section at its end.
fn saying(mut wasm: Vec<u8>, section: &str, text: &str) -> Vec<u8> {
    let content = [&[u8::try_from(section.len()).unwrap()], section.as_bytes(), text.as_bytes()].concat();
    let len = content.len();
    // Two bytes of LEB128 take up to 16 KiB.
    wasm.extend([0, u8::try_from(len & 0x7f).unwrap() | 0x80, u8::try_from(len >> 7).unwrap()]);
    wasm.extend(content);
    wasm
}

#[test]
fn one_component_brings_the_rule_that_its_handler_declares() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme]\n");
    let host = site.start("serve");
    let probe = saying(
        std::fs::read(guest("probe")).unwrap(),
        "wharf:needs",
        r#"{"publish": ["probe.*"], "kv": ["default"], "http": []}"#,
    );
    let declared = |text: &str| saying(probe.clone(), "wharf:handler", text);
    site.write(
        "pro_be.wasm",
        declared(r#"{"on": ["probe.tell", "order.*"], "order_by": "$.source", "retry": {"attempts": 2}}"#),
    );
    let (exit, said, talk) = deploy(&site, &host, &["pro_be.wasm", "--dry-run"]);
    assert_eq!(exit, 0, "{talk}");
    let rule = "+ rule pro-be ({\"type\":[\"probe.tell\",{\"prefix\":\"order.\"}]} to pro-be)";
    assert!(lines(&said).contains(&rule) && !said.contains("grants"), "{said}");
    assert_eq!(host.get("/v1/tenants/acme/plugins/pro-be").0, 404, "nothing is changed by showing");

    // Nothing is granted without a word.
    let (exit, _, talk) = deploy(&site, &host, &["pro_be.wasm", "--yes"]);
    assert!(exit == 5 && talk.contains("error[grant-needed]") && talk.contains("publish probe.*"), "{talk}");
    let (exit, done) = document(&site, &host, &["pro_be.wasm", "--yes", "--grant"]);
    assert_eq!(exit, 0, "{done}");
    assert_eq!(applied(&done), ["release pro-be", "plugin pro-be", "traffic pro-be", "rule pro-be"], "{done}");
    host.send("1", "probe.tell");
    assert_eq!(host.settled("acme")["dead_letters"], json!(0));
    let rule = host.get("/v1/tenants/acme/buses/default/rules/pro-be").1;
    assert_eq!(
        (&rule["targets"][0]["retry"]["attempts"], &rule["targets"][0]["order_by"]),
        (&json!(2), &json!("$.source"))
    );
    let (exit, said, _) = deploy(&site, &host, &["pro_be.wasm", "--grant"]);
    assert_eq!((exit, said.as_str()), (0, "= nothing changes: 3 objects are as the file says\n"));

    // Another declaration is another rule of the same name.
    site.write("pro_be.wasm", declared(r#"{"on": ["probe.tell"]}"#));
    let (exit, done) = document(&site, &host, &["pro_be.wasm", "--yes"]);
    assert_eq!(
        (exit, applied(&done)),
        (0, vec!["release pro-be".into(), "traffic pro-be".into(), "rule pro-be".into()]),
        "{done}"
    );
    assert_eq!(host.get("/v1/tenants/acme/buses/default/rules/pro-be").1["pattern"], json!({"type": ["probe.tell"]}));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn a_declaration_makes_no_second_rule_and_none_that_could_not_stand_in_a_file() {
    let site = site();
    let host = site.start("serve");
    assert_eq!(document(&site, &host, &["--yes"]).0, 0);
    let plain = std::fs::read(guest("probe")).unwrap();
    site.write("other.wasm", saying(plain.clone(), "wharf:handler", r#"{"on": ["probe.tell"]}"#));
    // The rules of the project bring it its events already.
    let rules = host.get("/v1/tenants/acme/buses/default/rules").1;
    let (exit, done) = document(&site, &host, &["other.wasm", "--plugin", "probe", "--dry-run"]);
    let kinds: Vec<_> = done["changes"].as_array().unwrap().iter().map(|it| it["kind"].clone()).collect();
    let has_rule = rules.as_array().unwrap().iter().any(|it| it["rule"] == "probe");
    assert!(has_rule && exit == 0 && kinds == [json!("release"), json!("traffic")], "{done}");
    assert!(done["notes"][0].as_str().unwrap().contains("brings it events already"), "{done}");
    for (text, said) in [
        (r#"{"on": ["a"], "retry": {"first": "soon"}}"#, "/targets/0/retry/first"),
        (r#"{"on": ["a"], "order_by": "data"}"#, "/targets/0/order_by"),
        (r#"{"when": "now"}"#, "unknown field `when`"),
    ] {
        site.write("wrong.wasm", saying(plain.clone(), "wharf:handler", text));
        let (exit, _, talk) = deploy(&site, &host, &["wrong.wasm", "--yes"]);
        assert!(exit != 0 && talk.contains("error[component-handler]") && talk.contains(said), "{text}: {talk}");
    }
    site.write("NO NAME.wasm", plain);
    let (exit, _, talk) = deploy(&site, &host, &["NO NAME.wasm", "--yes"]);
    assert!(exit != 0 && talk.contains("say it: --plugin NAME"), "{talk}");
    assert_eq!(host.stop(), Some(0));
}

/// Runs `wharf deploy …` with somebody at a terminal who says yes once `meanwhile` has happened: exit status and what the terminal shows.
fn deploy_asked(site: &Site, host: &Host, words: &str, meanwhile: impl FnOnce()) -> (i32, String) {
    let command = format!("{} deploy -c project.toml {words}", wharf().get_program().display());
    let mut child = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(site.folder.path())
        .env("WHARF_URL", &host.url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut said, mut shown) = (child.stdout.take().unwrap(), Vec::new());
    while !shown.ends_with(b"[y/N] ") {
        let mut byte = [0];
        assert_eq!(said.read(&mut byte).unwrap(), 1, "it asks: {}", String::from_utf8_lossy(&shown));
        shown.extend(byte);
    }
    meanwhile();
    let mut answer = child.stdin.take().unwrap();
    answer.write_all(b"y\n").unwrap();
    said.read_to_end(&mut shown).unwrap();
    (child.wait().unwrap().code().unwrap(), String::from_utf8(shown).unwrap())
}

#[test]
fn what_somebody_else_changed_since_the_plan_was_shown_is_left_alone() {
    let site = site();
    let host = site.start("serve");
    assert_eq!(document(&site, &host, &["--yes"]).0, 0);
    let old = host.get(PLUGIN).1["stable"].as_str().unwrap().to_owned();
    let release = |n: u8| {
        let mut wasm = std::fs::read(guest("probe")).unwrap();
        wasm.extend_from_slice(&[0, 4, 2, b'v', b'n', n]);
        wasm
    };
    let upload = |wasm: Vec<u8>| {
        site.write("other.wasm", wasm);
        let mut command = wharf();
        command.current_dir(site.folder.path()).env("WHARF_URL", &host.url);
        let output = command.args(["plugin", "upload", "probe", "other.wasm", "-o", "json"]).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["release"].as_str().unwrap().to_owned()
    };
    // Somebody promotes another release while the plan is looked at.
    site.write("probe.wasm", release(2));
    let (exit, shown) = deploy_asked(&site, &host, "", || {
        let other = upload(release(3));
        let promoted =
            host.post(&format!("{PLUGIN}/promote"), "application/json", json!({ "release": other }).to_string());
        assert_eq!(promoted.0, 200, "{promoted:?}");
    });
    assert!(exit == 5 && shown.contains("traffic probe: it was changed since the plan was made"), "{shown}");
    assert_ne!(host.get(PLUGIN).1["stable"], json!(old), "what the other promoted has the traffic");
    assert_eq!(deploy(&site, &host, &["--yes"]).0, 0, "who looks again goes on from there");
    // A breaker is one of the settings.
    let granted = PROJECT.replace("kv = [\"probe\"] }", "kv = [\"probe\", \"more\"] }");
    site.write("project.toml", &granted);
    let settings = json!({ "grants": { "publish": ["probe.*"], "kv": ["probe"] }, "breaker": { "failures": 7 } });
    let (exit, shown) = deploy_asked(&site, &host, "", || {
        let put = host.put(PLUGIN, None, settings.to_string().into_bytes());
        assert_eq!(put.0, 200, "{put:?}");
    });
    assert!(exit == 5 && shown.contains("plugin probe: it was changed since the plan was made"), "{shown}");
    assert_eq!(deploy(&site, &host, &["--yes"]).0, 0);
    // A rule that goes for not being in the file is another by then.
    let (project, _) = granted.split_once("[tenants.acme.rules.bent]").unwrap();
    site.write("project.toml", project);
    let rule = "/v1/tenants/acme/buses/audit/rules/bent";
    let (exit, shown) = deploy_asked(&site, &host, "--prune", || {
        let body = json!({ "pattern": { "type": ["bent.more"] }, "targets": [{ "plugin": "probe" }] });
        let put = host.put(rule, None, body.to_string().into_bytes());
        assert_eq!(put.0, 200, "{put:?}");
    });
    assert!(exit == 5 && shown.contains("rule bent: it was changed since the plan was made"), "{shown}");
    assert_eq!(host.get(rule).0, 200, "it stays");
    assert_eq!(deploy(&site, &host, &["--yes", "--prune"]).0, 0);
    assert_eq!(host.get(rule).0, 404);
    assert_eq!(host.stop(), Some(0));
}
