//! The process runner with real processes: who they run as, that they outlive us, and that nothing of them stays.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use strawboss_core::project::Limits;
use strawboss_core::runner::{
    Cache, KeptKind, Purpose, Runner, RunnerError, SandboxHandle, SandboxSpec, SandboxStatus, SandboxVolume, Tool,
};
use strawboss_core::{ProjectName, RunId};
use strawboss_runner::{Door, ProcessConfig, ProcessRunner, SocketDoors};
use tokio::io::AsyncReadExt;

const LAUNCHER: &str = env!("CARGO_BIN_EXE_strawboss-sandbox-launch");
/// Nothing here takes a tenth of it.
const DEADLINE: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(20);

struct Ground {
    dir: tempfile::TempDir,
    runner: ProcessRunner,
    doors: SocketDoors,
}

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Where the sandbox's user may pass: what lies below it is tested for what it keeps closed.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, Permissions::from_mode(0o711)).unwrap();
        Self { runner: runner(&data), doors: SocketDoors::new(&data).unwrap(), dir }
    }

    fn restarted(&self) -> ProcessRunner {
        runner(&self.dir.path().join("data"))
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("data/process")
    }

    fn spec(&self, number: u32, script: &str) -> SandboxSpec {
        let run = RunId::parse(&format!("ground-{number}.1")).unwrap();
        let id = run.sandbox(Purpose::Agent, 1);
        SandboxSpec {
            door_dir: self.doors.open(&id).unwrap().dir().to_owned(),
            id,
            project: ProjectName::parse("The Ground").unwrap(),
            purpose: Purpose::Agent,
            image: None,
            limits: Limits::default(),
            volume: SandboxVolume::OfRun(run.clone()),
            caches: Vec::new(),
            tools: vec![self.supervisor(script)],
            env: [("GROUND".to_owned(), "1".to_owned())].into(),
            run,
        }
    }

    fn supervisor(&self, script: &str) -> Tool {
        let dir = tempfile::Builder::new().prefix("tool").tempdir_in(self.dir.path()).unwrap().keep();
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.join("bin")).unwrap();
        let program = dir.join("bin/strawboss-supervisor");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        Tool { name: "supervisor".to_owned(), dir }
    }

    fn home(&self, spec: &SandboxSpec) -> PathBuf {
        self.root().join("homes").join(spec.run.as_str())
    }

    async fn started(&self, spec: &SandboxSpec) -> SandboxHandle {
        let handle = self.runner.create(spec).await.unwrap();
        self.runner.start(&handle).await.unwrap();
        handle
    }

    async fn run(&self, spec: &SandboxSpec) -> SandboxStatus {
        let handle = self.started(spec).await;
        self.runner.wait(&handle).await.unwrap()
    }
}

