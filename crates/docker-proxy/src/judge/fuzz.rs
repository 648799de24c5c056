//! Whatever is sent: nothing makes the judgement panic, and what passes is walled off, as an engine would read it.

use super::{container, volume};
use crate::call::{self, Call};
use crate::doors::DoorsPrefix;
use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

const DOORS: &str = "/var/lib/docker/volumes/doors/_data";

fn ours() -> Value {
    let bind = |source: &str, target: &str| json!({"Type": "bind", "Source": source, "Target": target, "ReadOnly": true});
    json!({
        "Image": format!("sha256:{}", "a".repeat(64)), "User": "10001:10001", "Hostname": "sandbox", "Entrypoint": ["/x"],
        "Healthcheck": {"Test": ["NONE"]}, "Labels": {"strawboss.installation": "x"}, "Env": ["A=b"],
        "HostConfig": {
            "NetworkMode": "none", "IpcMode": "private", "CgroupnsMode": "private", "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"], "ReadonlyRootfs": true, "Memory": 1, "MemorySwap": 1, "PidsLimit": 1,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}, "Tmpfs": {"/tmp": "rw"},
            "RestartPolicy": {"Name": "no"}, "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
            "Mounts": [
                bind(&format!("{DOORS}/doors/0123456789abcdef"), "/run/strawboss"),
                bind(&format!("{DOORS}/doors/0123456789abcdef/hosts"), "/etc/hosts"),
                {"Type": "volume", "Source": "strawboss-home", "Target": "/home/agent", "VolumeOptions": {
                    "Labels": {"strawboss.installation": "x"}, "DriverConfig": {"Name": "local", "Options": {"size": "1"}}}},
            ],
        },
    })
}

/// Keys of Docker's, and ours.
const KEYS: &[&str] = &[
    "Privileged",
    "CapAdd",
    "CapDrop",
    "PidMode",
    "IpcMode",
    "UTSMode",
    "UsernsMode",
    "CgroupnsMode",
    "NetworkMode",
    "Devices",
    "DeviceCgroupRules",
    "DeviceRequests",
    "SecurityOpt",
    "Sysctls",
    "Runtime",
    "CgroupParent",
    "Cgroup",
    "Binds",
    "Mounts",
    "VolumesFrom",
    "VolumeDriver",
    "PortBindings",
    "Links",
    "RestartPolicy",
    "LogConfig",
    "OomKillDisable",
    "OomScoreAdj",
    "MaskedPaths",
    "ReadonlyPaths",
    "ReadonlyRootfs",
    "HostConfig",
    "NetworkingConfig",
    "Volumes",
    "User",
    "Healthcheck",
    "Image",
    "Labels",
    "Entrypoint",
    "Cmd",
    "Type",
    "Source",
    "Target",
    "ReadOnly",
    "BindOptions",
    "VolumeOptions",
    "TmpfsOptions",
    "DriverConfig",
    "Options",
    "o",
    "device",
    "type",
    "size",
    "Propagation",
    "NonRecursive",
    "Name",
    "Tmpfs",
    "Init",
    "GroupAdd",
    "Memory",
    "MemorySwap",
    "PidsLimit",
    "Capabilities",
    "DeviceIDs",
    "Count",
    "Driver",
    "Config",
    "strawboss.installation",
];

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(true)),
        Just(json!(null)),
        Just(json!(-1)),
        Just(json!("host")),
        Just(json!("/")),
        Just(json!("bind")),
        Just(json!("rshared")),
        Just(json!("0")),
        Just(json!(["ALL"])),
        Just(json!(["/:/host"])),
        Just(json!(["seccomp=unconfined"])),
        Just(json!({"type": "none", "o": "bind", "device": "/"})),
        Just(json!({"Name": "local", "Options": {"o": "bind"}})),
        Just(json!([{"Type": "bind", "Source": "/", "Target": "/run/strawboss", "ReadOnly": true}])),
        Just(json!({"Privileged": true})),
        Just(json!("/var/run/docker.sock")),
        Just(json!(format!("{DOORS}/doors/0123456789abcdef/../..").as_str())),
        Just(json!(format!("{DOORS}/bound/0123456789abcdef").as_str())),
        Just(json!(format!("{DOORS}x/doors/0123456789abcdef").as_str())),
    ]
}

