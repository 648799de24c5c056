//! Containers and volumes whose bodies ask for more.

use super::ground::{DOOR, ground};
use bollard::query_parameters::InspectContainerOptions;
use serde_json::{Value, json};

#[tokio::test]
async fn what_the_runner_asks_for_is_made_as_it_asks() {
    ground(async |ground| {
        let answer = ground.create(&ground.sandbox()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let found = ground.docker.inspect_container(&ground.name("made"), None::<InspectContainerOptions>).await.unwrap();
        let host = serde_json::to_value(found.host_config.unwrap()).unwrap();
        assert_eq!(
            (&host["NetworkMode"], &host["Privileged"], &host["CapDrop"]),
            (&json!("none"), &json!(false), &json!(["ALL"]))
        );
        assert_eq!(host["DeviceRequests"][0]["Capabilities"], json!([["gpu"]]));
        let bound = ground.dir.path().canonicalize().unwrap().join("bound");
        let sources: Vec<&Value> = host["Mounts"].as_array().unwrap().iter().map(|mount| &mount["Source"]).collect();
        assert_eq!(sources, [&json!(ground.name("home")), &json!(bound.join(DOOR)), &json!(bound.join("hosts"))]);
        let volume = ground.docker.inspect_volume(&ground.name("home")).await.unwrap();
        assert_eq!(volume.labels["strawboss.installation"], ground.installation);
    })
    .await;
}

/// Where, what, and the rule.
fn deviations() -> Vec<(&'static str, Value, &'static str)> {
    let bind = |source: &str| json!([{"Type": "bind", "Source": source, "Target": "/run/strawboss", "ReadOnly": true}]);
    let volume = |options: Value| json!([{"Type": "volume", "Target": "/x", "VolumeOptions": options}]);
    let named = |source: &str| json!([{"Type": "volume", "Source": source, "Target": "/x"}]);
    vec![
        ("/HostConfig/Privileged", json!(true), "privileged"),
        ("/HostConfig/PRIVILEGED", json!(true), "keys"),
        ("/HostConfig/privileged", json!(true), "keys"),
        ("/hostconfig", json!({"Privileged": true}), "keys"),
        ("/HostConfig/CapAdd", json!(["SYS_ADMIN"]), "capabilities"),
        ("/HostConfig/CapAdd", json!([]), "capabilities"),
        ("/HostConfig/capadd", json!(["ALL"]), "capabilities"),
        ("/HostConfig/Capabilities", json!(["ALL"]), "keys"),
        ("/HostConfig/CapDrop", json!([]), "capabilities"),
        ("/HostConfig/CapDrop", json!(null), "capabilities"),
        ("/HostConfig/CapDrop", json!(["NET_RAW"]), "capabilities"),
        ("/HostConfig/PidMode", json!("host"), "namespaces"),
        ("/HostConfig/PidMode", json!("container:x"), "namespaces"),
        ("/HostConfig/IpcMode", json!("host"), "namespaces"),
        ("/HostConfig/IpcMode", json!("shareable"), "namespaces"),
        ("/HostConfig/IpcMode", json!("container:x"), "namespaces"),
        ("/HostConfig/UTSMode", json!("host"), "namespaces"),
        ("/HostConfig/UsernsMode", json!("host"), "namespaces"),
        ("/HostConfig/CgroupnsMode", json!("host"), "namespaces"),
        ("/HostConfig/NetworkMode", json!("host"), "network"),
        ("/HostConfig/NetworkMode", json!("bridge"), "network"),
        ("/HostConfig/NetworkMode", json!("default"), "network"),
        ("/HostConfig/NetworkMode", json!(""), "network"),
        ("/HostConfig/NetworkMode", json!(null), "network"),
        ("/HostConfig/NetworkMode", json!("container:x"), "network"),
        ("/HostConfig/PortBindings", json!({"80/tcp": [{"HostPort": "80"}]}), "network"),
        ("/HostConfig/PublishAllPorts", json!(true), "network"),
        ("/HostConfig/Links", json!(["x:y"]), "network"),
        ("/HostConfig/ExtraHosts", json!(["x:127.0.0.1"]), "network"),
        ("/NetworkingConfig", json!({"EndpointsConfig": {"bridge": {}}}), "network"),
        ("/ExposedPorts", json!({"80/tcp": {}}), "network"),
        ("/MacAddress", json!("02:42:ac:11:00:02"), "network"),
        (
            "/HostConfig/Devices",
            json!([{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]),
            "devices",
        ),
        ("/HostConfig/DeviceCgroupRules", json!(["a *:* rwm"]), "devices"),
        ("/HostConfig/DeviceRequests", json!([{"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]]}]), "keys"),
        ("/HostConfig/DeviceRequests", json!([{"DeviceIDs": ["0"], "Capabilities": [["tpu"]]}]), "devices"),
        ("/HostConfig/DeviceRequests", json!([{"DeviceIDs": [], "Capabilities": [["gpu"]]}]), "devices"),
        ("/HostConfig/DeviceRequests", json!([{"DeviceIDs": ["0"], "Capabilities": [["gpu"]], "Options": {"a": "b"}}]), "keys"),
        ("/HostConfig/SecurityOpt", json!([]), "security-options"),
        ("/HostConfig/SecurityOpt", json!(["seccomp=unconfined"]), "security-options"),
        ("/HostConfig/SecurityOpt", json!(["no-new-privileges:true", "apparmor=unconfined"]), "security-options"),
        ("/HostConfig/SecurityOpt", json!(["no-new-privileges:false"]), "security-options"),
        ("/HostConfig/SecurityOpt", json!(["label=disable"]), "security-options"),
        ("/HostConfig/Sysctls", json!({"net.ipv4.ip_forward": "1"}), "sysctls"),
        ("/HostConfig/Runtime", json!("runc"), "runtimes"),
        ("/HostConfig/Isolation", json!("process"), "runtimes"),
        ("/HostConfig/CgroupParent", json!("/"), "cgroups"),
        ("/HostConfig/Cgroup", json!("container:x"), "cgroups"),
        ("/HostConfig/Binds", json!(["/:/host"]), "binds"),
        ("/HostConfig/Binds", json!(["postgres:/x"]), "binds"),
        ("/HostConfig/VolumesFrom", json!(["x"]), "volumes"),
        ("/HostConfig/VolumeDriver", json!("local"), "volume-drivers"),
        ("/Volumes", json!({"/x": {}}), "volumes"),
        ("/HostConfig/Mounts", bind("/"), "binds"),
        ("/HostConfig/Mounts", bind("/var/run/docker.sock"), "binds"),
        ("/HostConfig/Mounts", bind("DIR"), "binds"),
        ("/HostConfig/Mounts", bind("DIR/doors"), "binds"),
        ("/HostConfig/Mounts", bind("DIR/bound"), "binds"),
        ("/HostConfig/Mounts", bind("DIR/bound/hosts"), "binds"),
        ("/HostConfig/Mounts", bind("DIR/doors/../../etc"), "binds"),
        ("/HostConfig/Mounts", bind("DIR/doors/0123456789abcdef/.."), "binds"),
        ("/HostConfig/Mounts", bind("DIR/doors//0123456789abcdef"), "binds"),
        ("/HostConfig/Mounts", bind("DIR/doors/0123456789abcdef/"), "binds"),
        ("/HostConfig/Mounts", bind("DIR/doors/0123456789abcdef/x"), "binds"),
        ("/HostConfig/Mounts", bind("DIR/doors/0123456789abcdef/hosts"), "binds"),
        ("/HostConfig/Mounts", bind("DIR/doors/ffffffffffffffff"), "binds"),
        ("/HostConfig/Mounts/1/ReadOnly", json!(false), "binds"),
        ("/HostConfig/Mounts/1/Target", json!("/home/agent/x"), "binds"),
        ("/HostConfig/Mounts/1/BindOptions", json!({"Propagation": "rshared"}), "binds"),
        ("/HostConfig/Mounts/1/BindOptions", json!({"Propagation": "shared"}), "binds"),
        ("/HostConfig/Mounts/1/BindOptions", json!({"NonRecursive": true}), "keys"),
        ("/HostConfig/Mounts/1/BindOptions", json!({"CreateMountpoint": true}), "keys"),
        ("/HostConfig/Mounts/1/VolumeOptions", json!({"NoCopy": true}), "mounts"),
        ("/HostConfig/Mounts/1/Type", json!("tmpfs"), "mounts"),
        ("/HostConfig/Mounts/1/Type", json!("npipe"), "mounts"),
        ("/HostConfig/Mounts/1/type", json!("bind"), "keys"),
        ("/HostConfig/Mounts/0/Source", json!("/etc"), "volumes"),
        ("/HostConfig/Mounts/0/Source", json!("postgres"), "volumes"),
        ("/HostConfig/Mounts/0/Target", json!("/x/../y"), "mounts"),
        ("/HostConfig/Mounts/0/TmpfsOptions", json!({}), "keys"),
        ("/HostConfig/Mounts/0/Consistency", json!("cached"), "keys"),
        ("/HostConfig/Mounts/0/VolumeOptions/Labels", json!({}), "labels"),
        ("/HostConfig/Mounts/0/VolumeOptions/Labels", json!({"strawboss.installation": "another"}), "labels"),
        ("/HostConfig/Mounts/0/VolumeOptions/Subpath", json!("x"), "keys"),
        ("/HostConfig/Mounts", named("strawboss-MARK-unlabelled"), "labels"),
        ("/HostConfig/Mounts", named("strawboss-tool-x-0123456789abcdef-x86_64"), "volumes"),
        (
            "/HostConfig/Mounts",
            json!([{"Type": "volume", "Source": "strawboss-tool-x-0123456789abcdef-x86_64", "Target": "/fill",
                    "VolumeOptions": {"Labels": {"strawboss.volume": "tool", "strawboss.installation": "MARK"}}}]),
            "labels",
        ),
        (
            "/HostConfig/Mounts",
            volume(
                json!({"Labels": {"strawboss.installation": "MARK"}, "DriverConfig": {"Name": "local", "Options": {"type": "none", "o": "bind", "device": "/"}}}),
            ),
            "volume-drivers",
        ),
        (
            "/HostConfig/Mounts",
            volume(json!({"Labels": {"strawboss.installation": "MARK"}, "DriverConfig": {"Name": "vieux/sshfs"}})),
            "volume-drivers",
        ),
        (
            "/HostConfig/Mounts",
            volume(json!({"Labels": {"strawboss.installation": "MARK"}, "DriverConfig": {"Options": {"O": "bind"}}})),
            "volume-drivers",
        ),
        ("/HostConfig/Tmpfs", json!({"/tmp": "suid"}), "tmpfs"),
        ("/HostConfig/Tmpfs", json!({"/tmp": "rw,dev"}), "tmpfs"),
        ("/HostConfig/Tmpfs", json!({"../x": "rw"}), "tmpfs"),
        ("/HostConfig/RestartPolicy", json!({"Name": "always"}), "restart"),
        ("/HostConfig/RestartPolicy", json!({"Name": "on-failure", "MaximumRetryCount": 3}), "restart"),
        ("/HostConfig/LogConfig", json!({"Type": "syslog", "Config": {"syslog-address": "tcp://192.0.2.1:1"}}), "logging"),
        ("/HostConfig/LogConfig", json!({"Type": "json-file", "Config": {}}), "logging"),
        ("/HostConfig/LogConfig", json!({"Type": "json-file", "Config": {"max-size": "1m", "env": "SECRET"}}), "logging"),
        ("/HostConfig/LogConfig", json!(null), "logging"),
        ("/HostConfig/OomKillDisable", json!(true), "limits"),
        ("/HostConfig/OomScoreAdj", json!(-1000), "limits"),
        ("/HostConfig/Memory", json!(0), "limits"),
        ("/HostConfig/MemorySwap", json!(-1), "limits"),
        ("/HostConfig/PidsLimit", json!(-1), "limits"),
        ("/HostConfig/PidsLimit", json!(null), "limits"),
        ("/HostConfig/Ulimits", json!([{"Name": "memlock", "Soft": 1, "Hard": 1}]), "limits"),
        ("/HostConfig/CpusetCpus", json!("0"), "keys"),
        ("/HostConfig/BlkioWeight", json!(10), "keys"),
        ("/HostConfig/MaskedPaths", json!([]), "kernel-files"),
        ("/HostConfig/ReadonlyPaths", json!([]), "kernel-files"),
        ("/HostConfig/ReadonlyRootfs", json!(false), "read-only"),
        ("/HostConfig/Init", json!(true), "lifetime"),
        ("/HostConfig/AutoRemove", json!(true), "lifetime"),
        ("/HostConfig/GroupAdd", json!(["0"]), "user"),
        ("/HostConfig/StorageOpt", json!({"size": "1"}), "keys"),
        ("/HostConfig/Annotations", json!({}), "keys"),
        ("/HostConfig/ContainerIDFile", json!("/x"), "keys"),
        ("/User", json!("0"), "user"),
        ("/User", json!("10001"), "user"),
        ("/Hostname", json!("x"), "names"),
        ("/Domainname", json!("x"), "keys"),
        ("/Cmd", json!(["x"]), "keys"),
        ("/Entrypoint", json!([]), "entrypoint"),
        ("/Entrypoint", json!(null), "keys"),
        ("/Tty", json!(true), "terminal"),
        ("/OpenStdin", json!(true), "terminal"),
        ("/AttachStdin", json!(true), "keys"),
        ("/StopSignal", json!("SIGKILL"), "lifetime"),
        ("/Healthcheck", json!({"Test": ["CMD", "x"]}), "health"),
        ("/Healthcheck", json!({"Test": ["NONE"], "Interval": 1}), "keys"),
        ("/Healthcheck", json!(null), "keys"),
        ("/Image", json!("busybox"), "images"),
        ("/Image", json!(null), "keys"),
        ("/Labels", json!({}), "labels"),
        ("/Labels", json!({"strawboss.installation": "MARK", "com.docker.compose.project": "x"}), "labels"),
        ("/Labels", json!({"Strawboss.Installation": "MARK"}), "labels"),
        ("/Labels", json!({"strawboss.installation": "another"}), "labels"),
        ("/Env", json!("SECRET=hunter2"), "keys"),
    ]
}

#[tokio::test]
async fn a_container_that_asks_for_more_is_refused_and_not_made() {
    ground(async |ground| {
        let dir = ground.dir.path().canonicalize().unwrap();
        for (place, value, rule) in deviations() {
            let value = value.to_string().replace("DIR", dir.to_str().unwrap()).replace("MARK", &ground.installation);
            let mut body = ground.sandbox();
            let (parent, key) = place.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap()[key] = serde_json::from_str(&value).unwrap();
            let answer = ground.create(&body).await;
            assert!(answer.is_refused(rule), "{place} {value}: {answer:?}");
            assert!(!answer.text.contains("hunter2"), "a variable's value is repeated: {answer:?}");
        }
        assert_eq!(ground.made().await, Vec::<String>::new());
        // And it is those deviations alone that are refused.
        assert_eq!(ground.create(&ground.sandbox()).await.status, 201);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_said_twice_is_refused() {
    ground(async |ground| {
        let whole = ground.sandbox().to_string();
        for (from, to) in [
            ("\"Privileged\":false", "\"Privileged\":true,\"Privileged\":false"),
            ("\"Privileged\":false", "\"Privileged\":false,\"Privileged\":true"),
            ("\"Privileged\":false", "\"Privileged\":false,\"\\u0050rivileged\":true"),
            ("\"HostConfig\":{", "\"HostConfig\":{\"Privileged\":true},\"HostConfig\":{"),
        ] {
            let body = whole.replacen(from, to, 1);
            assert_ne!(body, whole);
            let answer = ground.call("POST", "/containers/create", Some(&body)).await;
            assert!(answer.is_refused("json"), "{to}: {answer:?}");
        }
        for body in ["", "{", "null", "[]", "{} {}", &format!("{whole}{{\"HostConfig\":{{\"Privileged\":true}}}}")] {
            let answer = ground.call("POST", "/containers/create", Some(body)).await;
            assert!(answer.is_refused("json") || answer.is_refused("keys"), "{body}: {answer:?}");
        }
        assert_eq!(ground.made().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_volume_that_is_a_mount_in_disguise_is_not_made() {
    ground(async |ground| {
        let volume = |driver: &str, options: Value, labels: Value| {
            json!({"Name": ground.name("volume"), "Driver": driver, "DriverOpts": options, "Labels": labels}).to_string()
        };
        for (body, rule) in [
            (volume("local", json!({"type": "none", "o": "bind", "device": "/"}), ground.labels()), "volume-drivers"),
            (volume("local", json!({"type": "nfs", "o": "addr=192.0.2.1", "device": ":/"}), ground.labels()), "volume-drivers"),
            (volume("local", json!({"device": "/dev/sda1"}), ground.labels()), "volume-drivers"),
            (volume("other", json!({}), ground.labels()), "volume-drivers"),
            (volume("local", json!({}), json!({})), "labels"),
            (volume("local", json!({}), ground.labels()).replace("\"Name\":\"strawboss-", "\"Name\":\"x-"), "names"),
            (volume("local", json!({}), ground.labels()).replace("DriverOpts", "driveropts"), "keys"),
        ] {
            let answer = ground.call("POST", "/volumes/create", Some(&body)).await;
            assert!(answer.is_refused(rule), "{body}: {answer:?}");
        }
        assert_eq!(ground.made().await, Vec::<String>::new());
        let answer = ground.call("POST", "/volumes/create", Some(&volume("local", json!({}), ground.labels()))).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    })
    .await;
}
