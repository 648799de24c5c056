//! For those without Compose: the unit, judged by systemd's own tool, and the release's archive, installed as the page says.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use strawboss_testkit::programs;

/// What `systemd-analyze security` may find at most, in tenths: 0 is walled off from everything, 100 from nothing.
const MOST_EXPOSED: &str = "20";

#[test]
fn the_unit_is_sound_and_walled_off() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd/strawboss.service");
    let text = std::fs::read_to_string(unit).unwrap();
    // The program and its user are not installed on the machine that tests.
    let installed = text
        .replace("/usr/bin/strawboss", env!("CARGO_BIN_EXE_strawboss"))
        .replace("User=strawboss", "User=daemon")
        .replace("Group=strawboss", "Group=daemon")
        .replace("SupplementaryGroups=docker\n", "");
    assert_eq!(installed.matches("strawboss serve").count(), 1, "it starts the service");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("strawboss.service");
    std::fs::write(&file, installed).unwrap();
    let analyze = |args: &[&str]| programs::run(Command::new("systemd-analyze").args(args).arg(&file)).unwrap();
    analyze(&["verify", "--man=no"]);
    let said = analyze(&["security", "--no-pager", "--offline=true", &format!("--threshold={MOST_EXPOSED}")]);
    assert!(said.contains("Overall exposure level"), "{said}");
}

/// What stands in for what would change the machine that tests: it writes down what it was asked. Absolute paths that `install` is
/// given lie below a folder, and whom they would belong to is left out.
const STAND_INS: [(&str, &str); 5] = [
    ("useradd", ""),
    ("systemctl", ""),
    ("runuser", ""),
    ("docker", "exec test -f \"${*: -1}/Dockerfile\"\n"),
    (
        "install",
        "args=()\n\
         while [ $# -gt 0 ]; do\n\
           case $1 in -o | -g) shift ;; /*) args+=(\"$ROOT$1\") ;; *) args+=(\"$1\") ;; esac\n\
           shift\n\
         done\n\
         exec /usr/bin/install \"${args[@]}\"\n",
    ),
];

#[test]
fn what_the_page_installs_is_in_the_archive() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(repository.join("docs/operations.md")).unwrap();
    let (_, section) = page.split_once("## Without Compose: systemd\n").unwrap();
    let lines = section.split("```").nth(1).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let [programs_dir, root, work, bin] = ["programs", "root", "work", "bin"].map(|name| dir.path().join(name));
    for folder in [&programs_dir, &root.join("etc/systemd/system"), &work, &bin] {
        std::fs::create_dir_all(folder).unwrap();
    }
    // A program without what debuggers read is packed in a fraction of the time.
    let program = programs_dir.join("strawboss");
    programs::run(Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_strawboss"))).unwrap();
    programs::run(
        Command::new(repository.join("scripts/ci/package.sh"))
            .args([env!("CARGO_PKG_VERSION").as_ref(), programs_dir.as_os_str()])
            .args([programs::supervisor_tool().unwrap().parent().unwrap(), &work]),
    )
    .unwrap();

    let asked = dir.path().join("asked");
    for (name, does) in STAND_INS {
        let file = bin.join(name);
        std::fs::write(&file, format!("#!/bin/bash\necho \"{name} $*\" >>'{}'\n{does}", asked.display())).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    // The person's own file is put where the page says, between the first line and the rest.
    let (unpack, rest) = lines.trim_start().split_once('\n').unwrap();
    let script = format!("set -eu\n{unpack}\necho 'projects: {{}}' >strawboss.yaml\n{rest}");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    programs::run(Command::new("bash").args(["-c", &script]).current_dir(&work).env("ROOT", &root).env("PATH", path)).unwrap();

    let unit = std::fs::read_to_string(root.join("etc/systemd/system/strawboss.service")).unwrap();
    let asked = std::fs::read_to_string(asked).unwrap();
    let cache = unit.lines().find_map(|line| line.strip_prefix("Environment=STRAWBOSS_CACHE=")).unwrap();
    assert!(
        asked.contains(&format!("runuser -u strawboss -- env STRAWBOSS_CACHE={cache} strawboss agent install claude\n")),
        "{asked}"
    );
    assert!(asked.contains("docker build --tag strawboss/sandbox images/sandbox\n"), "{asked}");
    let names = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).unwrap().split_whitespace().next().unwrap();
    for file in [names("ExecStart="), names("Environment=STRAWBOSS_CONFIG="), names("Documentation=file://")] {
        assert!(root.join(file.trim_start_matches('/')).is_file(), "the unit names {file}");
    }
    // And the program that was installed finds the supervisor of its own release.
    let doctor = Command::new(root.join("usr/bin/strawboss"))
        .args(["doctor", "--quick", "--json", "--config"])
        .arg(root.join("etc/strawboss/strawboss.yaml"))
        .env_remove("STRAWBOSS_SUPERVISOR_DIR")
        .env_remove("STRAWBOSS_TOOLS")
        .output()
        .unwrap();
    let findings: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let supervisor = findings.as_array().unwrap().iter().find(|finding| finding["what"] == "supervisor's version").unwrap();
    assert_eq!(supervisor["detail"], format!("strawboss-supervisor {}", env!("CARGO_PKG_VERSION")));
}
