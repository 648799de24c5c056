//! What a sandbox can and cannot reach, change and use up.

use super::exited;
use super::lab::lab;
use std::collections::HashMap;
use std::net::{IpAddr, TcpListener};
use strawboss_core::runner::{Runner, SandboxStatus};
use strawboss_runner::Door;
use tokio::io::AsyncReadExt;

/// Says `WHAT yes` or `WHAT no` for each line `WHAT: command`.
fn questions(lines: &[(&str, &str)]) -> String {
    let asked = lines
        .iter()
        .map(|(what, command)| format!("if ( {command} ) >/dev/null 2>&1; then echo '{what} yes'; else echo '{what} no'; fi"));
    asked.collect::<Vec<_>>().join("\n")
}

fn answers(said: &str) -> HashMap<&str, bool> {
    let words = said.lines().filter_map(|line| line.rsplit_once(' '));
    words.filter(|(_, word)| matches!(*word, "yes" | "no")).map(|(what, word)| (what, word == "yes")).collect()
}

#[tokio::test]
async fn nothing_of_the_machine_can_be_changed_and_only_its_own_folders_written() {
    lab(async |lab| {
        let script = questions(&[
            ("write /", "touch /x"),
            ("write /usr", "touch /usr/x"),
            ("write /etc", "touch /etc/x"),
            ("write tools", "touch /opt/strawboss/supervisor/x"),
            ("write over the supervisor", "echo > /opt/strawboss/supervisor/bin/strawboss-supervisor"),
            ("write door", "touch /run/strawboss/x"),
            ("remove door", "rm -f /run/strawboss/door.sock && ! [ -e /run/strawboss/door.sock ]"),
            ("chmod door", "chmod 0 /run/strawboss/door.sock"),
            ("make device", "mknod /tmp/d b 8 0"),
            ("mount", "mount -t tmpfs none /tmp"),
            ("remount", "mount -o remount,rw /"),
            ("write kernel", "echo 1 > /proc/sys/kernel/sysrq"),
            ("engine socket", "[ -e /var/run/docker.sock ] || [ -e /run/docker.sock ]"),
            ("write home", "touch /home/agent/x"),
            ("write tmp", "touch /tmp/x"),
            ("write var tmp", "touch /var/tmp/x"),
            ("write run", "touch /run/x"),
            ("write shm", "touch /dev/shm/x"),
            ("execute from tmp", "printf '#!/bin/sh\\nexit 0\\n' > /tmp/p && chmod +x /tmp/p && /tmp/p"),
            ("execute from home", "printf '#!/bin/sh\\nexit 0\\n' > p && chmod +x p && ./p"),
        ]);
        let script = format!("while read -r what; do echo \"mounted $what\"; done < /proc/self/mounts\n{script}");
        let (status, said) = lab.run(&lab.spec(1, &script)).await;
        assert_eq!(status, exited(0), "{said}");
        // Not only because its user may not: read-only for root, too.
        for place in ["/", "/run/strawboss", "/opt/strawboss/supervisor", "/etc/hosts", "/sys"] {
            let mounted =
                said.lines().filter_map(|line| line.strip_prefix("mounted ")).map(|line| line.split(' ').collect::<Vec<_>>());
            let options: Vec<_> =
                mounted.filter(|fields| fields[1] == place).map(|fields| fields[3].starts_with("ro,")).collect();
            assert_eq!(options, [true], "{place} is not read-only: {said}");
        }
        let answers = answers(&said);
        assert_eq!(answers.len(), 20, "{said}");
        for what in
            ["write home", "write tmp", "write var tmp", "write run", "write shm", "execute from tmp", "execute from home"]
        {
            assert!(answers[what], "cannot {what}");
        }
        let open: Vec<_> = answers
            .iter()
            .filter(|(what, yes)| **yes && !what.contains("home") && !what.contains("tmp"))
            .map(|(what, _)| *what)
            .collect();
        assert!(open.iter().all(|what| matches!(*what, "write run" | "write shm")), "holes: {open:?}");
    })
    .await;
}

#[tokio::test]
async fn its_user_has_no_powers_and_its_environment_no_secrets() {
    lab(async |lab| {
        let script = "id; while read -r line; do echo \"status $line\"; done < /proc/self/status; env | while read -r line; do echo \"env $line\"; done; echo host $(cat /proc/sys/kernel/hostname) in $(readlink /proc/self/cwd); ls -A /home/agent | wc -l";
        let (status, said) = lab.run(&lab.spec(1, script)).await;
        assert_eq!(status, exited(0), "{said}");
        assert!(said.contains("uid=10001 gid=10001 groups=10001"), "{said}");
        for line in ["CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
            assert!(said.contains(&format!("status {line}\n")), "{line} is not so: {said}");
        }
        assert!(said.contains("host sandbox in /home/agent"), "{said}");
        let mut names: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("env ")?.split_once('=')).map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!(names, ["HOME", "HOSTNAME", "LAB", "LOGNAME", "PATH", "PWD", "STRAWBOSS_DOOR", "STRAWBOSS_HOME", "STRAWBOSS_SANDBOX", "STRAWBOSS_TOOLS", "USER"]);
    })
    .await;
}

