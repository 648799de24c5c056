//! Doors whose folders are not what their names say.

use super::ground::{DOOR, ground};
use bollard::query_parameters::InspectContainerOptions;
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use strawboss_docker_proxy::Proxy;

#[tokio::test]
async fn a_link_in_a_doors_place_is_not_bound() {
    ground(async |ground| {
        let (doors, bound) = (ground.dir.path().join("doors"), ground.dir.path().join("bound"));
        let door = doors.join(DOOR);
        for to in [
            "/",
            "/etc",
            "../../..",
            "/var/run/docker.sock",
            "../bound/../../x",
            "../bound",
            "../bound/hosts",
            "../bound/fedcba9876543210",
            "nowhere",
        ] {
            let _ = fs::remove_dir_all(&door);
            symlink(to, &door).unwrap();
            let answer = ground.create(&ground.sandbox()).await;
            assert!(answer.is_refused("binds"), "{to}: {answer:?}");
        }
        fs::remove_file(&door).unwrap();
        assert!(ground.create(&ground.sandbox()).await.is_refused("binds"), "none is there");
        fs::write(&door, "").unwrap();
        assert!(ground.create(&ground.sandbox()).await.is_refused("binds"), "a file");
        // A link that looks like ours before anything was moved.
        fs::remove_file(&door).unwrap();
        symlink(format!("../bound/{DOOR}"), &door).unwrap();
        assert!(ground.create(&ground.sandbox()).await.is_refused("binds"), "a link to nothing");
        assert_eq!(ground.made().await, Vec::<String>::new());
        let left: Vec<_> = fs::read_dir(bound).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["hosts"]);
    })
    .await;
}

#[tokio::test]
async fn a_bound_door_is_the_control_planes_to_use_and_not_to_replace() {
    ground(async |ground| {
        let (doors, bound) = (ground.dir.path().join("doors"), ground.dir.path().join("bound"));
        let door = doors.join(DOOR);
        fs::write(door.join("before"), "").unwrap();
        // What would be mounted over /etc/hosts.
        symlink("/var/run/docker.sock", door.join("hosts")).unwrap();
        let inode = fs::metadata(&door).unwrap().ino();
        assert_eq!(ground.create(&ground.sandbox()).await.status, 201);
        assert_eq!(fs::read_link(&door).unwrap(), std::path::Path::new(&format!("../bound/{DOOR}")));
        assert!(door.join("before").exists());
        fs::write(door.join("after"), "").unwrap();
        assert!(bound.join(DOOR).join("after").exists());
        assert_eq!(fs::symlink_metadata(bound.join(DOOR)).unwrap().ino(), inode);
        assert_eq!(fs::metadata(&bound).unwrap().permissions().mode() & 0o777, 0o711);
        assert_eq!(fs::metadata(ground.dir.path()).unwrap().permissions().mode() & 0o022, 0);
        // Another link in its place changes nothing of what the engine was told.
        fs::remove_file(&door).unwrap();
        symlink("/", &door).unwrap();
        let found = ground.docker.inspect_container(&ground.name("made"), None::<InspectContainerOptions>).await.unwrap();
        let sources: Vec<_> = found
            .mounts
            .unwrap()
            .into_iter()
            .filter_map(|mount| mount.source)
            .filter(|source| source.contains("/bound/"))
            .collect();
        assert_eq!(sources.len(), 2, "{sources:?}");
        for source in sources {
            assert_eq!(fs::canonicalize(&source).unwrap(), std::path::Path::new(&source));
            assert!(
                fs::symlink_metadata(&source).unwrap().is_dir() || fs::read_to_string(&source).unwrap().contains("localhost")
            );
        }
        assert!(ground.create(&ground.sandbox()).await.is_refused("binds"));
    })
    .await;
}

