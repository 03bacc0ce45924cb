//! Compiled artifacts are kept once, and taken only as this host wrote them: anything else is compiled again and told.

use std::path::PathBuf;

use crate::host::Site;

/// The only artifact of a site.
fn artifact(site: &Site) -> PathBuf {
    let files = std::fs::read_dir(site.folder.path().join("data/cache")).unwrap().map(|entry| entry.unwrap().path());
    let mut artifacts: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "cwasm")).collect();
    assert_eq!(artifacts.len(), 1, "{artifacts:?}");
    artifacts.remove(0)
}

/// Puts other bytes in its place, as somebody would who can write to the folder.
fn put(site: &Site, bytes: &[u8]) {
    let path = artifact(site);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn an_artifact_that_is_not_as_this_host_wrote_it_is_compiled_again_and_told() {
    let (site, other) = (Site::probe("", "attempts = 1"), Site::probe("", "attempts = 1"));
    for site in [&site, &other] {
        assert_eq!(site.start("serve").stop(), Some(0));
    }
    let written =
        || (std::fs::metadata(artifact(&site)).unwrap().modified().unwrap(), std::fs::read(artifact(&site)).unwrap());
    let (first, whole) = written();
    assert_eq!(site.start("serve").stop(), Some(0));
    assert_eq!(written().0, first, "what is there is taken and not written again");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let foreign = std::fs::read(artifact(&other)).unwrap();
    assert_eq!(foreign.len(), whole.len(), "the same component, under another secret");
    for (n, bytes) in (0..).zip([flipped.as_slice(), &whole[..whole.len() - 1], &[], &foreign]) {
        put(&site, bytes);
        let host = site.start("serve");
        host.wait_for_log("a cached artifact is not ours or is damaged; compiling again");
        host.send(&n.to_string(), "probe.increment");
        host.settled("acme");
        assert_eq!(host.value("probe", "shared"), Some((n + 1).to_string()));
        assert_eq!(host.stop(), Some(0));
        let (_, again) = written();
        assert_eq!(again.len(), whole.len());
        assert!(again != bytes, "it was written anew");
    }
}