#[tokio::test]
async fn it_reaches_its_own_door_and_nothing_else() {
    lab(async |lab| {
        // What listens on every address of this machine, and another sandbox's door.
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let route = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        let own_address = match route.connect("192.0.2.1:9") {
            Ok(()) => route.local_addr().unwrap().ip(),
            Err(_) => IpAddr::from([127, 0, 0, 1]),
        };
        let other = lab.spec(2, "true");
        let connect = |address: &str| format!("perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(PeerAddr => \"{address}\", Timeout => 3) ? 0 : 1)'");
        let unix = |path: &str| format!("perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => \"{path}\") or exit 1; print $s \"hello\"; exit 0'");
        let itself = "perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(LocalAddr => \"127.0.0.1\", Listen => 1) or exit 1; exit(IO::Socket::INET->new(PeerAddr => \"localhost\", PeerPort => $l->sockport, Timeout => 3) ? 0 : 1)'";
        let script = format!(
            "echo nets $(ls /sys/class/net)\n{}",
            questions(&[
                ("own loopback", itself),
                ("loopback", &connect(&format!("127.0.0.1:{port}"))),
                ("own address", &connect(&format!("{own_address}:{port}"))),
                ("docker0", &connect(&format!("172.17.0.1:{port}"))),
                ("metadata service", &connect("169.254.169.254:80")),
                ("outside", &connect("1.1.1.1:53")),
                ("other door", &unix(other.door_dir.join("door.sock").to_str().unwrap())),
                ("engine", &unix("/var/run/docker.sock")),
                ("own door", &unix("/run/strawboss/door.sock")),
            ])
        );
        let spec = lab.spec(1, &script);
        let door = lab.doors.open(&spec.id).unwrap();
        let heard = tokio::spawn(async move {
            let mut text = String::new();
            let mut stream = door.accept().await.unwrap();
            let peer = stream.peer().unwrap();
            stream.read_to_string(&mut text).await.unwrap();
            (text, peer.uid)
        });
        let (status, said) = lab.run(&spec).await;
        assert_eq!(status, exited(0), "{said}");
        assert!(said.contains("nets lo\n"), "{said}");
        let answers = answers(&said);
        assert_eq!(answers.len(), 9, "{said}");
        assert!(answers["own door"] && answers["own loopback"], "{said}");
        for (what, reached) in answers {
            assert!(!reached || matches!(what, "own door" | "own loopback"), "it reaches {what}");
        }
        assert_eq!(heard.await.unwrap(), ("hello".to_owned(), 10001));
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "somebody came to the listener");
    })
    .await;
}

#[tokio::test]
async fn a_door_opened_again_is_the_same_to_a_sandbox_that_runs() {
    lab(async |lab| {
        let script = "trap 'exit 0' TERM; while :; do perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ENV{STRAWBOSS_DOOR}) or exit 1; print $s \"hello\"'; sleep 0.1; done";
        let spec = lab.spec(1, script);
        let door = lab.doors.open(&spec.id).unwrap();
        let handle = lab.runner.create(&spec).await.unwrap();
        lab.runner.start(&handle).await.unwrap();
        door.accept().await.unwrap();
        drop(door);
        let again = lab.doors.open(&spec.id).unwrap();
        let mut text = String::new();
        again.accept().await.unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    })
    .await;
}

#[tokio::test]
async fn a_fork_bomb_is_stopped_by_the_limit() {
    lab(async |lab| {
        let script = "echo begin; n=0; while [ $n -lt 200 ]; do sleep 1000 & n=$((n + 1)); done; echo \"all $n started\"";
        let mut spec = lab.spec(1, script);
        spec.limits.pids = 20;
        let (status, said) = lab.run(&spec).await;
        assert!(!matches!(status, SandboxStatus::Exited { code: Some(0), .. }), "{said}");
        assert!(said.contains("begin") && said.contains("annot fork") && !said.contains("started"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn a_memory_eater_is_ended_and_it_is_said_why() {
    lab(async |lab| {
        let mut spec = lab.spec(1, "echo begin; exec perl -e '$x = \"a\" x (1 << 30); print length $x'");
        spec.limits.memory_bytes = 48 << 20;
        let (status, said) = lab.run(&spec).await;
        assert_eq!(status, SandboxStatus::Exited { code: Some(137), out_of_memory: true }, "{said}");
        // The supervisor may outlive what it started: the end is its own, the reason is said all the same.
        let mut spec = lab.spec(3, "perl -e '$x = \"a\" x (1 << 30); print length $x'; echo child $?; exit 0");
        spec.limits.memory_bytes = 48 << 20;
        let (status, said) = lab.run(&spec).await;
        assert_eq!(status, SandboxStatus::Exited { code: Some(0), out_of_memory: true }, "{said}");
        assert!(said.contains("child 137"), "{said}");
        // A folder in memory counts, and is smaller than the limit: it is full before the limit is reached.
        let mut spec = lab.spec(2, "dd if=/dev/zero of=/tmp/x bs=1M count=200; echo \"dd $?\"");
        spec.limits.memory_bytes = 48 << 20;
        let (status, said) = lab.run(&spec).await;
        assert!(status == exited(0) && said.contains("dd 1") && said.contains("No space left"), "{status:?} {said}");
    })
    .await;
}