#[tokio::test]
async fn a_door_that_was_closed_is_put_away_and_one_opened_anew_is_another() {
    ground(async |ground| {
        let (doors, bound) = (ground.dir.path().join("doors"), ground.dir.path().join("bound"));
        let door = doors.join(DOOR);
        fs::write(door.join("first"), "").unwrap();
        assert_eq!(ground.create(&ground.sandbox()).await.status, 201);
        ground.call("DELETE", &format!("/containers/{}", ground.name("made")), None).await;
        // As the control plane closes it, and opens it again.
        fs::remove_dir_all(&door).unwrap();
        fs::create_dir(&door).unwrap();
        fs::write(door.join("second"), "").unwrap();
        assert_eq!(ground.create(&ground.sandbox()).await.status, 201);
        assert!(!door.join("first").exists() && bound.join(DOOR).join("second").exists());
        // Closed for good: it goes with the next one's coming.
        fs::remove_dir_all(&door).unwrap();
        let other = "fedcba9876543210";
        fs::create_dir(doors.join(other)).unwrap();
        let mut body = ground.sandbox();
        body["HostConfig"]["Mounts"] = json!([{"Type": "bind", "Source": doors.canonicalize().unwrap().join(other), "Target": "/run/strawboss", "ReadOnly": true}]);
        let answer = ground.call("POST", "/containers/create", Some(&body.to_string())).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert!(!bound.join(DOOR).exists() && bound.join(other).is_dir());
    })
    .await;
}

#[tokio::test]
async fn a_move_that_was_cut_short_is_ended_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    drop(Proxy::bind(super::ground::config(&dir)).unwrap());
    // The link stands already, and the folder is still on its way.
    symlink(format!("../bound/{DOOR}"), dir.path().join("doors").join(DOOR)).unwrap();
    fs::create_dir(dir.path().join("bound").join(format!(".new-{DOOR}"))).unwrap();
    // What was moved was no folder by then.
    let linked = "1111111111111111";
    symlink(format!("../bound/{linked}"), dir.path().join("doors").join(linked)).unwrap();
    symlink("/", dir.path().join("bound").join(format!(".new-{linked}"))).unwrap();
    // Of a door that nobody has any more.
    fs::create_dir(dir.path().join("bound/.new-fedcba9876543210")).unwrap();
    fs::create_dir(dir.path().join("bound/00000000000000ff")).unwrap();
    let _proxy = Proxy::bind(super::ground::config(&dir)).unwrap();
    let mut left: Vec<_> = fs::read_dir(dir.path().join("bound")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [DOOR, "hosts"]);
}

#[tokio::test]
async fn what_was_planted_before_the_folder_was_taken_over_is_not_trusted() {
    let planted = |name: &str, plant: &dyn Fn(&std::path::Path)| {
        let dir = tempfile::tempdir().unwrap();
        plant(&dir.path().join(name));
        std::os::unix::fs::lchown(dir.path().join(name), Some(4321), None).unwrap();
        Proxy::bind(super::ground::config(&dir)).err().unwrap_or_else(|| panic!("{name} was taken")).to_string()
    };
    let victim = tempfile::NamedTempFile::new().unwrap();
    let link = |path: &std::path::Path| symlink(victim.path(), path).unwrap();
    assert!(planted("installation", &link).contains("symbolic links"));
    assert!(planted("installation", &|path| fs::write(path, "another").unwrap()).contains("somebody else"));
    assert!(planted("bound", &|path| fs::create_dir(path).unwrap()).contains("somebody else"));
    for name in ["bound", "doors"] {
        assert!(planted(name, &|path| symlink("/", path).unwrap()).contains(name));
    }
    assert_eq!(fs::read_to_string(victim.path()).unwrap(), "");
}

#[tokio::test]
async fn the_folders_are_whose_they_should_be() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = super::ground::config(&dir);
    let doors = config.doors.as_mut().unwrap();
    (doors.uid, doors.gid) = (Some(4321), Some(8765));
    (config.socket.uid, config.socket.gid, config.socket.mode) = (Some(4321), Some(8765), 0o660);
    // A volume that was made from an image in which the folder belongs to the control plane.
    std::os::unix::fs::chown(dir.path(), Some(4321), Some(8765)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let _proxy = Proxy::bind(config).unwrap();
    let of = |name: &str| {
        let found = fs::symlink_metadata(dir.path().join(name)).unwrap();
        (found.uid(), found.gid(), found.permissions().mode() & 0o777)
    };
    let me = rustix::process::geteuid().as_raw();
    assert_eq!((of("").0, of("").2), (me, 0o755));
    assert_eq!(of("doors"), (4321, 8765, 0o700));
    assert_eq!((of("bound").0, of("bound").2), (me, 0o711));
    assert_eq!(of("proxy.sock"), (4321, 8765, 0o660));
}
