//! Sandboxes that really run, of a control plane that turned against its host.

use super::exited;
use super::lab::lab;
use super::line::open_with;
use bollard::Docker;
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{CreateContainerOptions, InspectContainerOptions, UploadToContainerOptionsBuilder};
use std::collections::HashMap;
use std::os::unix::fs::symlink;
use strawboss_core::runner::{Runner, SandboxStatus};
use strawboss_docker_proxy::DoorsConfig;
use strawboss_runner::{DockerConfig, DockerRunner, Door, DoorsVolume, SocketDoors};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn a_link_that_takes_a_doors_place_between_creation_and_start_leads_nowhere() {
    lab(async |lab| {
        let spec = lab
            .spec(1, "[ -S /run/strawboss/door.sock ] && echo door; [ -e /run/strawboss/passwd ] && echo leaked; cat /etc/hosts");
        let handle = lab.runner.create(&spec).await.unwrap();
        // The control plane may write both.
        let hosts = spec.door_dir.join("hosts");
        std::fs::remove_file(&hosts).unwrap();
        symlink("/etc/shadow", &hosts).unwrap();
        std::fs::rename(&spec.door_dir, lab.dir.path().join("doors/aside")).unwrap();
        symlink("/etc", &spec.door_dir).unwrap();
        lab.runner.start(&handle).await.unwrap();
        assert_eq!(lab.runner.wait(&handle).await.unwrap(), exited(0));
        let said = lab.said(&handle).await;
        assert!(said.contains("door\n") && said.contains("localhost sandbox"), "{said}");
        assert!(!said.contains("leaked") && !said.contains("root:"), "{said}");
        lab.runner.remove(&handle).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_volume_takes_no_files_once_its_container_ran() {
    lab(async |lab| {
        let version = bollard::ClientVersion { major_version: 1, minor_version: 41 };
        let through = Docker::connect_with_unix(lab.host.strip_prefix("unix://").unwrap(), 120, &version).unwrap();
        let spec = lab.spec(1, "ls -A");
        let handle = lab.runner.create(&spec).await.unwrap();
        let upload = async || {
            let mut tar = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            tar.append_data(&mut header, "file", std::io::empty()).unwrap();
            let options = UploadToContainerOptionsBuilder::default().path("/home/agent").build();
            let body = bollard::body_full(tar.into_inner().unwrap().into());
            through.upload_to_container(&handle.0, Some(options), body).await
        };
        upload().await.unwrap();
        lab.runner.start(&handle).await.unwrap();
        assert_eq!(lab.runner.wait(&handle).await.unwrap(), exited(0));
        assert!(lab.said(&handle).await.contains("file"));
        let refused = upload().await.unwrap_err().to_string();
        assert!(refused.contains("was started already"), "{refused}");
        lab.runner.remove(&handle).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_tools_volume_that_is_filled_cannot_be_changed() {
    lab(async |lab| {
        // Both at once: the second to come finds it filled, and that is as good.
        let (one, two) = (lab.spec(1, "cat /opt/strawboss/supervisor/bin/strawboss-supervisor"), lab.spec(2, "true"));
        let (mut two, other) = (two, lab.another_runner(&lab.host));
        two.tools = one.tools.clone();
        let (first, second) = tokio::join!(lab.runner.create(&one), other.create(&two));
        let (first, _) = (first.unwrap(), second.unwrap());
        let volume = &lab.tool_volumes().await[0];
        let version = bollard::ClientVersion { major_version: 1, minor_version: 41 };
        let through = Docker::connect_with_unix(lab.host.strip_prefix("unix://").unwrap(), 120, &version).unwrap();
        // A container that fills it, as the runner makes one.
        let found = lab.docker.inspect_container(&first.0, None::<InspectContainerOptions>).await.unwrap();
        let mut body = serde_json::json!({
            "Image": found.image, "User": "10001:10001", "Hostname": "sandbox", "Entrypoint": ["/x"],
            "Healthcheck": {"Test": ["NONE"]}, "Labels": {"strawboss.installation": lab.installation},
        });
        let mut host = serde_json::to_value(found.host_config.unwrap()).unwrap();
        host.as_object_mut().unwrap().retain(|key, _| {
            matches!(
                key.as_str(),
                "NetworkMode"
                    | "IpcMode"
                    | "CgroupnsMode"
                    | "CapDrop"
                    | "SecurityOpt"
                    | "ReadonlyRootfs"
                    | "Memory"
                    | "MemorySwap"
                    | "PidsLimit"
                    | "LogConfig"
            )
        });
        host["Mounts"] = serde_json::json!([{"Type": "volume", "Source": volume, "Target": "/fill"}]);
        body["HostConfig"] = host;
        let body = serde_json::from_value(body).unwrap();
        let filler = through.create_container(None::<CreateContainerOptions>, body).await.unwrap().id;
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o755);
        tar.append_data(&mut header, "bin/strawboss-supervisor", std::io::empty()).unwrap();
        let options = UploadToContainerOptionsBuilder::default().path("/fill").build();
        let body = bollard::body_full(tar.into_inner().unwrap().into());
        let refused = through.upload_to_container(&filler, Some(options), body).await.unwrap_err().to_string();
        assert!(refused.contains("filled already"), "{refused}");
        lab.runner.start(&first).await.unwrap();
        assert_eq!(lab.runner.wait(&first).await.unwrap(), exited(0));
        assert!(lab.said(&first).await.contains(&lab.installation));
    })
    .await;
}

#[tokio::test]
async fn a_door_in_a_volume_is_bound_from_its_mountpoint() {
    lab(async |lab| {
        let name = format!("strawboss-{}-doors", lab.installation);
        let labels = HashMap::from([("strawboss.installation".to_owned(), lab.installation.clone())]);
        let request = VolumeCreateRequest { name: Some(name.clone()), labels: Some(labels), ..VolumeCreateRequest::default() };
        let mountpoint: std::path::PathBuf = lab.docker.create_volume(request).await.unwrap().mountpoint.into();
        let line = open_with(
            lab.dir.path(),
            DoorsConfig { folder: mountpoint.clone(), volume: Some(name.clone()), uid: None, gid: None },
        );
        let runner = |volume: &str| {
            DockerRunner::new(DockerConfig {
                host: Some(line.host.clone()),
                installation: lab.installation.clone(),
                default_image: lab.image.clone(),
                doors: Some(DoorsVolume { volume: volume.to_owned(), folder: mountpoint.clone() }),
                ..DockerConfig::default()
            })
        };
        let doors = SocketDoors::new(&mountpoint).unwrap();
        let mut spec = lab.spec(
            1,
            "perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ENV{STRAWBOSS_DOOR}) or exit 1; print $s \"hello\"'",
        );
        let door = doors.open(&spec.id).unwrap();
        spec.door_dir = door.dir().to_owned();
        let handle = runner(&name).create(&spec).await.unwrap();
        runner(&name).start(&handle).await.unwrap();
        let mut text = String::new();
        door.accept().await.unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        assert_eq!(runner(&name).wait(&handle).await.unwrap(), exited(0));
        // The door is opened again after a restart, in the folder that is bound.
        drop(door);
        let again = doors.open(&spec.id).unwrap();
        assert_eq!(doors.list().unwrap(), [spec.id.clone()]);
        runner(&name).start(&handle).await.unwrap();
        let mut text = String::new();
        again.accept().await.unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        assert_eq!(runner(&name).wait(&handle).await.unwrap(), exited(0));
        runner(&name).remove(&handle).await.unwrap();
        assert_eq!(runner(&name).status(&handle).await.unwrap(), SandboxStatus::Gone);
        doors.close(&spec.id).unwrap();
        assert_eq!(doors.list().unwrap(), []);
        // Of other volumes nothing is said.
        let other = format!("{name}-other");
        lab.docker
            .create_volume(VolumeCreateRequest { name: Some(other.clone()), ..VolumeCreateRequest::default() })
            .await
            .unwrap();
        let door = doors.open(&spec.id).unwrap();
        spec.door_dir = door.dir().to_owned();
        let refused = runner(&other).create(&spec).await.unwrap_err().to_string();
        lab.docker.remove_volume(&other, None::<bollard::query_parameters::RemoveVolumeOptions>).await.unwrap();
        assert!(refused.contains("is not Strawboss's"), "{refused}");
    })
    .await;
}
