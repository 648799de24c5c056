//! Real git against a real door: what a run may fetch and push, and all that it may not.

use crate::support::door::{FakeHost, Outside, SANDBOX, open_door};
use crate::support::git::{Git, commit, git, script, working_on};
use crate::support::{client, eventually, soon};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const MINE: &str = "refs/heads/strawboss/x-1";
const SAVED: &str = "refs/strawboss/saved/x-1.1";

/// A mirror with a `main` that is visible, another run's branch and a secret that are not, and a door onto it.
struct World {
    dir: TempDir,
    door: Outside,
    host: Arc<FakeHost>,
    main: String,
    theirs: String,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mirror = dir.path().join("mirror of \"x\".git");
        git(dir.path()).run(&["init", "--quiet", "--bare", "--initial-branch=main", mirror.to_str().unwrap()]);
        let work = dir.path().join("origin");
        git(dir.path()).run(&["init", "--quiet", "--initial-branch=main", work.to_str().unwrap()]);
        let main = commit(&work, "main.txt", "for all");
        let at = mirror.to_str().unwrap();
        git(&work).run(&["push", "--quiet", at, "HEAD:refs/heads/main"]);
        git(&work).run(&["checkout", "--quiet", "-b", "theirs"]);
        let theirs = commit(&work, "theirs.txt", "of another run");
        git(&work).run(&["push", "--quiet", at, "HEAD:refs/heads/strawboss/x-2", "HEAD:refs/heads/secret", "HEAD:refs/tags/v1"]);
        let host = Arc::new(FakeHost::new(&mirror, &["refs/heads/main", MINE, SAVED], &[MINE, SAVED], 8 << 20));
        let door = open_door(dir.path(), host.clone()).await;
        Self { dir, door, host, main, theirs }
    }

    fn mirror(&self) -> Git {
        git(&self.host.access().mirror)
    }

    fn reference(&self, name: &str) -> Option<String> {
        self.mirror().try_run(&["rev-parse", "--verify", "--quiet", name]).ok().map(|out| out.trim().to_owned())
    }

    async fn clone(&self) -> Workspace {
        let to = self.dir.path().join("workspace");
        self.door.git(self.dir.path(), &["clone", "--quiet", &self.door.url(), to.to_str().unwrap()]).await.ok();
        git(&to).run(&["checkout", "--quiet", "-B", "work", "origin/main"]);
        Workspace { path: to }
    }
}

struct Workspace {
    path: std::path::PathBuf,
}

impl Workspace {
    fn at(&self) -> &Path {
        &self.path
    }
}

#[tokio::test]
async fn a_run_fetches_what_it_may_see_and_nothing_else() {
    let world = World::new().await;
    let listed = world.door.git(world.dir.path(), &["ls-remote", &world.door.url()]).await.ok();
    assert_eq!(listed, format!("{}\trefs/heads/main\n", world.main), "only visible refs are listed, not even HEAD");
    let clone = world.clone().await;
    assert!(clone.at().join("main.txt").is_file());
    assert!(!git(clone.at()).test(&["cat-file", "-e", &world.theirs]), "hidden objects came along");
    for version in ["0", "1", "2"] {
        for want in [&*world.theirs, "refs/heads/secret", "refs/heads/strawboss/x-2", "refs/tags/v1", "HEAD:x"] {
            let config = format!("protocol.version={version}");
            let fetched = world.door.git(clone.at(), &["-c", &config, "fetch", "origin", want]).await;
            assert!(!fetched.success, "version {version}, {want}: {}", fetched.text);
        }
    }
    assert!(!git(clone.at()).test(&["cat-file", "-e", &world.theirs]), "hidden objects were fetched");
    // What hangs on a visible ref may be asked for by id.
    world.door.git(clone.at(), &["fetch", "--quiet", "--depth=1", "origin", &world.main]).await.ok();
}

