//! The socket door against the suite for doors, and what is particular to it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strawboss_core::SandboxId;
use strawboss_runner::door::conformance::{self, Caller, Harness};
use strawboss_runner::{Door, SocketDoors};
use tokio::net::UnixStream;

struct Sockets(SocketDoors);

/// As a sandbox finds it: by a short path, whatever the folder is called outside.
async fn dial(dir: &Path) -> io::Result<UnixStream> {
    use std::os::fd::AsRawFd;
    let folder = std::fs::File::open(dir)?;
    UnixStream::connect(format!("/proc/self/fd/{}/door.sock", folder.as_raw_fd())).await
}

#[async_trait::async_trait]
impl Harness for Sockets {
    fn open(&self, id: &SandboxId) -> Arc<dyn Door> {
        Arc::new(self.0.open(id).unwrap())
    }

    async fn dial(&self, dir: &Path) -> io::Result<Box<dyn Caller>> {
        Ok(Box::new(dial(dir).await?))
    }

    fn close(&self, id: &SandboxId) {
        self.0.close(id).unwrap();
    }

    fn list(&self) -> Vec<SandboxId> {
        self.0.list().unwrap()
    }
}

#[tokio::test]
async fn a_socket_is_a_door() {
    let dir = tempfile::tempdir().unwrap();
    conformance::all(&Sockets(SocketDoors::new(dir.path()).unwrap())).await;
}

#[tokio::test]
async fn a_data_directory_may_lie_as_deep_as_it_likes() {
    let dir = tempfile::tempdir().unwrap();
    let deep: PathBuf =
        std::iter::once(dir.path().to_owned()).chain(std::iter::repeat_n(PathBuf::from("x".repeat(40)), 20)).collect();
    conformance::all(&Sockets(SocketDoors::new(&deep).unwrap())).await;
}

#[tokio::test]
async fn other_users_of_the_machine_stay_out_and_the_sandbox_gets_in() {
    let dir = tempfile::tempdir().unwrap();
    let doors = SocketDoors::new(dir.path()).unwrap();
    let id = SandboxId::parse("a-1.1-agent").unwrap();
    let door = doors.open(&id).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("doors")), 0o700);
    assert_eq!(mode(door.dir()), 0o711);
    assert_eq!(mode(&door.dir().join("door.sock")), 0o666);
    let (ours, theirs) = tokio::join!(dial(door.dir()), door.accept());
    ours.unwrap();
    let peer = theirs.unwrap().peer().unwrap();
    assert_eq!(peer.pid, Some(std::process::id().cast_signed()));
    assert_eq!(peer.uid, std::fs::metadata("/proc/self").unwrap().uid());
}

#[tokio::test]
async fn a_door_cut_short_while_it_was_made_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let doors = SocketDoors::new(dir.path()).unwrap();
    std::fs::create_dir(dir.path().join("doors/0123456789abcdef")).unwrap();
    assert_eq!(doors.list().unwrap(), []);
    assert!(!dir.path().join("doors/0123456789abcdef").exists());
}

#[tokio::test]
async fn looking_at_doors_takes_none_that_is_just_being_made() {
    let dir = tempfile::tempdir().unwrap();
    let doors = SocketDoors::new(dir.path()).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let looks = {
        let (doors, done) = (doors.clone(), Arc::clone(&done));
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                doors.list().unwrap();
            }
        })
    };
    for number in 1..500 {
        let id = SandboxId::parse(&format!("a-{number}.1-agent")).unwrap();
        let door = doors.open(&id).unwrap();
        assert!(door.dir().join("door.sock").exists(), "door {number}");
        doors.close(&id).unwrap();
    }
    done.store(true, Ordering::Relaxed);
    looks.join().unwrap();
}

#[tokio::test]
async fn a_door_that_is_opened_again_is_never_without_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let doors = SocketDoors::new(dir.path()).unwrap();
    let id = SandboxId::parse("a-1.1-agent").unwrap();
    let owner = doors.open(&id).unwrap().dir().join("sandbox");
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    std::fs::File::options().write(true).open(&owner).unwrap().set_modified(long_ago).unwrap();
    doors.open(&id).unwrap();
    assert_eq!(std::fs::metadata(&owner).unwrap().modified().unwrap(), long_ago, "it was not written again");
    // What a kill left half-written names nobody, and is mended.
    std::fs::write(&owner, "").unwrap();
    doors.open(&id).unwrap();
    assert_eq!(doors.list().unwrap(), [id]);
}

#[tokio::test]
async fn a_guests_door_is_left_alone_until_it_was_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let doors = SocketDoors::new(dir.path()).unwrap();
    let door = doors.open_guest(&SandboxId::parse("a-1.1-agent").unwrap()).unwrap();
    assert_eq!(doors.list().unwrap(), []);
    assert!(door.dir().join("door.sock").exists());
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    std::fs::File::options().write(true).open(door.dir().join("guest")).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(doors.list().unwrap(), []);
    assert!(!door.dir().exists());
}
