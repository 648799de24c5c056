//! The program as PID 1 of a process namespace, unprivileged, as in a container.

use crate::plane::{Plane, Supervisor};
use crate::shell::BRANCH;
use std::sync::Arc;
use strawboss_protocol::supervisor::{End, ToSupervisor};
use tokio::process::Command;

/// Starts the program as PID 1. As root it gives up root first; otherwise it is unprivileged already.
fn first(plane: &Plane, before: &str) -> Supervisor {
    let program = env!("CARGO_BIN_EXE_strawboss-supervisor");
    let root = nix::unistd::getuid().is_root();
    let mut command = Command::new("unshare");
    command.args(if root { &["--pid", "--mount"][..] } else { &["--user", "--map-root-user", "--pid", "--mount"] });
    let drop = if root { "setpriv --reuid=10001 --regid=10001 --clear-groups --inh-caps=-all --no-new-privs" } else { "" };
    command.args(["--fork", "--mount-proc", "sh", "-c", &format!("{before}exec {drop} {program}")]);
    if root {
        for folder in [plane.home(), plane.dir.path().to_path_buf()] {
            std::os::unix::fs::chown(&folder, Some(10001), Some(10001)).unwrap();
        }
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(plane.door(), open).unwrap();
    }
    plane.supervisor_by(command)
}

async fn whole(plane: &Arc<Plane>, before: &str) -> End {
    let mut supervisor = first(plane, before);
    let end = plane.end().await;
    plane.tell_supervisor(&ToSupervisor::Dismiss);
    assert_eq!(supervisor.code().await, Some(0), "{}", plane.tell());
    end
}

#[tokio::test]
async fn it_reaps_orphans_and_ends_every_leftover() {
    let plane = Plane::new(
        "echo '[ $1 -gt 0 ] && sh ~/hop $(($1 - 1)) &' > ~/hop; \
         i=0; while [ $i -lt 50 ]; do (setsid sh -c 'exit 0' &); i=$((i+1)); done; \
         until ! grep -l 'State:.Z' /proc/[0-9]*/status 2> /dev/null; do sleep 0.05; done; \
         sh ~/hop 30000; (i=0; while [ $i -lt 2000 ]; do sleep 50 & i=$((i+1)); done) & \
         (setsid sh -c 'while :; do echo x >> racing; done' &); echo pid $$ > work; sleep 0.2; exit 0",
    );
    assert_eq!(whole(&plane, "").await, End::Complete { summary: None }, "{}", plane.tell());
    assert!(plane.pushed(BRANCH, "work").is_some_and(|text| text.starts_with("pid ")));
    assert_eq!(plane.pushed(BRANCH, "racing").unwrap(), std::fs::read_to_string(plane.home().join("workspace/racing")).unwrap());
}

#[tokio::test]
async fn the_agent_cannot_look_into_it() {
    // Root sees everything; whoever runs this test as root has a sandbox's user in its place.
    let plane = Plane::new(
        "id -u > uid; for file in environ mem maps fd/0 auxv; do cat /proc/1/$file > /dev/null 2>> errors && echo $file >> seen; done; \
         ls /proc/1/fd > /dev/null 2>> errors && echo fd >> seen; cat /proc/1/cmdline > name; kill -STOP 1; true",
    );
    assert_eq!(whole(&plane, "").await, End::Complete { summary: None }, "{}", plane.tell());
    if nix::unistd::getuid().is_root() {
        assert_eq!(plane.pushed(BRANCH, "uid").as_deref(), Some("10001\n"));
        assert_eq!(plane.pushed(BRANCH, "seen"), None, "{:?}", plane.pushed(BRANCH, "errors"));
    }
    assert!(plane.pushed(BRANCH, "name").unwrap().contains("strawboss-supervisor"));
}

#[tokio::test]
async fn a_full_disk_is_told_as_such() {
    let plane = Plane::new("head -c 100000000 /dev/urandom > big; exit 0");
    let before = format!("mount -t tmpfs -o size=8m,mode=777 none {} && ", plane.home().display());
    let end = whole(&plane, &before).await;
    assert!(matches!(&end, End::MachineryFailed { detail } if detail.contains("disk is full")), "{end:?}");
    assert!(plane.terminal().contains("No space left on device"));
}