#[tokio::test]
async fn a_raw_request_of_version_2_gets_no_hidden_object() {
    let world = World::new().await;
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let body = format!(
        "{}{}0001{}{}{}0000",
        line("command=fetch"),
        line("object-format=sha1"),
        line(&format!("want {}\n", world.theirs)),
        line("no-progress\n"),
        line("done\n")
    );
    let client = client();
    let answer = client
        .post(format!("{}/git-upload-pack", world.door.url()))
        .header("content-type", "application/x-git-upload-pack-request")
        .header("git-protocol", "version=2")
        .body(body)
        .send()
        .await
        .unwrap();
    let bytes = answer.bytes().await.unwrap_or_default();
    assert!(!bytes.windows(4).any(|window| window == b"PACK"), "a pack came: {bytes:?}");
    // The same in the version that is spoken.
    let body = format!("{}0000{}", line(&format!("want {} no-progress\n", world.theirs)), line("done\n"));
    let answer = client
        .post(format!("{}/git-upload-pack", world.door.url()))
        .header("content-type", "application/x-git-upload-pack-request")
        .body(body)
        .send()
        .await
        .unwrap();
    let bytes = answer.bytes().await.unwrap_or_default();
    assert!(!bytes.windows(4).any(|window| window == b"PACK"), "a pack came: {bytes:?}");
}

#[tokio::test]
async fn a_run_pushes_its_own_refs_even_by_force() {
    let world = World::new().await;
    let clone = world.clone().await;
    let first = commit(clone.at(), "a.txt", "first");
    world.door.git(clone.at(), &["push", "--quiet", "origin", &format!("HEAD:{MINE}"), &format!("HEAD:{SAVED}")]).await.ok();
    assert_eq!(world.reference(MINE), Some(first.clone()));
    assert_eq!(world.reference(SAVED), Some(first.clone()));
    git(clone.at()).run(&["reset", "--quiet", "--hard", "HEAD~1"]);
    let second = commit(clone.at(), "b.txt", "second");
    assert!(!world.door.git(clone.at(), &["push", "origin", &format!("HEAD:{MINE}")]).await.success, "git itself wants --force");
    world.door.git(clone.at(), &["push", "--quiet", "--force", "origin", &format!("HEAD:{MINE}")]).await.ok();
    assert_eq!(world.reference(MINE), Some(second));
}

#[tokio::test]
async fn nothing_else_is_pushed() {
    let world = World::new().await;
    let clone = world.clone().await;
    commit(clone.at(), "a.txt", "mine");
    world.door.git(clone.at(), &["push", "--quiet", "origin", &format!("HEAD:{MINE}")]).await.ok();
    let before = world.mirror().run(&["for-each-ref"]);
    commit(clone.at(), "evil.txt", "evil");
    for target in [
        "HEAD:refs/heads/main",
        "+HEAD:refs/heads/main",
        "+HEAD:refs/heads/strawboss/x-2",
        "+HEAD:refs/strawboss/saved/x-2.1",
        "HEAD:refs/heads/strawboss/x-10",
        "HEAD:refs/tags/v2",
        "+HEAD:refs/heads/secret",
        "HEAD:refs/replace/0000000000000000000000000000000000000001",
        &format!(":{MINE}"),
        ":refs/heads/main",
        ":refs/heads/strawboss/x-2",
    ] {
        let pushed = world.door.git(clone.at(), &["push", "origin", target]).await;
        assert!(!pushed.success, "{target}: {}", pushed.text);
    }
    let mixed = world.door.git(clone.at(), &["push", "origin", &format!("HEAD:{MINE}"), "HEAD:refs/heads/main"]).await;
    assert!(!mixed.success && mixed.text.contains("this run may push only"), "it says what may be pushed: {}", mixed.text);
    assert_eq!(world.mirror().run(&["for-each-ref"]), before, "something was moved");
}

#[tokio::test]
async fn a_pack_that_is_too_large_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let clone = world.clone().await;
    let noise: Vec<u8> = (0..12_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(clone.at().join("large"), noise).unwrap();
    commit(clone.at(), "a.txt", "large");
    let pushed = world.door.git(clone.at(), &["-c", "core.compression=0", "push", "origin", &format!("HEAD:{MINE}")]).await;
    assert!(!pushed.success && pushed.text.contains("exceeds maximum allowed size"), "{}", pushed.text);
    assert_eq!(world.reference(MINE), None);
    eventually("the quarantine is gone", || {
        let objects = world.host.access().mirror.join("objects");
        let left = std::fs::read_dir(objects).unwrap().flatten();
        !left.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("tmp"))
    })
    .await;
}