impl Drop for Ground {
    /// Ends what a failed test left running: every process that has this ground's folder in its environment.
    fn drop(&mut self) {
        for pid in mine(&self.root()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

fn runner(data: &Path) -> ProcessRunner {
    ProcessRunner::new(ProcessConfig {
        installation: "test".to_owned(),
        data_dir: data.to_owned(),
        launcher: vec![LAUNCHER.into()],
    })
    .unwrap()
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn exited(code: i64) -> SandboxStatus {
    SandboxStatus::Exited { code: Some(code), out_of_memory: false }
}

/// Living processes whose environment names a folder below `root`.
fn mine(root: &Path) -> Vec<i32> {
    let root = root.to_str().unwrap().as_bytes().to_vec();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|item| item.unwrap().file_name().to_str()?.parse().ok());
    processes
        .filter(|pid| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let ended = fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
            !ended && environ.windows(root.len()).any(|window| window == root)
        })
        .collect()
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_file(path: &Path) -> String {
    until(&path.display().to_string(), || fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n'))).await;
    fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn it_runs_as_nobody_in_particular_with_no_environment_of_ours() {
    let ground = Ground::new();
    let script = "env > env; cat /proc/self/status > status; id -u > id; id -G >> id; cat /proc/self/stat > stat; ps -o sid= -p $$ > sid; echo $$ > pid; ulimit -c > core; ls -l /proc/self/fd > fds; echo said";
    let spec = ground.spec(1, script);
    assert_eq!(ground.run(&spec).await, exited(0));
    let read = |name: &str| fs::read_to_string(ground.home(&spec).join(name)).unwrap();
    let env = read("env");
    let env: BTreeMap<&str, &str> = env.lines().filter_map(|line| line.split_once('=')).collect();
    let names: Vec<&str> = env.keys().copied().collect();
    let expected = [
        "GROUND",
        "HOME",
        "LANG",
        "PATH",
        "PWD",
        "STRAWBOSS_DOOR",
        "STRAWBOSS_HOME",
        "STRAWBOSS_MARK",
        "STRAWBOSS_SANDBOX",
        "STRAWBOSS_TEMP",
        "STRAWBOSS_TOOLS",
        "TMPDIR",
    ];
    assert_eq!(names, expected);
    assert_eq!(env["HOME"], ground.home(&spec).to_str().unwrap());
    assert_eq!(
        fs::canonicalize(Path::new(env["STRAWBOSS_TOOLS"]).join("supervisor")).unwrap(),
        spec.tools[0].dir.canonicalize().unwrap()
    );
    assert!(read("status").contains("NoNewPrivs:\t1"));
    assert_eq!((read("sid").trim(), read("core").trim()), (read("pid").trim(), "0"));
    if is_root() {
        assert_eq!(read("id"), "10001\n10001\n");
        let meta = fs::metadata(ground.home(&spec)).unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (10001, 0o700));
        assert!(
            fs::read_to_string(ground.root().join("sandboxes").join(spec.id.as_str()).join("supervisor.log")).unwrap()
                == "said\n"
        );
    }
    // Its own three, the door's folder, and the listing itself.
    assert_eq!(read("fds").lines().filter(|line| line.contains(" -> ")).count(), 5, "{}", read("fds"));
}

#[tokio::test]
async fn it_reaches_its_door_wherever_the_data_directory_lies() {
    let ground = Ground::new();
    let closed = ground.dir.path().join("closed").join("x".repeat(120));
    fs::create_dir_all(&closed).unwrap();
    fs::set_permissions(closed.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
    let doors = SocketDoors::new(&closed).unwrap();
    let mut spec = ground.spec(1, "exec perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ENV{STRAWBOSS_DOOR}) or die $!; print $s \"hello\"'");
    let door = doors.open(&spec.id).unwrap();
    spec.door_dir = door.dir().to_owned();
    let mut text = String::new();
    let (status, ()) = tokio::join!(ground.run(&spec), async {
        let mut stream = tokio::time::timeout(DEADLINE, door.accept()).await.unwrap().unwrap();
        stream.read_to_string(&mut text).await.unwrap();
    });
    assert_eq!((status, text.as_str()), (exited(0), "hello"));
}

#[tokio::test]
async fn every_call_can_be_repeated() {
    let ground = Ground::new();
    let spec = ground.spec(1, "trap 'exit 5' TERM; echo up > up; while :; do sleep 0.05; done");
    let handle = ground.runner.create(&spec).await.unwrap();
    assert_eq!(ground.runner.create(&spec).await.unwrap(), handle);
    assert_eq!(ground.runner.status(&handle).await.unwrap(), SandboxStatus::Created);
    ground.runner.start(&handle).await.unwrap();
    ground.runner.start(&handle).await.unwrap();
    assert_eq!(ground.runner.create(&spec).await.unwrap(), handle);
    assert_eq!(ground.runner.status(&handle).await.unwrap(), SandboxStatus::Running);
    until_file(&ground.home(&spec).join("up")).await;
    ground.runner.stop(&handle, GRACE).await.unwrap();
    ground.runner.stop(&handle, GRACE).await.unwrap();
    assert_eq!(ground.runner.status(&handle).await.unwrap(), exited(5));
    assert_eq!(ground.restarted().status(&handle).await.unwrap(), exited(5));
    assert_eq!(ground.runner.wait(&handle).await.unwrap(), exited(5));
    assert_eq!(ground.runner.sandboxes().await.unwrap().len(), 1);
    ground.runner.remove(&handle).await.unwrap();
    ground.runner.remove(&handle).await.unwrap();
    ground.runner.stop(&handle, GRACE).await.unwrap();
    assert_eq!(ground.runner.status(&handle).await.unwrap(), SandboxStatus::Gone);
    assert_eq!(ground.runner.wait(&handle).await.unwrap(), SandboxStatus::Gone);
    assert!(ground.runner.start(&handle).await.is_err());
    assert_eq!(ground.runner.sandboxes().await.unwrap(), []);
    assert!(ground.runner.remove(&SandboxHandle("../../etc".to_owned())).await.is_err());
}

#[tokio::test]
async fn a_new_control_plane_adopts_what_the_old_one_started() {
    let ground = Ground::new();
    let spec = ground.spec(1, "echo $$ > pid; while ! [ -e end ]; do sleep 0.05; done; exit 3");
    let handle = ground.started(&spec).await;
    let pid = until_file(&ground.home(&spec).join("pid")).await;
    let restarted = ground.restarted();
    let found = restarted.sandboxes().await.unwrap();
    assert_eq!(
        found.iter().map(|sandbox| (&sandbox.id, &sandbox.status)).collect::<Vec<_>>(),
        [(&spec.id, &SandboxStatus::Running)]
    );
    assert_eq!(restarted.create(&spec).await.unwrap(), handle);
    restarted.start(&handle).await.unwrap();
    assert_eq!(until_file(&ground.home(&spec).join("pid")).await, pid, "a second supervisor was started");
    fs::write(ground.home(&spec).join("end"), "").unwrap();
    // Its exit code went to its parent, which is not the one that asks.
    assert_eq!(restarted.wait(&handle).await.unwrap(), SandboxStatus::Exited { code: None, out_of_memory: false });
    assert_eq!(ground.runner.wait(&handle).await.unwrap(), exited(3));
    assert_eq!(restarted.wait(&handle).await.unwrap(), exited(3));
}

#[tokio::test]
async fn launchers_that_race_start_one_supervisor() {
    let ground = Ground::new();
    let spec = ground.spec(1, "echo $$ >> pids; while :; do sleep 0.05; done");
    let handle = ground.runner.create(&spec).await.unwrap();
    let dir = ground.root().join("sandboxes").join(spec.id.as_str());
    // As control planes that are killed the moment after they started one.
    let mut launchers: Vec<_> =
        (0..8).map(|_| Command::new(LAUNCHER).arg(&dir).stdout(Stdio::piped()).spawn().unwrap()).collect();
    for launcher in &mut launchers {
        let mut answer = String::new();
        launcher.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "");
    }
    until_file(&ground.home(&spec).join("pids")).await;
    assert_eq!(ground.runner.status(&handle).await.unwrap(), SandboxStatus::Running);
    ground.runner.start(&handle).await.unwrap();
    ground.runner.stop(&handle, GRACE).await.unwrap();
    assert_eq!(fs::read_to_string(ground.home(&spec).join("pids")).unwrap().lines().count(), 1);
    for mut launcher in launchers {
        launcher.wait().unwrap();
    }
}

#[tokio::test]
async fn nothing_that_it_started_outlives_a_stop() {
    let ground = Ground::new();
    // Deaf to requests; with a child, an orphan in a session of its own, one that wiped its environment, and forks going on.
    // Others on this machine sleep as well, none of them for so long.
    let [child, first, second, wiped] = [0, 1, 2, 3].map(|number| 1_000_000 + u64::from(std::process::id()) * 10 + number);
    let script = format!(
        "trap '' TERM HUP; sleep {child} & setsid sh -c 'sleep {first} & sleep {second}' & ( ( setsid env -i sleep {wiped} & ) & ) ; \
         ( while :; do sleep 0.01; done ) & echo up > up; wait"
    );
    let spec = ground.spec(1, &script);
    let handle = ground.started(&spec).await;
    until_file(&ground.home(&spec).join("up")).await;
    let named = || {
        let names = [child, first, second, wiped].map(|seconds| format!("sleep\0{seconds}\0"));
        let lines: Vec<_> = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|item| fs::read_to_string(item.ok()?.path().join("cmdline")).ok())
            .collect();
        names.iter().filter(|name| lines.contains(name)).count()
    };
    until("all four sleep", || named() == 4).await;
    ground.runner.stop(&handle, Duration::from_millis(100)).await.unwrap();
    assert_eq!(mine(&ground.root()), Vec::<i32>::new());
    until("the wiped one is gone", || named() == 0).await;
    assert_eq!(ground.runner.status(&handle).await.unwrap(), exited(137));
}

#[tokio::test]
async fn what_a_supervisor_leaves_behind_goes_with_it() {
    let ground = Ground::new();
    let spec = ground.spec(1, "setsid sleep 1000 & setsid sleep 1000 & exit 0");
    assert_eq!(ground.run(&spec).await, exited(0));
    assert_eq!(mine(&ground.root()), Vec::<i32>::new());
}

#[tokio::test]
async fn each_has_a_folder_for_temporary_files_that_goes_with_it() {
    let ground = Ground::new();
    let script = "cd $(dirname $(mktemp)); ls | wc -l > $HOME/found; pwd > $HOME/temp; test $PWD = $STRAWBOSS_TEMP";
    let specs = [1, 2].map(|number| ground.spec(number, script));
    let mut folders = Vec::new();
    for spec in &specs {
        assert_eq!(ground.run(spec).await, exited(0));
        let read = |name: &str| fs::read_to_string(ground.home(spec).join(name)).unwrap().trim().to_owned();
        assert_eq!(read("found"), "1", "what another sandbox left is not seen");
        folders.push(PathBuf::from(read("temp")));
    }
    assert!(folders[0] != folders[1] && folders[0].starts_with(ground.root()), "{folders:?}");
    ground.runner.remove(&SandboxHandle(specs[0].id.to_string())).await.unwrap();
    assert!(!folders[0].exists() && folders[1].exists());
}

#[tokio::test]
async fn a_home_is_kept_or_goes_whatever_was_left_in_it() {
    let ground = Ground::new();
    let outside = ground.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "x").unwrap();
    let hostile = format!(
        "echo work > work; mkdir -p locked/deep; ln -s {0} link; ln -s {0} locked/deep/link; touch locked/deep/x; mkfifo pipe; chmod 000 locked/deep locked; stat -c %u . > uid",
        outside.display()
    );
    let kept = ground.spec(1, &hostile);
    assert_eq!(ground.run(&kept).await, exited(0));
    let mut fresh = ground.spec(1, &hostile);
    fresh.id = kept.run.sandbox(Purpose::Checks, 1);
    fresh.purpose = Purpose::Checks;
    fresh.volume = SandboxVolume::Fresh;
    assert_eq!(ground.run(&fresh).await, exited(0));
    let error = ground.runner.run_volume_remove(&kept.run).await.unwrap_err();
    assert!(error.to_string().contains("still has it"), "{error}");
    for sandbox in ground.runner.sandboxes().await.unwrap() {
        ground.runner.remove(&sandbox.handle).await.unwrap();
    }
    assert_eq!(fs::read_dir(ground.root().join("sandboxes")).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(ground.home(&kept).join("work")).unwrap(), "work\n");
    assert_eq!(ground.runner.run_volumes().await.unwrap(), std::slice::from_ref(&kept.run));
    ground.runner.run_volume_remove(&kept.run).await.unwrap();
    ground.runner.run_volume_remove(&kept.run).await.unwrap();
    assert_eq!(ground.runner.run_volumes().await.unwrap(), []);
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "x");
}

#[tokio::test]
async fn caches_are_linked_as_the_sandboxs_user_and_kept_by_purpose() {
    let ground = Ground::new();
    let cache =
        |purpose, path: &str| Cache { project: ProjectName::parse("The Ground").unwrap(), purpose, path: path.to_owned() };
    let with = |number, purpose| {
        let mut spec = ground.spec(number, "cat .cache/pip/kept > seen 2>/dev/null; echo $STRAWBOSS_SANDBOX > .cache/pip/kept");
        spec.caches = vec![cache(purpose, "/home/agent/.cache/pip"), cache(purpose, "/srv/elsewhere")];
        spec
    };
    let (first, second, checks) = (with(1, Purpose::Agent), with(2, Purpose::Agent), with(3, Purpose::Checks));
    for spec in [&first, &second, &checks] {
        assert_eq!(ground.run(spec).await, exited(0));
    }
    let seen = |spec| fs::read_to_string(ground.home(spec).join("seen")).unwrap();
    assert_eq!((seen(&first).as_str(), seen(&second).as_str(), seen(&checks).as_str()), ("", "ground-1.1-agent\n", ""));
    // An earlier agent put a link where the next one's cache shall be made, to a folder that only we may write.
    let ours = ground.dir.path().join("ours");
    fs::create_dir(&ours).unwrap();
    let trap = with(4, Purpose::Agent);
    let handle = ground.runner.create(&trap).await.unwrap();
    symlink(&ours, ground.home(&trap).join(".cache")).unwrap();
    let started = ground.runner.start(&handle).await;
    if is_root() {
        assert!(started.unwrap_err().to_string().contains("link the cache"));
        assert_eq!(fs::read_dir(&ours).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_tool_that_its_user_cannot_read_is_copied_once() {
    let ground = Ground::new();
    let closed = ground.dir.path().join("closed");
    fs::create_dir_all(closed.join("deep")).unwrap();
    fs::write(closed.join("deep/data"), "data").unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    for number in [1, 2] {
        let mut spec = ground.spec(number, "cat $STRAWBOSS_TOOLS/extra/deep/data > seen");
        spec.tools.push(Tool { name: "extra".to_owned(), dir: closed.clone() });
        assert_eq!(ground.run(&spec).await, exited(0));
        assert_eq!(fs::read_to_string(ground.home(&spec).join("seen")).unwrap(), "data");
    }
    assert_eq!(fs::read_dir(ground.root().join("tools")).unwrap().count(), usize::from(is_root()));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let ground = Ground::new();
    let mut spec = ground.spec(1, "true");
    fs::write(spec.tools[0].dir.join("bin/strawboss-supervisor"), "#!/no/such/shell\n").unwrap();
    let handle = ground.runner.create(&spec).await.unwrap();
    let error = ground.runner.start(&handle).await.unwrap_err();
    assert!(matches!(&error, RunnerError::Failed { .. }) && error.to_string().contains("No such file"), "{error}");
    assert!(matches!(ground.runner.status(&handle).await.unwrap(), SandboxStatus::Exited { .. }));
    spec.id = spec.run.sandbox(Purpose::Agent, 2);
    spec.tools.clear();
    let error = ground.runner.create(&spec).await.unwrap_err();
    assert!(error.to_string().contains("supervisor"), "{error}");
    assert!(!ground.runner.info().await.unwrap().isolated);
}

#[tokio::test]
async fn as_root_a_closed_data_directory_is_left_for_one_that_its_user_can_enter() {
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("root/anything");
    fs::create_dir_all(&closed).unwrap();
    fs::set_permissions(dir.path().join("root"), Permissions::from_mode(0o700)).unwrap();
    let ground = Ground { runner: runner(&closed), doors: SocketDoors::new(&closed).unwrap(), dir };
    let detail = ground.runner.info().await.unwrap().detail;
    let root = PathBuf::from(detail.rsplit_once("folders in ").unwrap().1);
    assert_eq!(root.starts_with("/var/lib/strawboss"), is_root(), "{detail}");
    let mut spec = ground.spec(1, "id -u > uid");
    // Readable to its user only when it is copied.
    fs::set_permissions(&spec.tools[0].dir, Permissions::from_mode(0o700)).unwrap();
    spec.volume = SandboxVolume::OfRun(spec.run.clone());
    let status = ground.run(&spec).await;
    let uid = fs::read_to_string(root.join("homes").join(spec.run.as_str()).join("uid"));
    if is_root() {
        fs::remove_dir_all(&root).unwrap();
    }
    assert_eq!(status, exited(0));
    assert_eq!(uid.unwrap().trim() == "10001", is_root());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_made_is_not_swept() {
    let ground = std::sync::Arc::new(Ground::new());
    let sweeping = std::sync::Arc::clone(&ground);
    let sweep = tokio::spawn(async move {
        loop {
            // It may meet one that is only half there; what counts is what it does to it.
            let _ = sweeping.runner.sandboxes().await;
        }
    });
    let specs: Vec<_> = (0..60).map(|number| ground.spec(number, "exit 0")).collect();
    let made = futures_util::future::join_all(specs.iter().map(|spec| ground.runner.create(spec))).await;
    let failed: Vec<_> = made.into_iter().filter_map(Result::err).collect();
    sweep.abort();
    assert_eq!(failed, [], "{} of {} were swept away", failed.len(), specs.len());
    let found = ground.runner.sandboxes().await.unwrap();
    assert_eq!(found.len(), specs.len());
    for spec in &specs {
        assert!(spec.door_dir.join("door.sock").exists(), "{}", spec.id);
    }
}

#[tokio::test]
async fn a_sandbox_cut_short_while_it_was_made_is_swept() {
    let ground = Ground::new();
    let half = ground.root().join("sandboxes/ground-1.1-agent");
    fs::create_dir(&half).unwrap();
    assert_eq!(ground.runner.sandboxes().await.unwrap(), []);
    assert!(!half.exists());
}

#[tokio::test]
async fn caches_and_tools_are_listed_and_go_when_no_sandbox_has_them() {
    let ground = Ground::new();
    let mut spec = ground.spec(1, "echo kept > .cache/kept");
    spec.caches = vec![Cache { project: spec.project.clone(), purpose: Purpose::Agent, path: "/home/agent/.cache".to_owned() }];
    let handle = ground.started(&spec).await;
    ground.runner.wait(&handle).await.unwrap();
    let kept = ground.runner.kept(&[]).await.unwrap();
    let cache = kept.iter().find(|folder| folder.kind == KeptKind::Cache(None)).unwrap().clone();
    assert!(ground.root().join(&cache.key).join("kept").is_file());
    assert!(!ground.runner.kept_remove(&cache.key).await.unwrap(), "its sandbox is there");
    ground.runner.remove(&handle).await.unwrap();
    // Used again, it is young again.
    let folder = ground.root().join(&cache.key);
    fs::File::open(&folder).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(ground.runner.kept(&[]).await.unwrap()[0].used_at.0, 0);
    let handle = ground.started(&spec).await;
    ground.runner.wait(&handle).await.unwrap();
    assert!(ground.runner.kept(&[]).await.unwrap()[0].used_at >= cache.used_at);
    ground.runner.remove(&handle).await.unwrap();
    for wrong in ["caches/..", "caches/../homes", "homes/x", "caches", "caches//etc", "tools/."] {
        assert!(ground.runner.kept_remove(wrong).await.is_err(), "{wrong}");
    }
    assert!(ground.home(&spec).exists());
    assert!(ground.runner.kept_remove(&cache.key).await.unwrap() && !folder.exists());
    assert!(ground.runner.kept_remove(&cache.key).await.unwrap(), "gone is no error");
}