/// Of the right shape, so that nothing but a rule refuses them: where, which key, and what.
fn temptations() -> Vec<(&'static str, &'static str, Value)> {
    let host = "/HostConfig";
    let (bind, volume) = ("/HostConfig/Mounts/0", "/HostConfig/Mounts/2");
    vec![
        (host, "Privileged", json!(true)),
        (host, "NetworkMode", json!("host")),
        (host, "IpcMode", json!("host")),
        (host, "CgroupnsMode", json!("host")),
        (host, "CapDrop", json!([])),
        (host, "CapAdd", json!(["ALL"])),
        (host, "SecurityOpt", json!(["no-new-privileges:true", "seccomp=unconfined"])),
        (host, "PidMode", json!("host")),
        (host, "Binds", json!(["/:/host"])),
        (host, "Devices", json!([{"PathOnHost": "/dev/sda"}])),
        (host, "Mounts", json!([{"Type": "bind", "Source": "/", "Target": "/run/strawboss", "ReadOnly": true}])),
        (
            host,
            "Mounts",
            json!([{"Type": "volume", "Source": "/", "Target": "/x", "VolumeOptions": {"Labels": {"strawboss.installation": "x"}}}]),
        ),
        ("", "User", json!("0:0")),
        ("", "Volumes", json!({"/x": {}})),
        ("", "NetworkingConfig", json!({})),
        (bind, "Type", json!("volume")),
        (bind, "Source", json!("/")),
        (bind, "Source", json!(DOORS)),
        (bind, "Source", json!(format!("{DOORS}/bound/../../../x"))),
        (bind, "ReadOnly", json!(false)),
        (bind, "BindOptions", json!({"Propagation": "rshared"})),
        (volume, "Type", json!("bind")),
        (volume, "Source", json!("postgres")),
        (volume, "Source", json!("/etc")),
        ("/HostConfig/Mounts/2/VolumeOptions/DriverConfig", "Options", json!({"type": "none", "o": "bind", "device": "/"})),
        ("/HostConfig/Mounts/2/VolumeOptions/DriverConfig/Options", "size", json!("1,o=bind")),
    ]
}

/// A change: anything anywhere, or something that an attacker would try where it counts.
fn changes() -> impl Strategy<Value = (Result<prop::sample::Index, String>, String, Value)> {
    let anything = (any::<prop::sample::Index>(), prop::sample::select(KEYS), any::<u8>(), values())
        .prop_map(|(at, key, how, value)| (Ok(at), spelt(key, how), value));
    let tempting = (prop::sample::select(temptations()), any::<u8>())
        .prop_map(|((place, key, value), how)| (Err(place.to_owned()), spelt(key, how), value));
    prop_oneof![anything, tempting]
}

/// A key in one of the spellings that an engine takes for it.
fn spelt(key: &str, how: u8) -> String {
    match how % 4 {
        0 => key.to_ascii_lowercase(),
        1 => key.to_ascii_uppercase(),
        _ => key.to_owned(),
    }
}

/// Every object in a value, by its place.
fn objects(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.push(place.to_owned());
            for (key, inner) in map {
                objects(inner, &format!("{place}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(list) => {
            for (at, inner) in list.iter().enumerate() {
                objects(inner, &format!("{place}/{at}"), found);
            }
        }
        _ => {}
    }
}

/// A key's value as an engine finds it: in any spelling.
fn get<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    let mut found = value.as_object()?.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
    let first = found.next().map(|(_, value)| value);
    assert!(found.next().is_none(), "{key} is there in two spellings");
    first.filter(|value| !value.is_null())
}