#[tokio::test]
async fn what_would_trick_a_checkout_is_refused() {
    let world = World::new().await;
    let clone = world.clone().await;
    let at = git(clone.at());
    let blob = at.pipe(&["hash-object", "-w", "--stdin"], b"[core]\n\tfsmonitor = evil\n");
    let inner = at.pipe(&["mktree"], format!("100644 blob {}\tconfig\n", blob.trim()).as_bytes());
    // git itself will not make such a tree; whoever wants one writes it by hand.
    let raw = |name: &str| {
        let mut tree = format!("40000 {name}\0").into_bytes();
        let id = inner.trim();
        tree.extend((0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()));
        tree
    };
    for name in [".git", ".GIT", "git~1", ".g\u{200c}it", ".."] {
        let tree = at.pipe(&["hash-object", "-t", "tree", "-w", "--stdin", "--literally"], &raw(name));
        let made = at.run(&["commit-tree", tree.trim(), "-m", "evil", "-p", "HEAD"]);
        let pushed = world.door.git(clone.at(), &["push", "origin", &format!("{}:{MINE}", made.trim())]).await;
        assert!(!pushed.success, "{name:?}: {}", pushed.text);
        assert_eq!(world.reference(MINE), None, "{name:?}");
    }
}

#[tokio::test]
async fn hooks_in_the_mirror_never_run() {
    let world = World::new().await;
    let clone = world.clone().await;
    let mirror = world.host.access().mirror;
    let hooks = mirror.join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let trace = world.dir.path().join("a hook ran");
    for name in ["pre-receive", "update", "post-receive", "post-update", "reference-transaction", "push-to-checkout"] {
        script(&hooks.join(name), &format!("touch '{}'", trace.display()));
    }
    for (key, value) in [
        ("core.hooksPath", hooks.to_str().unwrap()),
        ("uploadpack.packObjectsHook", &format!("touch '{}';", trace.display())),
        ("receive.denyDeletes", "false"),
        ("uploadpack.allowAnySHA1InWant", "true"),
        ("transfer.hideRefs", "!refs/heads/secret"),
    ] {
        world.mirror().run(&["config", key, value]);
    }
    commit(clone.at(), "a.txt", "mine");
    let pushed = world.door.git(clone.at(), &["push", "origin", &format!("HEAD:{MINE}")]).await;
    assert!(pushed.success, "{}", pushed.text);
    world.door.git(clone.at(), &["fetch", "--quiet", "origin", MINE]).await.ok();
    assert!(!trace.exists(), "a hook of the mirror ran");
    let listed = world.door.git(clone.at(), &["ls-remote", "origin"]).await.ok();
    assert!(!listed.contains("secret"), "the mirror's own configuration showed a hidden ref: {listed}");
    assert!(!world.door.git(clone.at(), &["fetch", "origin", &world.theirs]).await.success);
}

