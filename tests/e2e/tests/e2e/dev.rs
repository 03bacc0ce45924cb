//! `wharf dev`: a host that follows its files, and builds what is built of them.
//!
//! Goal: whatever is saved comes into force, whenever it is saved, or it is said why not and what was in force stays. Method: commands that copy
//! components instead of compilers, which end when the test lets them.

use serde_json::json;

use crate::{
    egress::{calls, lines},
    host::{Site, guest, wharf},
    killed::until,
    models::asker,
};

#[test]
fn dev_builds_what_changed_and_keeps_the_last_that_was_good() {
    let copy = "if grep -q broken source.txt; then cat source.txt >&2; exit 1; fi; mkdir -p out; cp $(cat source.txt) out/new.wasm; \
                mv out/new.wasm out/made.wasm";
    let site = Site::new(&format!(
        "default_tenant = \"acme\"\n[tenants.acme.plugins.made]\ncomponent = \"out/made.wasm\"\nbuild = \"\"\"{copy}\"\"\"\n\
         [tenants.acme.rules.all]\npattern = {{ type = [{{ exists = true }}] }}\n\
         targets = [{{ plugin = \"made\", retry = {{ attempts = 1 }}, dead_letter = \"dead\" }}]\n"
    ));
    site.write("source.txt", guest("flaky").display().to_string());
    let host = site.start("dev");
    let send = |id: &str, kind: &str| {
        let sent = wharf().args(["send", kind, "--id", id, "-d", "{}"]).env("WHARF_URL", &host.url).output().unwrap();
        sent.status.code().unwrap()
    };
    assert_eq!(send("first", "probe.reject"), 0);
    // Bad sources change nothing; good ones do.
    site.write("source.txt", "broken here");
    host.wait_for_log("not built, what was in force stays");
    assert_eq!(send("second", "probe.reject"), 0);
    site.write("source.txt", guest("probe").display().to_string());
    host.wait_for_log("reloaded made");
    assert_eq!(send("third", "probe.reject"), 9);
    // Another command alone is a reason to build, and a lock file that it writes is none to build again.
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    let build = format!(
        "build = \"date +%N > Cargo.lock; cp {} out/new.wasm; mv out/new.wasm out/made.wasm\"\n",
        guest("flaky").display()
    );
    let (before, after) = (config.find("build = ").unwrap(), config.find("[tenants.acme.rules.all]").unwrap());
    site.write("wharf.toml", format!("{}{build}{}", &config[..before], &config[after..]));
    host.wait_for_log("reloaded made");
    assert_eq!(send("fourth", "probe.reject"), 0);
    site.write("wharf.toml", config);
    assert_eq!(host.lines_before("building made", "reloaded made"), 1);
}

#[test]
fn dev_builds_what_is_saved_while_it_builds_and_while_its_configuration_is_wrong() {
    // A build of what is saved as a number goes on when there is a file for it.
    let build = "n=$(cat source.txt); touch out/has-$n; until test -e out/$n; do test -d out || exit 1; sleep 0.02; done; cp full.wasm out/made.wasm";
    let config = format!(
        "default_tenant = \"acme\"\n[tenants.acme.plugins.made]\ncomponent = \"out/made.wasm\"\nbuild = \"{build}\"\n"
    );
    let site = Site::new(&config);
    site.write("full.wasm", std::fs::read(guest("flaky")).unwrap());
    std::fs::create_dir(site.folder.path().join("out")).unwrap();
    site.write("out/0", "");
    site.write("source.txt", "0");
    let host = site.start("dev");
    let begins = |n: u32| {
        until("a build of it to begin", || site.folder.path().join(format!("out/has-{n}")).exists());
    };
    site.write("source.txt", "1");
    for n in 1..4 {
        begins(n);
        site.write("source.txt", (n + 1).to_string());
        site.write(&format!("out/{n}"), "");
    }
    begins(4);
    site.write("out/4", "");
    site.write("wharf.toml", "[tenants");
    host.wait_for_log("not reloaded");
    site.write("source.txt", "5");
    site.write("out/5", "");
    site.write("wharf.toml", &config);
    begins(5);
}

#[test]
fn dev_takes_a_component_that_comes_behind_the_configuration_that_names_it() {
    let plugin = |name: &str, path: &str| format!("[tenants.acme.plugins.{name}]\ncomponent = \"{path}\"\n");
    let config = format!("default_tenant = \"acme\"\n{}", plugin("first", "first.wasm"));
    let site = Site::new(&config);
    site.write("first.wasm", std::fs::read(guest("flaky")).unwrap());
    let host = site.start("dev");
    let of_second = |plugins: &str| host.get("/v1/tenants/acme/plugins").1.to_string().contains(plugins);
    // Neither it nor its folders are there.
    site.write("wharf.toml", format!("{config}{}", plugin("second", "out/release/second.wasm")));
    host.wait_for_log("not reloaded, what was in force stays");
    let folder = site.folder.path().join("out/release");
    std::fs::create_dir_all(&folder).unwrap();
    site.write("out/release/second.wasm", std::fs::read(guest("probe")).unwrap());
    host.wait_for_log("reloaded second ");
    assert!(of_second("second"));
    // As `cargo clean` and a build do it.
    std::fs::remove_dir_all(folder.parent().unwrap()).unwrap();
    host.wait_for_log("not reloaded, what was in force stays");
    assert!(of_second("second"));
    std::fs::create_dir_all(&folder).unwrap();
    site.write("out/release/second.wasm", std::fs::read(guest("flaky")).unwrap());
    host.wait_for_log("reloaded second ");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn what_a_refused_configuration_says_of_models_is_not_in_force_either() {
    let config = |model: &str| {
        format!(
            "default_tenant = \"acme\"\n[llm.providers.own]\nkind = \"echo\"\n[llm.models.{model}]\nprovider = \"own\"\nmodel = \"m\"\n\
             [tenants.acme.llm.routes.dev]\nmodels = [\"{model}\"]\n{}",
            asker(&["dev"])
        )
    };
    let site = Site::new(&config("before"));
    let host = site.start("dev");
    assert_eq!(host.put("/v1/tenants/acme/queues/q", None, "{}").0, 201);
    let answers = |id: &str, model: &str| {
        let attempts = calls(&host, id, "ask", &json!([{"route": "dev", "text": "hello"}]));
        assert!(lines(&attempts[0]).contains(model), "{}", lines(&attempts[0]));
    };
    answers("one", "before");
    // The queue came by the API, so the file cannot have it.
    site.write("wharf.toml", format!("{}[tenants.acme.queues.q]\n", config("after")));
    host.wait_for_log("not reloaded, what was in force stays");
    answers("two", "before");
    site.write("wharf.toml", config("after"));
    host.wait_for_log("reloaded in ");
    answers("three", "after");
    assert_eq!(host.stop(), Some(0));
}