/// What must hold of everything that goes to an engine, said without the judgement's own words.
fn walled(body: &Value) {
    let host = get(body, "HostConfig").unwrap();
    for key in ["NetworkingConfig", "Volumes", "ExposedPorts", "Cmd"] {
        assert_eq!(get(body, key), None, "{key}");
    }
    for key in KEYS.iter().chain(&["ContainerIDFile"]) {
        let may = [
            "CapDrop",
            "IpcMode",
            "CgroupnsMode",
            "NetworkMode",
            "DeviceRequests",
            "SecurityOpt",
            "Mounts",
            "RestartPolicy",
            "LogConfig",
            "ReadonlyRootfs",
            "Tmpfs",
            "Init",
            "Memory",
            "MemorySwap",
            "PidsLimit",
            "Privileged",
        ];
        assert!(may.contains(key) || get(host, key).is_none(), "HostConfig.{key}");
    }
    assert!(get(host, "Privileged").is_none_or(|value| *value == json!(false)));
    assert_eq!(get(host, "NetworkMode"), Some(&json!("none")));
    assert_eq!(get(host, "IpcMode"), Some(&json!("private")));
    assert_eq!(get(host, "CapDrop"), Some(&json!(["ALL"])));
    assert_eq!(get(host, "SecurityOpt"), Some(&json!(["no-new-privileges:true"])));
    assert_eq!(get(body, "User"), Some(&json!("10001:10001")));
    for mount in get(host, "Mounts").and_then(Value::as_array).into_iter().flatten() {
        let source = get(mount, "Source").and_then(Value::as_str);
        match get(mount, "Type").and_then(Value::as_str) {
            Some("bind") => {
                let known = [format!("{DOORS}/bound/0123456789abcdef"), format!("{DOORS}/bound/hosts")];
                assert!(known.iter().any(|known| source == Some(known)), "{mount}");
                assert_eq!(get(mount, "ReadOnly"), Some(&json!(true)));
                let options = get(mount, "BindOptions").cloned().unwrap_or_default();
                assert!(matches!(get(&options, "Propagation").and_then(Value::as_str), None | Some("rprivate")), "{mount}");
            }
            Some("volume") => {
                assert!(source.is_none_or(|source| source.starts_with("strawboss-") && !source.contains('/')), "{mount}");
                let config =
                    get(mount, "VolumeOptions").and_then(|options| get(options, "DriverConfig")).cloned().unwrap_or_default();
                let options = get(&config, "Options").and_then(Value::as_object).cloned().unwrap_or_default();
                assert!(
                    options
                        .iter()
                        .all(|(key, value)| key == "size" && value.as_str().is_some_and(|text| text.parse::<u64>().is_ok())),
                    "{mount}"
                );
            }
            _ => panic!("{mount}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn what_passes_is_walled_off(changes in prop::collection::vec(changes(), 0..4)) {
        let prefix = DoorsPrefix::new(DOORS);
        let mut body = ours();
        for (at, key, value) in changes {
            let mut places = Vec::new();
            objects(&body, "", &mut places);
            let place = at.map_or_else(|place| place, |at| at.get::<String>(&places).clone());
            // An earlier change may have taken the place away.
            if let Some(Value::Object(object)) = body.pointer_mut(&place) {
                object.insert(key, value);
            }
        }
        if let Ok(judged) = container(body, Some(&prefix)) {
            // As it goes to the engine.
            walled(&crate::json::parse(&serde_json::to_vec(&judged.body).unwrap()).unwrap());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,a-z0-9]{0,60}") {
        for bytes in [&bytes[..], text.as_bytes()] {
            if let Ok(value) = crate::json::parse(bytes) {
                let _ = container(value.clone(), None);
                let _ = volume(value);
            }
        }
    }

    #[test]
    fn a_call_that_passes_leads_nowhere_else(method in "GET|POST|PUT|DELETE|HEAD|PATCH", path in "(/v1\\.4[0-9])?/(containers|images|volumes|exec)(/[a-z.%2/-]{0,8}){0,3}(/json|/start|/archive)?", query in "[a-z=&%;0-9./]{0,20}") {
        if let Ok((version, call)) = call::parse(&Method::from_bytes(method.as_bytes()).unwrap(), &path, &query) {
            prop_assert!(!path.contains("//") && !path.contains("/../") && !path.contains('%'));
            prop_assert!(version.is_empty() || path.starts_with(&version));
            if let Call::ArchiveFill { path, .. } | Call::ArchiveLook { path, .. } = call {
                prop_assert!(path.starts_with('/') && !path.split('/').any(|part| part == ".."));
            }
        }
    }
}

#[test]
fn ours_passes() {
    let judged = container(ours(), Some(&DoorsPrefix::new(DOORS))).unwrap();
    walled(&serde_json::to_value(&judged.body).unwrap());
    assert_eq!(judged.doors, ["0123456789abcdef", "0123456789abcdef"]);
}