#[tokio::test]
async fn only_the_smart_protocol_on_the_one_path_is_served() {
    let world = World::new().await;
    let client = client();
    for (path, status) in [
        ("/git/mirror.git/info/refs", 403),
        ("/git/mirror.git/info/refs?service=git-upload-archive", 403),
        ("/git/mirror.git/info/refs?service=git-upload-pack&x=y", 403),
        ("/git/mirror.git/HEAD", 404),
        ("/git/mirror.git/config", 404),
        ("/git/mirror.git/objects/info/packs", 404),
        ("/git/mirror.git/../mirror.git/HEAD", 404),
        ("/git/other.git/info/refs?service=git-upload-pack", 404),
        ("/git/mirror.git/info/refs/../../config", 404),
    ] {
        let answer = client.get(format!("{}{path}", world.door.base())).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
    let answer = client.post(format!("{}/git-receive-pack", world.door.url())).body("0000").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 415);
    let plain = |body: Vec<u8>, encoding: &'static str| {
        let request = client.post(format!("{}/git-receive-pack", world.door.url()));
        let request = request.header("content-type", "application/x-git-receive-pack-request").body(body);
        if encoding.is_empty() { request } else { request.header("content-encoding", encoding) }
    };
    let probe = plain(b"0000".to_vec(), "").send().await.unwrap();
    assert_eq!((probe.status().as_u16(), probe.bytes().await.unwrap().len()), (200, 0), "git asks so before a large push");
    for (body, encoding, status) in [
        (b"hello".to_vec(), "", 400),
        (b"0032too short".to_vec(), "", 400),
        (Vec::new(), "", 400),
        (vec![b'0'; 200_000], "", 200),
        (b"x".to_vec(), "zstd", 415),
    ] {
        let answer = plain(body.clone(), encoding).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{:?} {encoding}", &body[..body.len().min(20)]);
    }
}

#[tokio::test]
async fn a_packed_request_that_unfolds_without_end_is_cut() {
    let world = World::new().await;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b'0'; 1 << 20];
    for _ in 0..64 {
        std::io::Write::write_all(&mut packer, &zeros).unwrap();
    }
    let bomb = packer.finish().unwrap();
    let answer = client()
        .post(format!("{}/git-upload-pack", world.door.url()))
        .header("content-type", "application/x-git-upload-pack-request")
        .header("content-encoding", "gzip")
        .body(bomb)
        .send()
        .await
        .unwrap();
    let _ = answer.bytes().await;
    // The door still works.
    world.door.git(world.dir.path(), &["ls-remote", &world.door.url()]).await.ok();
}

#[tokio::test]
async fn git_ends_when_its_client_goes() {
    let world = World::new().await;
    let mut stream = world.door.connect().await;
    let command = format!("{} {} {MINE}\0 report-status", "0".repeat(40), world.main);
    let head = format!("{:04x}{command}0000", command.len() + 4);
    let request = format!(
        "POST /git/mirror.git/git-receive-pack HTTP/1.1\r\nhost: door\r\ncontent-type: application/x-git-receive-pack-request\r\n\
         content-length: 1000000\r\n\r\n{head}PACK"
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mirror = world.host.access().mirror;
    eventually("git works", || working_on(&mirror) > 0).await;
    drop(stream);
    eventually("git has ended", || working_on(&mirror) == 0).await;
    assert_eq!(world.reference(MINE), None, "half a push landed");
}

#[tokio::test]
async fn git_ends_when_nobody_reads_its_answer() {
    let world = World::new().await;
    let work = world.dir.path().join("origin");
    git(&work).run(&["checkout", "--quiet", "main"]);
    let noise: Vec<u8> = (0..16_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(work.join("large"), noise).unwrap();
    let large = commit(&work, "b.txt", "large");
    let mirror = world.host.access().mirror;
    git(&work).run(&["-c", "core.compression=0", "push", "--quiet", mirror.to_str().unwrap(), "main"]);
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let body = format!("{}0000{}", line(&format!("want {large} side-band-64k no-progress ofs-delta\n")), line("done\n"));
    let request = format!(
        "POST /git/mirror.git/git-upload-pack HTTP/1.1\r\nhost: door\r\ncontent-type: application/x-git-upload-pack-request\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = world.door.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut piece = [0; 4096];
    let mut seen = Vec::new();
    while !seen.windows(4).any(|window| window == b"PACK") {
        let count = soon("the pack", tokio::io::AsyncReadExt::read(&mut stream, &mut piece)).await.unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&piece[..count]);
    }
    assert!(working_on(&mirror) > 0, "more is to come");
    drop(stream);
    eventually("git has ended", || working_on(&mirror) == 0).await;
}

#[tokio::test]
async fn a_sandbox_without_a_mirror_is_told_so() {
    let world = World::new().await;
    world.host.forget();
    let answer = client().get(format!("{}/info/refs?service=git-upload-pack", world.door.url())).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 404);
    assert!(answer.text().await.unwrap().contains(SANDBOX));
}
